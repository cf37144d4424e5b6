/* SPDX-License-Identifier: Apache-2.0 */
#include "delivery/spool_format.h"

#include "base/auto.h"
#include "base/crc32c.h"
#include "delivery/rig.h"
#include "delivery/spool_bytes.h"
#include "plugins/plugin.h"

static const struct spool_stamp stamp = { .boot_ms = 5000,
                                          .real_ms = 1700000000000,
                                          .previous_at = 64 };

static struct batch *mixed_batch(struct rig *rig)
{
    struct batch *batch = rig_empty_batch(rig, "{\"body\":\"hello\"}\n");

    rig_add_run(rig, batch, 0, NULL, 3);
    rig_add_run(rig, batch, 0, NULL, 4);
    rig_add_run(rig, batch, 2, NULL, 5);
    rig_add_run(rig, batch, 0, NULL, 6);
    batch->oldest_boot_ms = 2000;
    batch->encoding = ENCODE_JSON_ARRAY;
    batch->compression = COMPRESS_GZIP;
    return batch;
}

/* The head of a mixed batch, as it is on disk. */
struct written {
    struct rig rig;
    struct batch *batch;
    struct buf bytes;
};

static void write_head(struct written *ret)
{
    *ret = (struct written){ .batch = NULL };
    rig_open(&ret->rig);
    ret->batch = mixed_batch(&ret->rig);
    assert_true(spool_write_record_head(ret->batch, &stamp, &ret->bytes));
}

static void forget(struct written *written)
{
    buf_fini(&written->bytes);
    batch_free(&written->batch);
    rig_close(&written->rig);
}

static void a_record_is_read_as_it_was_written(void **unused)
{
    (void)unused;
    struct written written;
    struct spool_record record;
    size_t need;

    write_head(&written);
    struct slice bytes = buf_slice(&written.bytes);
    assert_int_equal(bytes.bytes % 8, 0);
    assert_int_equal(spool_read_record_head(bytes, &record, &need), SPOOL_READ);
    assert_int_equal(record.head_bytes, bytes.bytes);
    assert_int_equal(record.body_bytes, written.batch->body_bytes);
    assert_int_equal(record.raw_bytes, written.batch->raw_bytes);
    assert_int_equal(record.sequence, written.batch->sequence);
    assert_int_equal(record.previous_at, 64);
    assert_int_equal(record.oldest_boot_ms, 2000);
    assert_int_equal(record.age_ms, 3000);
    assert_int_equal(record.written_real_ms, 1700000000000);
    assert_int_equal(record.encoding, ENCODE_JSON_ARRAY);
    assert_int_equal(record.compression, COMPRESS_GZIP);
    assert_false(record.is_done);
    assert_true(slice_equals(record.key, slice_of(written.batch->key)));
    assert_true(spool_body_is_whole(&record, written.batch->body));
    static const struct {
        const char *lane;
        uint64_t events;
    } runs[] = { { "files", 7 }, { "socket", 5 }, { "files", 6 } };
    assert_int_equal(record.run_count, 3); /* neighbours of one lane are one run */
    for (size_t i = 0; i < 3; i++) {
        unsigned lane;
        struct amount amount = spool_record_run(&record, i, &lane);
        assert_true(slice_equals(record.lanes[lane], slice_of(runs[i].lane)));
        assert_int_equal(amount.events, runs[i].events);
        assert_int_equal(amount.bytes, 10 * runs[i].events);
    }
    forget(&written);
}

