/* SPDX-License-Identifier: Apache-2.0 */
/* spool_format: records and the heads of segments; their sums are in spool_sum.c. A head's checksum
 * covers all of it but itself and the mark, which is written again in place. */
#include "delivery/spool_format.h"

#include "base/check.h"
#include "base/crc32c.h"
#include "delivery/spool_bytes.h"
#include "plugins/plugin.h"

#include <stdio.h>

static const char segment_magic[8] = { 'S', 'P', 'W', 'S', 'P', 'O', 'O', 'L' };

enum {
    RECORD_MAGIC = 0x31434552, /* "REC1" */
    RUN_BYTES = 24,
    AMOUNT_BITS = 48, /* no run has as many events or bytes */
};

/* Where the fields of a record's head lie. */
enum {
    AT_MAGIC = 0,
    AT_MARK = SPOOL_MARK_AT,
    AT_HEAD_BYTES = 8,
    AT_HEAD_CRC = 12,
    AT_BODY_BYTES = 16,
    AT_RAW_BYTES = 24,
    AT_SEQUENCE = 32,
    AT_PREVIOUS = 40,
    AT_OLDEST_BOOT = 48,
    AT_AGE = 56,
    AT_WRITTEN_REAL = 64,
    AT_EVENTS = 72,
    AT_BODY_CRC = 80,
    AT_RUN_COUNT = 84,
    AT_LANE_COUNT = 88,
    AT_KEY_BYTES = 90,
    AT_ENCODING = 92,
    AT_COMPRESSION = 93,
    AT_TEXTS = SPOOL_RECORD_LEAST,
};

uint64_t spool_padded(uint64_t bytes)
{
    return (bytes + 7) & ~UINT64_C(7);
}

/* ---- the head of a segment ---- */

enum { HEAD_COVERED = 48 };

void spool_write_segment_head(const struct spool_segment_head *head,
                              unsigned char ret[SPOOL_SEGMENT_HEAD])
{
    memset(ret, 0, SPOOL_SEGMENT_HEAD);
    memcpy(ret, segment_magic, sizeof(segment_magic));
    put_u32(ret + 8, SPOOL_VERSION);
    put_u32(ret + 12, SPOOL_SEGMENT_HEAD);
    put_u64(ret + 16, head->id);
    put_u64(ret + 24, (uint64_t)head->made_real_ms);
    memcpy(ret + 32, head->boot, SPOOL_BOOT_BYTES);
    put_u32(ret + HEAD_COVERED, crc32c(0, ret, HEAD_COVERED));
    put_u32(ret + SPOOL_TOUCHED_AT, head->is_touched ? SPOOL_DONE : 0);
}

enum spool_read spool_read_segment_head(struct slice bytes, struct spool_segment_head *ret)
{
    const unsigned char *at = (const unsigned char *)bytes.data;

    *ret = (struct spool_segment_head){ .version = 0 };
    if (bytes.bytes < SPOOL_SEGMENT_HEAD || memcmp(at, segment_magic, sizeof(segment_magic)) != 0)
        return SPOOL_FOREIGN;
    ret->version = get_u32(at + 8);
    if (crc32c(0, at, HEAD_COVERED) != get_u32(at + HEAD_COVERED))
        return SPOOL_DAMAGED;
    if (ret->version != SPOOL_VERSION || get_u32(at + 12) != SPOOL_SEGMENT_HEAD)
        return SPOOL_FOREIGN;
    ret->id = get_u64(at + 16);
    ret->made_real_ms = (int64_t)get_u64(at + 24);
    memcpy(ret->boot, at + 32, SPOOL_BOOT_BYTES);
    ret->is_touched = get_u32(at + SPOOL_TOUCHED_AT) != 0;
    return SPOOL_READ;
}

/* ---- writing the head of a record ---- */

struct names {
    unsigned count;
    const struct books *books[SPOOL_LANES_MAX];
};

static unsigned name_index(struct names *names, const struct books *books)
{
    for (unsigned i = names->count; i-- > 0;) {
        if (names->books[i] == books)
            return i;
    }
    if (names->count < SPOOL_LANES_MAX)
        names->books[names->count] = books;
    return names->count++;
}

/* Neighbours of one lane become one run: the receipts that kept them apart are not written. */
static size_t join_runs(const struct batch *batch, struct names *names, unsigned char *ret_runs)
{
    unsigned char *at = ret_runs - RUN_BYTES;
    unsigned last = SPOOL_LANES_MAX;

    for (size_t i = 0; i < batch->run_count; i++) {
        const struct batch_run *run = &batch->runs[i];
        unsigned lane = name_index(names, run->books);
        if (lane == SPOOL_LANES_MAX)
            return 0;
        if (lane != last) {
            at += RUN_BYTES;
            memset(at, 0, RUN_BYTES);
            put_u64(at, lane);
        }
        put_u64(at + 8, get_u64(at + 8) + run->events);
        put_u64(at + 16, get_u64(at + 16) + run->bytes);
        last = lane;
    }
    return (size_t)(at + RUN_BYTES - ret_runs) / RUN_BYTES;
}

