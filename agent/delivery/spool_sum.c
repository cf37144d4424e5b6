/* SPDX-License-Identifier: Apache-2.0 */
/* spool_sum: the end of a segment that is not written any more. */
#include "base/check.h"
#include "base/crc32c.h"
#include "delivery/spool_bytes.h"
#include "delivery/spool_format.h"

enum {
    SUM_MAGIC = 0x314d5553,  /* "SUM1" */
    TAIL_MAGIC = 0x4c494154, /* "TAIL" */
    SUM_FIXED = 56,
    TAIL_COVERED = 12,
};

/* The checksum covers all behind it and is itself in front. */
enum {
    AT_MAGIC = 0,
    AT_CRC = 4,
    AT_BYTES = 8,
    AT_ROWS = 12,
    AT_RECORDS = 16,
    AT_LAST = 24,
    AT_NEWEST_BOOT = 32,
    AT_NEWEST_AGE = 40,
    AT_NEWEST_REAL = 48,
};

static bool add_row(struct buf *ret, const struct spool_sum_row *row)
{
    unsigned char amount[16];

    put_u64(amount, row->amount.events);
    put_u64(amount + 8, row->amount.bytes);
    return add_name(ret, row->lane) && buf_add(ret, amount, sizeof(amount));
}

bool spool_write_sum(const struct spool_sum *sum, uint64_t at, struct buf *ret)
{
    unsigned char fixed[SUM_FIXED] = { 0 }, tail[SPOOL_TAIL];
    size_t start = ret->bytes;
    bool ok;

    CHECK(start % 8 == 0);
    put_u32(fixed + AT_MAGIC, SUM_MAGIC);
    put_u32(fixed + AT_ROWS, sum->row_count);
    put_u64(fixed + AT_RECORDS, sum->records);
    put_u64(fixed + AT_LAST, sum->last_at);
    put_u64(fixed + AT_NEWEST_BOOT, (uint64_t)sum->newest_boot_ms);
    put_u64(fixed + AT_NEWEST_AGE, (uint64_t)sum->newest_age_ms);
    put_u64(fixed + AT_NEWEST_REAL, (uint64_t)sum->newest_real_ms);
    ok = buf_add(ret, fixed, sizeof(fixed));
    for (unsigned i = 0; ok && i < sum->row_count; i++)
        ok = add_row(ret, &sum->rows[i]);
    if (!ok || !pad_buf(ret))
        return false;
    unsigned char *head = (unsigned char *)ret->data + start;
    size_t bytes = ret->bytes - start;
    put_u32(head + AT_BYTES, (uint32_t)bytes);
    put_u32(head + AT_CRC, crc32c(0, head + AT_BYTES, bytes - AT_BYTES));
    put_u64(tail, at);
    put_u32(tail + 8, TAIL_MAGIC);
    put_u32(tail + TAIL_COVERED, crc32c(0, tail, TAIL_COVERED));
    return buf_add(ret, tail, sizeof(tail));
}

enum spool_read spool_read_tail(struct slice bytes, uint64_t *ret_at)
{
    const unsigned char *at = (const unsigned char *)bytes.data;

    if (bytes.bytes != SPOOL_TAIL || get_u32(at + 8) != TAIL_MAGIC ||
        get_u32(at + TAIL_COVERED) != crc32c(0, at, TAIL_COVERED))
        return SPOOL_DAMAGED;
    *ret_at = get_u64(at);
    return SPOOL_READ;
}

static bool take_row(struct slice *rest, struct spool_sum_row *ret)
{
    if (!take_name(rest, &ret->lane) || rest->bytes < 16)
        return false;
    const unsigned char *at = (const unsigned char *)rest->data;
    ret->amount = (struct amount){ get_u64(at), get_u64(at + 8) };
    *rest = (struct slice){ rest->data + 16, rest->bytes - 16 };
    return ret->amount.events >> 48 == 0 && ret->amount.bytes >> 48 == 0;
}

enum spool_read spool_read_sum(struct slice bytes, struct spool_sum *ret)
{
    const unsigned char *head = (const unsigned char *)bytes.data;

    if (bytes.bytes < SUM_FIXED || get_u32(head + AT_MAGIC) != SUM_MAGIC ||
        get_u32(head + AT_BYTES) != bytes.bytes ||
        get_u32(head + AT_CRC) != crc32c(0, head + AT_BYTES, bytes.bytes - AT_BYTES))
        return SPOOL_DAMAGED;
    ret->row_count = get_u32(head + AT_ROWS);
    ret->records = get_u64(head + AT_RECORDS);
    ret->last_at = get_u64(head + AT_LAST);
    ret->newest_boot_ms = (int64_t)get_u64(head + AT_NEWEST_BOOT);
    ret->newest_age_ms = (int64_t)get_u64(head + AT_NEWEST_AGE);
    ret->newest_real_ms = (int64_t)get_u64(head + AT_NEWEST_REAL);
    if (ret->row_count > SPOOL_LANES_MAX)
        return SPOOL_DAMAGED;
    struct slice rest = { bytes.data + SUM_FIXED, bytes.bytes - SUM_FIXED };
    for (unsigned i = 0; i < ret->row_count; i++) {
        if (!take_row(&rest, &ret->rows[i]))
            return SPOOL_DAMAGED;
    }
    return SPOOL_READ;
}