static void every_flipped_bit_of_a_head_but_its_mark_is_found(void **unused)
{
    (void)unused;
    struct written written;
    struct spool_record record;
    size_t need;

    write_head(&written);
    struct slice bytes = buf_slice(&written.bytes);
    for (size_t bit = 0; bit < 8 * bytes.bytes; bit++) {
        bool is_mark = bit / 8 >= SPOOL_MARK_AT && bit / 8 < SPOOL_MARK_AT + 4;
        written.bytes.data[bit / 8] ^= (char)(1 << bit % 8);
        enum spool_read found = spool_read_record_head(bytes, &record, &need);
        if (is_mark)
            assert_true(found == SPOOL_READ && !record.is_done); /* rather once more than never */
        else
            assert_int_not_equal(found, SPOOL_READ);
        written.bytes.data[bit / 8] ^= (char)(1 << bit % 8);
    }
    written.batch->body[3] ^= 1;
    assert_int_equal(spool_read_record_head(bytes, &record, &need), SPOOL_READ);
    assert_false(spool_body_is_whole(&record, written.batch->body));
    forget(&written);
}

/* By a bug, or by somebody who may write there: nothing of it is trusted. */
static void a_head_without_sense_is_damaged_though_its_checksum_fits(void **unused)
{
    (void)unused;
    static const struct {
        size_t at;
        unsigned char value;
    } changes[] = {
        { 72, 19 },                         /* events: the runs have 18 */
        { 84, 2 },                          /* runs: there are three */
        { 84, 0 },                          /* none */
        { 88, 1 },                          /* lanes: the second run is of the other */
        { 90, 0 },                          /* no key */
        { 90, 200 },                        /* a key longer than the head */
        { 92, 7 },                          /* no such encoding */
        { 93, 9 },                          /* no such compression */
        { 96, '\n' },                       /* the key would end a header of the request */
        { 96 + 13, '\0' },                  /* the length of a name */
        { 96 + 14, '\"' },                  /* a name that no configuration has */
        { 96 + 14, 0x80 }, { 128 + 24, 5 }, /* the lane of the second run: there are two */
    };
    struct written written;
    struct spool_record record;
    size_t need;

    write_head(&written);
    unsigned char *head = (unsigned char *)written.bytes.data;
    size_t bytes = written.bytes.bytes;
    assert_int_equal(strlen(written.batch->key), 13);
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        unsigned char before = head[changes[i].at];
        assert_int_not_equal(before, changes[i].value);
        head[changes[i].at] = changes[i].value;
        put_u32(head + 12, crc32c(crc32c(crc32c(0, head, 4), head + 8, 4), head + 16, bytes - 16));
        assert_int_equal(spool_read_record_head(buf_slice(&written.bytes), &record, &need),
                         SPOOL_DAMAGED);
        head[changes[i].at] = before;
    }
    put_u32(head + 12, crc32c(crc32c(crc32c(0, head, 4), head + 8, 4), head + 16, bytes - 16));
    assert_int_equal(spool_read_record_head(buf_slice(&written.bytes), &record, &need), SPOOL_READ);
    forget(&written);
}

static void a_head_that_is_cut_off_asks_for_more(void **unused)
{
    (void)unused;
    struct written written;
    struct spool_record record;
    size_t need;

    write_head(&written);
    struct slice bytes = buf_slice(&written.bytes);
    for (size_t cut = 0; cut < bytes.bytes; cut++) {
        struct slice part = { bytes.data, cut };
        assert_int_equal(spool_read_record_head(part, &record, &need), SPOOL_MORE);
        assert_true(need > cut && need <= bytes.bytes);
    }
    forget(&written);
}

static void the_mark_is_beside_the_checksum(void **unused)
{
    (void)unused;
    struct written written;
    struct spool_record record;
    size_t need;

    write_head(&written);
    struct slice bytes = buf_slice(&written.bytes);
    memcpy(written.bytes.data + SPOOL_MARK_AT, "DONE", 4);
    assert_int_equal(spool_read_record_head(bytes, &record, &need), SPOOL_READ);
    assert_true(record.is_done);
    forget(&written);
}

static void a_batch_of_more_runs_than_a_record_has_is_refused(void **unused)
{
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    AUTO(buf_fini) struct buf bytes = { 0 };
    struct batch *batch = rig_empty_batch(&rig, "x");

    for (int i = 0; i <= SPOOL_RUNS_MAX; i++)
        rig_add_run(&rig, batch, i % 2, NULL, 1);
    assert_false(spool_write_record_head(batch, &stamp, &bytes));
    batch_free(&batch);
    rig_close(&rig);
}