static void fill_fixed(const struct batch *batch, const struct spool_stamp *stamp,
                       unsigned char *ret)
{
    int64_t age_ms = stamp->boot_ms - batch->oldest_boot_ms;

    put_u32(ret + AT_MAGIC, RECORD_MAGIC);
    put_u64(ret + AT_BODY_BYTES, batch->body_bytes);
    put_u64(ret + AT_RAW_BYTES, batch->raw_bytes);
    put_u64(ret + AT_SEQUENCE, batch->sequence);
    put_u64(ret + AT_PREVIOUS, stamp->previous_at);
    put_u64(ret + AT_OLDEST_BOOT, (uint64_t)batch->oldest_boot_ms);
    put_u64(ret + AT_AGE, (uint64_t)(age_ms < 0 ? 0 : age_ms));
    put_u64(ret + AT_WRITTEN_REAL, (uint64_t)stamp->real_ms);
    put_u64(ret + AT_EVENTS, batch->events);
    put_u32(ret + AT_BODY_CRC, crc32c(0, batch->body, batch->body_bytes));
    put_u16(ret + AT_KEY_BYTES, (uint16_t)strlen(batch->key));
    ret[AT_ENCODING] = batch->encoding;
    ret[AT_COMPRESSION] = batch->compression;
}

static uint32_t head_crc(const unsigned char *head, size_t bytes)
{
    uint32_t crc = crc32c(0, head, AT_MARK);

    crc = crc32c(crc, head + AT_HEAD_BYTES, AT_HEAD_CRC - AT_HEAD_BYTES);
    return crc32c(crc, head + AT_BODY_BYTES, bytes - AT_BODY_BYTES);
}

static bool add_texts(const struct batch *batch, const struct names *names, struct buf *ret)
{
    bool ok = buf_add(ret, batch->key, strlen(batch->key));

    for (unsigned i = 0; ok && i < names->count; i++)
        ok = add_name(ret, slice_of(ledger_input_name(names->books[i])));
    return ok && pad_buf(ret);
}

bool spool_write_record_head(const struct batch *batch, const struct spool_stamp *stamp,
                             struct buf *ret)
{
    unsigned char fixed[SPOOL_RECORD_LEAST] = { 0 };
    struct names names = { .count = 0 };
    size_t start = ret->bytes, run_count = 0;
    unsigned char *runs = NULL;
    bool ok = batch->run_count <= SPOOL_RUNS_MAX;

    CHECK(start % 8 == 0);
    if (ok)
        runs = calloc(batch->run_count, RUN_BYTES);
    if (runs != NULL)
        run_count = join_runs(batch, &names, runs);
    if (run_count > 0) {
        fill_fixed(batch, stamp, fixed);
        put_u32(fixed + AT_RUN_COUNT, (uint32_t)run_count);
        put_u16(fixed + AT_LANE_COUNT, (uint16_t)names.count);
        ok = buf_add(ret, fixed, sizeof(fixed)) && add_texts(batch, &names, ret) &&
             buf_add(ret, runs, run_count * RUN_BYTES);
    }
    free(runs);
    if (!ok || run_count == 0)
        return false;
    unsigned char *head = (unsigned char *)ret->data + start;
    put_u32(head + AT_HEAD_BYTES, (uint32_t)(ret->bytes - start));
    put_u32(head + AT_HEAD_CRC, head_crc(head, ret->bytes - start));
    return true;
}

/* ---- reading it ---- */

static enum spool_read read_size(struct slice bytes, size_t *ret_head_bytes, size_t *ret_need)
{
    const unsigned char *at = (const unsigned char *)bytes.data;

    *ret_need = SPOOL_RECORD_LEAST;
    if (bytes.bytes < SPOOL_RECORD_LEAST)
        return SPOOL_MORE;
    if (get_u32(at + AT_MAGIC) != RECORD_MAGIC)
        return SPOOL_DAMAGED;
    size_t head_bytes = get_u32(at + AT_HEAD_BYTES);
    if (head_bytes < SPOOL_RECORD_LEAST || head_bytes > SPOOL_HEAD_MAX || head_bytes % 8 != 0)
        return SPOOL_DAMAGED;
    *ret_head_bytes = *ret_need = head_bytes;
    return bytes.bytes < head_bytes ? SPOOL_MORE : SPOOL_READ;
}

