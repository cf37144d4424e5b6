/* SPDX-License-Identifier: Apache-2.0 */
/* Reads any bytes as the head of a segment, as records and as a sum: as they are, and with their
 * checksums put right, so that the fuzzer gets behind them. */
#include "base/crc32c.h"
#include "delivery/spool_format.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void set_u32(char *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (char)(value >> 8 * i);
}

static void read_record(struct slice bytes)
{
    struct spool_record record;
    size_t need;

    if (spool_read_record_head(bytes, &record, &need) != SPOOL_READ)
        return;
    if (record.head_bytes > bytes.bytes || record.key.bytes >= BATCH_KEY_BYTES)
        abort();
    for (size_t i = 0; i < record.run_count; i++) {
        unsigned lane;
        (void)spool_record_run(&record, i, &lane);
        if (lane >= record.lane_count)
            abort();
    }
    (void)spool_record_bytes(&record);
}

static void mend_record(char *copy, size_t bytes)
{
    uint32_t crc;

    if (bytes < SPOOL_RECORD_LEAST)
        return;
    memcpy(copy, "REC1", 4);
    set_u32(copy + 8, (uint32_t)(bytes & ~(size_t)7));
    crc = crc32c(0, copy, 4);
    crc = crc32c(crc, copy + 8, 4);
    set_u32(copy + 12, crc32c(crc, copy + 16, (bytes & ~(size_t)7) - 16));
    read_record((struct slice){ copy, bytes });
}

static void mend_sum(char *copy, size_t bytes)
{
    struct spool_sum sum;

    if (bytes < 16)
        return;
    memcpy(copy, "SUM1", 4);
    set_u32(copy + 8, (uint32_t)bytes);
    set_u32(copy + 4, crc32c(0, copy + 8, bytes - 8));
    (void)spool_read_sum((struct slice){ copy, bytes }, &sum);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct slice as_is = { (const char *)data, bytes };
    struct spool_segment_head head;
    struct spool_sum sum;
    uint64_t at;
    char *copy = malloc(bytes + 1);

    if (copy == NULL)
        return 0;
    (void)spool_read_segment_head(as_is, &head);
    (void)spool_read_sum(as_is, &sum);
    (void)spool_read_tail(as_is, &at);
    read_record(as_is);
    memcpy(copy, data, bytes);
    mend_record(copy, bytes);
    memcpy(copy, data, bytes);
    mend_sum(copy, bytes);
    free(copy);
    return 0;
}
