/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "books_image.h"
#include "ledger/books_left.h"

#include <stdio.h>

static void every_held_account_can_be_closed(void **unused)
{
    (void)unused;
    for (unsigned account = 0; account < ACCOUNTS; account++) {
        unsigned crashes = 0;
        for (unsigned flow = 0; flow < FLOWS; flow++)
            crashes += flow_infos[flow].from == account && flow_infos[flow].to == ACCOUNT_lost;
        assert_int_equal(crashes, account_infos[account].held);
    }
}

static void close_with(const struct books_file *file, const struct ledger_found *found,
                       size_t count, struct books_left *ret)
{
    struct books_image image;
    struct err err;

    assert_true(books_image_open(&image, all_of(file), false, &err));
    image.found = found;
    image.found_count = count;
    assert_true(books_left_in(&image, 0, ret));
}

static void counters_that_make_no_sense_are_damage(void **unused)
{
    (void)unused;
    struct books_file *file = make_file();
    struct books *books = add_lane(file, "in", false);
    struct books_left left;
    books->cells[CELL_admit].events = UINT64_C(1) << 50;
    close_with(file, NULL, 0, &left);
    assert_true(left.damaged);
    assert_int_equal(left.closing[FLOW_crash_ring].events, 0);
    free(file);
}

static void names_that_are_no_text_are_damage(void **unused)
{
    (void)unused;
    struct books_file *file = make_file();
    struct books *books = add_lane(file, "in", false);
    struct books_image image;
    struct books_left left;
    struct err err;
    assert_true(books_image_open(&image, all_of(file), false, &err));
    assert_false(books_left_in(&image, 0, &left));
    memset(books->input, 'x', sizeof(books->input));
    assert_true(books_left_in(&image, 0, &left) && left.damaged);
    memset(books->input, 0, sizeof(books->input));
    assert_true(books_left_in(&image, 0, &left) && left.damaged);
    memcpy(books->input, "a\xc3", 2);
    assert_true(books_left_in(&image, 0, &left) && left.damaged);
    free(file);
}

/* The copy is not taken at one instant: `gather` may be in it and its `admit` not. */
static void a_stock_below_0_counts_as_nothing(void **unused)
{
    (void)unused;
    struct books_file *file = make_file();
    struct books *books = add_lane(file, "in", false);
    struct books_left left;
    books->cells[CELL_gather + 3].events = 5;
    close_with(file, NULL, 0, &left);
    assert_false(left.damaged);
    assert_int_equal(left.closing[FLOW_crash_ring].events, 0);
    assert_int_equal(left.closing[FLOW_crash_batch].events, 5);
    free(file);
}

static struct numbers *add_output(struct books_file *file, const char *name)
{
    (void)snprintf(file->outputs[0].name, LEDGER_NAME, "%s", name);
    atomic_store(&file->header.outputs_used, 1);
    return &file->outputs[0].numbers;
}

/* R found on disk, S in the books of the spool, M ready: min(R, S) is handed over, R over S comes
 * out of ready, S over R was lost on disk, and the rest of M as ever. What is done, but for its
 * mark, is not of R. */
static void what_was_found_on_disk_is_handed_over_by_the_arithmetic(void **unused)
{
    (void)unused;
    static const struct {
        uint64_t found, unmarked, over, over_ready, crash_spool, crash_ready;
    } cases[] = {
        { 0, 0, 0, 0, 7, 5 },  { 3, 0, 3, 0, 4, 5 },  { 7, 0, 7, 0, 0, 5 },
        { 9, 0, 7, 2, 0, 3 },  { 12, 0, 7, 5, 0, 0 }, { 99, 0, 7, 5, 0, 0 },
        { 10, 3, 7, 0, 0, 5 }, { 9, 4, 5, 0, 2, 5 },  { 3, 4, 0, 0, 7, 5 },
    };
    struct books_file *file = make_file();
    struct books *books = add_lane(file, "in", false);
    struct books_left left;
    books->cells[CELL_admit].events = books->cells[CELL_gather].events = 12;
    books->cells[CELL_seal].events = 12;
    books->cells[CELL_spill].events = 7;
    struct numbers *output = add_output(file, books->output);
    numbers_set(output, NUMBER_spool_max_bytes, 1000);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ledger_found found[] = {
            { .input = "other", .output = books->output, .amount = { 1000, 0 } },
            { .input = "in", .output = books->output, .amount = { cases[i].found, 0 } }
        };
        numbers_set(&books->numbers, NUMBER_spool_unmarked_events, cases[i].unmarked);
        close_with(file, found, 2, &left);
        assert_int_equal(left.closing[FLOW_hand_over].events, cases[i].over);
        assert_int_equal(left.closing[FLOW_hand_over_ready].events, cases[i].over_ready);
        assert_int_equal(left.closing[FLOW_crash_spool].events, cases[i].crash_spool);
        assert_int_equal(left.closing[FLOW_crash_ready].events, cases[i].crash_ready);
    }
    free(file);
}

/* What a start finds that the one before had no spool for was there all the time. */
static void what_was_ready_is_not_taken_for_what_another_start_had_written(void **unused)
{
    (void)unused;
    struct books_file *file = make_file();
    struct books *books = add_lane(file, "in", false);
    struct ledger_found found = { .input = "in", .output = books->output, .amount = { 9, 0 } };
    struct books_left left;
    books->cells[CELL_admit].events = books->cells[CELL_gather].events = 5;
    books->cells[CELL_seal].events = 5;
    close_with(file, &found, 1, &left);
    assert_int_equal(left.closing[FLOW_hand_over_ready].events, 0);
    assert_int_equal(left.closing[FLOW_crash_ready].events, 5);
    free(file);
}