static void the_head_of_a_segment_tells_ours_from_others(void **unused)
{
    (void)unused;
    struct spool_segment_head head = { .id = 77, .made_real_ms = 5, .boot = "0123456789abcde" };
    struct spool_segment_head found;
    unsigned char bytes[SPOOL_SEGMENT_HEAD];
    struct slice slice = { (const char *)bytes, sizeof(bytes) };

    spool_write_segment_head(&head, bytes);
    assert_int_equal(spool_read_segment_head(slice, &found), SPOOL_READ);
    assert_int_equal(found.id, 77);
    assert_memory_equal(found.boot, head.boot, SPOOL_BOOT_BYTES);
    assert_false(found.is_touched);
    bytes[SPOOL_TOUCHED_AT] = 1;
    assert_int_equal(spool_read_segment_head(slice, &found), SPOOL_READ);
    assert_true(found.is_touched);
    bytes[16] ^= 1;
    assert_int_equal(spool_read_segment_head(slice, &found), SPOOL_DAMAGED);
    bytes[0] ^= 1;
    assert_int_equal(spool_read_segment_head(slice, &found), SPOOL_FOREIGN);
    assert_int_equal(found.version, 0);
    slice.bytes = 10;
    assert_int_equal(spool_read_segment_head(slice, &found), SPOOL_FOREIGN);
}

static void a_sum_is_read_as_it_was_written_and_no_flipped_bit_passes(void **unused)
{
    (void)unused;
    AUTO(buf_fini) struct buf bytes = { 0 };
    struct spool_sum sum = { .records = 9,
                             .last_at = 640,
                             .newest_boot_ms = 1,
                             .newest_age_ms = 2,
                             .newest_real_ms = 3,
                             .row_count = 2,
                             .rows = { { SLICE("files"), { 100, 1000 } },
                                       { SLICE("socket"), { 7, 70 } } } };
    struct spool_sum found;
    uint64_t at;

    assert_true(spool_write_sum(&sum, 4096, &bytes));
    struct slice tail = { bytes.data + bytes.bytes - SPOOL_TAIL, SPOOL_TAIL };
    struct slice body = { bytes.data, bytes.bytes - SPOOL_TAIL };
    assert_int_equal(spool_read_tail(tail, &at), SPOOL_READ);
    assert_int_equal(at, 4096);
    assert_int_equal(spool_read_sum(body, &found), SPOOL_READ);
    assert_int_equal(found.records, 9);
    assert_int_equal(found.row_count, 2);
    assert_true(slice_equals(found.rows[1].lane, SLICE("socket")));
    assert_int_equal(found.rows[1].amount.bytes, 70);
    for (size_t bit = 0; bit < 8 * bytes.bytes; bit++) {
        bytes.data[bit / 8] ^= (char)(1 << bit % 8);
        assert_true(spool_read_tail(tail, &at) == SPOOL_DAMAGED ||
                    spool_read_sum(body, &found) == SPOOL_DAMAGED);
        bytes.data[bit / 8] ^= (char)(1 << bit % 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_is_read_as_it_was_written),
        cmocka_unit_test(every_flipped_bit_of_a_head_but_its_mark_is_found),
        cmocka_unit_test(a_head_without_sense_is_damaged_though_its_checksum_fits),
        cmocka_unit_test(a_head_that_is_cut_off_asks_for_more),
        cmocka_unit_test(the_mark_is_beside_the_checksum),
        cmocka_unit_test(a_batch_of_more_runs_than_a_record_has_is_refused),
        cmocka_unit_test(the_head_of_a_segment_tells_ours_from_others),
        cmocka_unit_test(a_sum_is_read_as_it_was_written_and_no_flipped_bit_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
