/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "books_image.h"
#include "ledger/books_left.h"

#include <stdlib.h>

static void each_counter_belongs_to_one_flow(void **unused)
{
    (void)unused;
    uint32_t next = 0;
    for (unsigned flow = 0; flow < FLOWS; flow++) {
        bool of_workers =
            flow_infos[flow].from == ACCOUNT_batch || flow_infos[flow].to == ACCOUNT_batch;
        assert_int_equal(books_flow_cells[flow].first, next);
        assert_int_equal(books_flow_cells[flow].count, of_workers ? LEDGER_CELLS : 1);
        next += books_flow_cells[flow].count;
    }
    assert_int_equal(next, BOOKS_CELLS);
    next = 0;
    for (unsigned account = 0; account < ACCOUNTS; account++) {
        struct counter_span span = books_account_measured[account];
        assert_int_equal(span.first, next);
        assert_int_equal(span.count, !account_infos[account].held ? 0
                                     : account == ACCOUNT_batch   ? LEDGER_CELLS
                                                                  : 1);
        next += span.count;
    }
    assert_int_equal(next, BOOKS_MEASURED);
}

static void every_cut_of_a_copy_is_refused(void **unused)
{
    (void)unused;
    struct books_file *file = make_file();
    struct buf copy = { 0 };
    struct books_image image;
    struct err err;
    (void)add_lane(file, "in", false);
    assert_true(books_file_copy(file, 1, &copy));
    assert_true(books_image_open(&image, buf_slice(&copy), true, &err));
    for (size_t bytes = 0; bytes < copy.bytes; bytes++) {
        char *cut = malloc(bytes); /* exactly as large, so that a read beyond it is seen */
        assert_true(cut != NULL || bytes == 0);
        memcpy(cut, copy.data, bytes);
        assert_false(books_image_open(&image, (struct slice){ cut, bytes }, true, &err));
        free(cut);
    }
    buf_fini(&copy);
    free(file);
}

static void every_flipped_bit_of_a_copy_is_noticed(void **unused)
{
    (void)unused;
    struct books_file *file = make_file();
    struct buf copy = { 0 };
    struct books_image image;
    struct err err;
    (void)add_lane(file, "in", false);
    assert_true(books_file_copy(file, 1, &copy));
    for (size_t at = 0; at < copy.bytes; at += at < sizeof(struct books_header) ? 1 : 97) {
        copy.data[at] ^= 0x10;
        if (books_image_open(&image, buf_slice(&copy), true, &err))
            fail_msg("byte %zu", at);
        copy.data[at] ^= 0x10;
    }
    buf_fini(&copy);
    free(file);
}

/* The live file has no checksum: whatever its header says, nothing is read outside of it. */
static void a_header_that_lies_is_refused_or_harmless(void **unused)
{
    (void)unused;
    static const uint32_t lies[] = { 0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffff8 };
    struct books_file *file = make_file();
    struct books_image image;
    struct books_left left;
    struct err err;
    (void)add_lane(file, "in", false);
    file->header.lanes.rows = 1;
    file->header.file_bytes = offsetof(struct books_file, lanes) + sizeof(struct books);
    size_t bytes = file->header.file_bytes;
    char *exact = malloc(bytes);
    assert_non_null(exact);
    for (size_t at = 0; at + 4 <= offsetof(struct books_file, numbers); at += 4) {
        for (size_t lie = 0; lie < sizeof(lies) / sizeof(lies[0]); lie++) {
            memcpy(exact, file, bytes);
            memcpy(exact + at, &lies[lie], sizeof(lies[lie]));
            if (!books_image_open(&image, (struct slice){ exact, bytes }, false, &err))
                continue;
            for (unsigned lane = 0; lane < image.header.lanes_used; lane++)
                (void)books_left_in(&image, lane, &left);
        }
    }
    free(exact);
    free(file);
}

static void a_copy_leaves_out_what_is_not_used(void **unused)
{
    (void)unused;
    struct books_file *file = make_file();
    struct buf copy = { 0 };
    struct books_image image;
    struct books_left left;
    struct err err;
    struct books *books = add_lane(file, "in", true);
    books->cells[CELL_admit].events = 3;
    books->cells[CELL_spill].bytes = 4;
    books->cells[CELL_spill].events = 1;
    assert_true(books_file_copy(file, 77, &copy));
    assert_true(copy.bytes < 64 * 1024);
    assert_true(books_image_open(&image, buf_slice(&copy), true, &err));
    assert_int_equal(image.header.saved_real_ns, 77);
    assert_true(books_left_in(&image, 0, &left));
    assert_int_equal(left.closing[FLOW_replay_ring].events, 3);
    assert_int_equal(left.closing[FLOW_crash_spool].events, 1); /* nothing is read again from it */
    buf_fini(&copy);
    free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cut_of_a_copy_is_refused),
        cmocka_unit_test(every_flipped_bit_of_a_copy_is_noticed),
        cmocka_unit_test(a_header_that_lies_is_refused_or_harmless),
        cmocka_unit_test(each_counter_belongs_to_one_flow),
        cmocka_unit_test(a_copy_leaves_out_what_is_not_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