/* A segment that cannot be read now may be read by the next start: what the books have over what
 * was found stays in the spool, and is said. */
static void what_could_not_be_read_on_disk_is_handed_over_unread(void **unused)
{
    (void)unused;
    struct books_file *file = make_file();
    struct books *books = add_lane(file, "in", false);
    struct ledger_found found[] = {
        { .input = "in", .output = books->output, .amount = { 3, 30 } },
        { .input = "", .output = "another" },
        { .input = "", .output = books->output },
    };
    struct books_left left;
    books->cells[CELL_admit] = books->cells[CELL_gather] = books->cells[CELL_seal] =
        books->cells[CELL_spill] = (struct cell){ 7, 70 };
    close_with(file, found, 2, &left);
    assert_int_equal(left.closing[FLOW_hand_over].events, 3);
    assert_int_equal(left.closing[FLOW_crash_spool].events, 4);
    assert_int_equal(left.unread.events, 0);
    close_with(file, found, 3, &left);
    assert_int_equal(left.closing[FLOW_hand_over].events, 7);
    assert_int_equal(left.closing[FLOW_crash_spool].events, 0);
    assert_int_equal(left.unread.events, 4);
    assert_int_equal(left.unread.bytes, 40);
    free(file);
}

/* ---- books of another build: other tables, wider rows, an account that this one does not know
 * ---- */

struct other_account {
    struct books_account_row row;
    char note[24];
};
struct other_flow {
    struct books_flow_row row;
    uint64_t since;
};
struct other_lane {
    uint64_t rereadable;
    struct cell cells[5];
    char output[40], input[40];
};
struct other_file {
    struct books_header header;
    struct other_flow flows[3];
    struct other_account accounts[4];
    struct other_lane lanes[2];
};

static void describe_other(struct other_file *file)
{
    static const struct books_account_row accounts[] = { { .name = "in_flight", .held = 1 },
                                                         { .name = "outside" },
                                                         { .name = "attic", .held = 1 },
                                                         { .name = "delivered" } };
    static const struct books_flow_row flows[] = { { "enter", 1, 2, 3, 2 },
                                                   { "send", 2, 0, 0, 2 },
                                                   { "done", 0, 3, 2, 1 } };
    for (unsigned i = 0; i < 4; i++)
        file->accounts[i].row = accounts[i];
    for (unsigned i = 0; i < 3; i++)
        file->flows[i].row = flows[i];
    file->header = (struct books_header){
        .magic = BOOKS_MAGIC,
        .version = BOOKS_VERSION,
        .header_bytes = sizeof(file->header),
        .file_bytes = sizeof(*file),
        .state = BOOKS_OPEN,
        .lanes_used = 1,
        .accounts = { offsetof(struct other_file, accounts), 4, sizeof(struct other_account), 0 },
        .flows = { offsetof(struct other_file, flows), 3, sizeof(struct other_flow), 0 },
        .lanes = { offsetof(struct other_file, lanes), 2, sizeof(struct other_lane), 0 },
        .name_bytes = 40,
        .input_at = offsetof(struct other_lane, input),
        .output_at = offsetof(struct other_lane, output),
        .rereadable_at = offsetof(struct other_lane, rereadable),
        .cells_at = offsetof(struct other_lane, cells),
    };
}

static void books_of_another_build_are_read_by_their_own_description(void **unused)
{
    (void)unused;
    static struct other_file file;
    struct books_image image;
    struct books_left left;
    struct err err = { "" };
    describe_other(&file);
    (void)strcpy(file.lanes[0].input, "in");
    (void)strcpy(file.lanes[0].output, "out");
    file.lanes[0].cells[3].events = 60; /* enter, two workers */
    file.lanes[0].cells[4].events = 40;
    file.lanes[0].cells[0].events = 10; /* send */
    file.lanes[0].cells[1].events = 20;
    file.lanes[0].cells[2].events = 25; /* done */
    struct slice bytes = { (const char *)&file, sizeof(file) };
    if (!books_image_open(&image, bytes, false, &err))
        fail_msg("%s", err.text);
    assert_true(books_left_in(&image, 0, &left));
    assert_string_equal(left.input, "in");
    assert_string_equal(left.output, "out");
    assert_false(left.damaged);
    assert_int_equal(left.closing[FLOW_crash_in_flight].events, 5);
    assert_int_equal(left.closing[FLOW_crash_ring].events, 70); /* attic: it was in memory */
    file.lanes[0].rereadable = 1;
    assert_true(books_left_in(&image, 0, &left));
    assert_int_equal(left.closing[FLOW_replay_ring].events, 70);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_held_account_can_be_closed),
        cmocka_unit_test(counters_that_make_no_sense_are_damage),
        cmocka_unit_test(names_that_are_no_text_are_damage),
        cmocka_unit_test(a_stock_below_0_counts_as_nothing),
        cmocka_unit_test(what_was_found_on_disk_is_handed_over_by_the_arithmetic),
        cmocka_unit_test(what_was_ready_is_not_taken_for_what_another_start_had_written),
        cmocka_unit_test(what_could_not_be_read_on_disk_is_handed_over_unread),
        cmocka_unit_test(books_of_another_build_are_read_by_their_own_description),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