static bool read_texts(const unsigned char *head, struct spool_record *ret)
{
    struct slice rest = { (const char *)head + AT_TEXTS, ret->head_bytes - AT_TEXTS };
    size_t key_bytes = get_u16(head + AT_KEY_BYTES);

    ret->lane_count = get_u16(head + AT_LANE_COUNT);
    if (key_bytes == 0 || key_bytes >= BATCH_KEY_BYTES || key_bytes > rest.bytes ||
        ret->lane_count > SPOOL_LANES_MAX)
        return false;
    ret->key = (struct slice){ rest.data, key_bytes };
    rest = (struct slice){ rest.data + key_bytes, rest.bytes - key_bytes };
    for (unsigned i = 0; i < ret->lane_count; i++) {
        if (!take_name(&rest, &ret->lanes[i]))
            return false;
    }
    size_t used = (size_t)spool_padded(ret->head_bytes - rest.bytes);
    if (used > ret->head_bytes || ret->head_bytes - used != ret->run_count * RUN_BYTES)
        return false;
    ret->runs = (const char *)head + used;
    return true;
}

/* A key becomes a header of a request, so it is plain text. */
static bool is_plain(struct slice text)
{
    for (size_t i = 0; i < text.bytes; i++) {
        if (text.data[i] < '!' || text.data[i] > '~')
            return false;
    }
    return true;
}

static bool runs_add_up(const struct spool_record *record)
{
    uint64_t events = 0;

    for (size_t i = 0; i < record->run_count; i++) {
        unsigned lane;
        struct amount run = spool_record_run(record, i, &lane);
        if (lane >= record->lane_count || run.events == 0 || run.events >> AMOUNT_BITS != 0 ||
            run.bytes >> AMOUNT_BITS != 0)
            return false;
        events += run.events;
    }
    return events > 0 && events == record->events;
}

enum spool_read spool_read_record_head(struct slice bytes, struct spool_record *ret,
                                       size_t *ret_need)
{
    const unsigned char *head = (const unsigned char *)bytes.data;
    size_t head_bytes = 0;
    enum spool_read found = read_size(bytes, &head_bytes, ret_need);

    if (found != SPOOL_READ)
        return found;
    if (get_u32(head + AT_HEAD_CRC) != head_crc(head, head_bytes))
        return SPOOL_DAMAGED;
    ret->head_bytes = head_bytes;
    ret->is_done = get_u32(head + AT_MARK) == SPOOL_DONE;
    ret->body_bytes = get_u64(head + AT_BODY_BYTES);
    ret->raw_bytes = get_u64(head + AT_RAW_BYTES);
    ret->sequence = get_u64(head + AT_SEQUENCE);
    ret->previous_at = get_u64(head + AT_PREVIOUS);
    ret->oldest_boot_ms = (int64_t)get_u64(head + AT_OLDEST_BOOT);
    ret->age_ms = (int64_t)get_u64(head + AT_AGE);
    ret->written_real_ms = (int64_t)get_u64(head + AT_WRITTEN_REAL);
    ret->events = get_u64(head + AT_EVENTS);
    ret->body_crc = get_u32(head + AT_BODY_CRC);
    ret->run_count = get_u32(head + AT_RUN_COUNT);
    ret->encoding = head[AT_ENCODING];
    ret->compression = head[AT_COMPRESSION];
    if (ret->run_count == 0 || ret->run_count > SPOOL_RUNS_MAX ||
        ret->body_bytes >> AMOUNT_BITS != 0 || ret->raw_bytes >> AMOUNT_BITS != 0 ||
        ret->encoding > ENCODE_JSON_ARRAY || ret->compression > COMPRESS_ZSTD ||
        !read_texts(head, ret) || !is_plain(ret->key) || !runs_add_up(ret))
        return SPOOL_DAMAGED;
    return SPOOL_READ;
}

struct amount spool_record_run(const struct spool_record *record, size_t index, unsigned *ret_lane)
{
    const unsigned char *at = (const unsigned char *)record->runs + index * RUN_BYTES;
    uint64_t lane = get_u64(at);

    CHECK(index < record->run_count);
    *ret_lane = lane < SPOOL_LANES_MAX ? (unsigned)lane : SPOOL_LANES_MAX;
    return (struct amount){ get_u64(at + 8), get_u64(at + 16) };
}

uint64_t spool_record_bytes(const struct spool_record *record)
{
    return record->head_bytes + spool_padded(record->body_bytes);
}

bool spool_body_is_whole(const struct spool_record *record, const char *body)
{
    return crc32c(0, body, record->body_bytes) == record->body_crc;
}
