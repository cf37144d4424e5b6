/* SPDX-License-Identifier: Apache-2.0 */
/* Starts that die, and what the next start makes of their books. */
#include "test.h"

#include "books_folders.h"
#include "ledger/ledger_start.h"

#include <signal.h>

/* A lane of each kind, with something in each account. */
static void fill_books(struct ledger *ledger)
{
    static const char *const inputs[] = { "file", "socket" };
    for (unsigned i = 0; i < 2; i++) {
        struct books *books = ledger_lane(ledger, inputs[i], "main", i == 0);
        ledger_move(books, FLOW_admit, 100, 10000);
        ledger_move(books, FLOW_shed_sample, 7, 700);
        ledger_move_cell(books, FLOW_gather, 0, 50, 5000);
        ledger_move_cell(books, FLOW_gather, 3, 20, 2000);
        ledger_move_cell(books, FLOW_seal, 0, 45, 4500);
        ledger_move(books, FLOW_launch, 30, 3000);
        ledger_move(books, FLOW_return, 5, 500);
        ledger_move(books, FLOW_deliver, 15, 1500);
    }
}

/* What fill_books() leaves: ring 30, batch 25, ready 20, in flight 10. */
static void assert_left(const struct ledger *ledger)
{
    struct lane_snapshot lane;
    assert_true(find_lane(ledger, "file", "main", &lane));
    assert_int_equal(lane.closing[FLOW_replay_ring].events, 30);
    assert_int_equal(lane.closing[FLOW_replay_batch].events, 25);
    assert_int_equal(lane.closing[FLOW_replay_ready].events, 20);
    assert_int_equal(lane.closing[FLOW_replay_in_flight].events, 10);
    assert_int_equal(lane.closing[FLOW_crash_ring].events, 0);
    assert_int_equal(lane.flows[FLOW_admit].events, 0);
    assert_true(find_lane(ledger, "socket", "main", &lane));
    assert_int_equal(lane.closing[FLOW_crash_ring].events, 30);
    assert_int_equal(lane.closing[FLOW_crash_ring].bytes, 3000);
    assert_int_equal(lane.closing[FLOW_crash_batch].events, 25);
    assert_int_equal(lane.closing[FLOW_crash_ready].events, 20);
    assert_int_equal(lane.closing[FLOW_crash_in_flight].events, 10);
    assert_int_equal(lane.closing[FLOW_replay_ring].events, 0);
    assert_int_equal(ledger_lane_count(ledger), 2);
}

static void the_books_of_a_killed_start_are_closed_exactly(void **context)
{
    run_and_kill(*context, fill_books);
    struct ledger *ledger = open_in(*context);
    assert_int_equal(ledger_predecessor(ledger), PREDECESSOR_EXACT);
    assert_string_equal(ledger_predecessor_note(ledger), "");
    assert_left(ledger);
    /* A lane of the same name goes on in that slot, with counters of its own. */
    struct books *books = ledger_lane(ledger, "file", "main", true);
    assert_int_equal(ledger_lane_count(ledger), 2);
    assert_int_equal(ledger_stock(books, ACCOUNT_ring).events, 0);
    ledger_close(&ledger);
}

static void leave_nothing(struct ledger *ledger)
{
    struct books *books = ledger_lane(ledger, "file", "main", true);
    ledger_move(books, FLOW_admit, 9, 90);
    ledger_move(books, FLOW_evict_oldest, 9, 90);
}

static void books_are_closed_once(void **context)
{
    run_and_kill(*context, fill_books);
    run_and_kill(*context, leave_nothing);
    struct ledger *ledger = open_in(*context);
    assert_int_equal(ledger_predecessor(ledger), PREDECESSOR_EXACT);
    assert_int_equal(ledger_lane_count(ledger), 0);
    ledger_close(&ledger);
}

static void fill_all_slots(struct ledger *ledger)
{
    char name[16];
    for (unsigned i = 0; i < LEDGER_LANES; i++) {
        (void)snprintf(name, sizeof(name), "old%u", i);
        ledger_move(ledger_lane(ledger, name, "main", false), FLOW_admit, 1, 1);
    }
}

static void closing_entries_never_take_the_slots_of_this_start(void **context)
{
    char name[16];
    run_and_kill(*context, fill_all_slots);
    struct ledger *ledger = open_in(*context);
    assert_int_equal(ledger_lane_count(ledger), LEDGER_LANES);
    for (unsigned i = 0; i < LEDGER_LANES; i++) {
        (void)snprintf(name, sizeof(name), "new%u", i);
        assert_non_null(ledger_lane(ledger, name, "main", false));
    }
    assert_null(ledger_lane(ledger, "old7", "main", false));
    assert_int_equal(ledger_lane_count(ledger), 2 * LEDGER_LANES);
    ledger_close(&ledger);
}

/* No build of ours leaves so many; a file that says so must not take what this start needs. */
static void more_lanes_than_there_is_room_for_are_left_out_and_said(void **context)
{
    struct buf live = { 0 };
    struct err err = { "" };
    char path[PATH_MAX];
    run_and_kill(*context, fill_books);
    find_live_file(*context, path);
    assert_true(file_read(path, &live, &err));
    struct books_file *file = (struct books_file *)(void *)live.data;
    for (unsigned i = 0; i < LEDGER_LANES + 3; i++) {
        file->lanes[i] = file->lanes[1];
        (void)snprintf(file->lanes[i].input, LEDGER_NAME, "in%u", i);
    }
    file->header.lanes_used = LEDGER_LANES + 3;
    write_file(path, live.data, live.bytes);
    struct ledger *ledger = open_in(*context);
    assert_int_equal(ledger_predecessor(ledger), PREDECESSOR_EXACT);
    assert_int_equal(ledger_lane_count(ledger), LEDGER_LANES);
    assert_non_null(strstr(ledger_predecessor_note(ledger), "3 of its lanes"));
    buf_fini(&live);
    ledger_close(&ledger);
}

static void a_start_that_ended_cleanly_leaves_nothing(void **context)
{
    struct ledger *ledger = open_in(*context);
    assert_int_equal(ledger_predecessor(ledger), PREDECESSOR_NONE);
    fill_books(ledger);
    ledger_close(&ledger);
    ledger = open_in(*context);
    assert_int_equal(ledger_predecessor(ledger), PREDECESSOR_CLEAN);
    assert_int_equal(ledger_lane_count(ledger), 0);
    ledger_close(&ledger);
}

/* ---- the saved copy ---- */

static void save(struct ledger *ledger)
{
    struct buf image = { 0 };
    struct err err = { "" };
    assert_true(ledger_save_image(ledger, &image));
    assert_true(file_replace(ledger_save_path(ledger), buf_slice(&image), true, &err));
    buf_fini(&image);
}

static void fill_save_and_go_on(struct ledger *ledger)
{
    fill_books(ledger);
    save(ledger);
    ledger_move(ledger_lane(ledger, "file", "main", true), FLOW_admit, 1000, 1000);
}

static void remove_live_file(const struct books_folders *folders)
{
    char path[PATH_MAX];
    find_live_file(folders, path);
    assert_int_equal(unlink(path), 0);
}

static void after_a_power_loss_the_saved_copy_is_closed(void **context)
{
    run_and_kill(*context, fill_save_and_go_on);
    remove_live_file(*context);
    struct ledger *ledger = open_in(*context);
    assert_int_equal(ledger_predecessor(ledger), PREDECESSOR_STALE);
    assert_left(ledger);
    ledger_close(&ledger);
}

static void a_saved_copy_is_closed_once(void **context)
{
    run_and_kill(*context, fill_save_and_go_on);
    remove_live_file(*context);
    run_and_kill(*context, leave_nothing);
    remove_live_file(*context);
    struct ledger *ledger = open_in(*context);
    assert_int_equal(ledger_predecessor(ledger), PREDECESSOR_STALE);
    assert_int_equal(ledger_lane_count(ledger), 0);
    ledger_close(&ledger);
}

static void a_live_file_of_another_boot_is_not_believed(void **context)
{
    char path[PATH_MAX];
    run_and_kill(*context, fill_save_and_go_on);
    find_live_file(*context, path);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "another", 7, offsetof(struct books_header, boot_id)), 7);
    (void)close(fd);
    struct ledger *ledger = open_in(*context);
    assert_int_equal(ledger_predecessor(ledger), PREDECESSOR_STALE);
    assert_left(ledger);
    ledger_close(&ledger);
}

static void a_copy_saved_after_the_close_says_that_nothing_is_left(void **context)
{
    struct ledger *ledger = open_in(*context);
    fill_books(ledger);
    ledger_mark_closed(ledger);
    save(ledger);
    ledger_close(&ledger);
    remove_live_file(*context);
    ledger = open_in(*context);
    assert_int_equal(ledger_predecessor(ledger), PREDECESSOR_CLEAN);
    assert_int_equal(ledger_lane_count(ledger), 0);
    ledger_close(&ledger);
}

static void fill_and_save_twice(struct ledger *ledger)
{
    fill_books(ledger);
    save(ledger);
    save(ledger);
}

static void a_damaged_copy_gives_way_to_the_one_before(void **context)
{
    const struct books_folders *folders = *context;
    char path[PATH_MAX];
    run_and_kill(folders, fill_and_save_twice);
    remove_live_file(folders);
    (void)snprintf(path, sizeof(path), "%s/books.saved", folders->state);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "x", 1, 5000), 1);
    (void)close(fd);
    struct ledger *ledger = open_in(folders);
    assert_int_equal(ledger_predecessor(ledger), PREDECESSOR_STALE);
    assert_non_null(strstr(ledger_predecessor_note(ledger), "checksum"));
    assert_left(ledger);
    ledger_close(&ledger);
}

/* A start without a live file (anonymous memory) leaves that of an earlier start in its place. */
static void a_live_file_that_was_closed_already_is_not_closed_again(void **context)
{
    const struct books_folders *folders = *context;
    struct buf live = { 0 };
    struct err err = { "" };
    char path[PATH_MAX];
    run_and_kill(folders, fill_books);
    find_live_file(folders, path);
    assert_true(file_read(path, &live, &err));
    struct books_header header;
    memcpy(&header, live.data, sizeof(header));
    header.started_boot_ms -= 1000;
    memcpy(live.data, &header, sizeof(header));
    run_and_kill(folders, leave_nothing); /* closes them, and saves its own */
    write_file(path, live.data, live.bytes);
    struct ledger *ledger = open_in(folders);
    assert_int_equal(ledger_predecessor(ledger), PREDECESSOR_STALE);
    assert_int_equal(ledger_lane_count(ledger), 0);
    buf_fini(&live);
    ledger_close(&ledger);
}

/* ---- damage ---- */

static void expect_unreadable(const struct books_folders *folders, const char *why)
{
    struct ledger *ledger = open_in(folders);
    assert_int_equal(ledger_predecessor(ledger), PREDECESSOR_UNREADABLE);
    if (strstr(ledger_predecessor_note(ledger), why) == NULL)
        fail_msg("got '%s', wanted '%s'", ledger_predecessor_note(ledger), why);
    assert_int_equal(ledger_lane_count(ledger), 0);
    assert_non_null(strstr(ledger_place(ledger), "file "));
    ledger_move(ledger_lane(ledger, "in", "out", false), FLOW_admit, 1, 1);
    ledger_close(&ledger);
    assert_int_equal(ledger_predecessor((ledger = open_in(folders))), PREDECESSOR_CLEAN);
    ledger_close(&ledger);
}

static void damaged_live_books_never_stop_a_start(void **context)
{
    const struct books_folders *folders = *context;
    struct buf good = { 0 };
    struct err err = { "" };
    char path[PATH_MAX], elsewhere[PATH_MAX];
    struct books_header header;
    run_and_kill(folders, fill_books);
    find_live_file(folders, path);
    assert_true(file_read(path, &good, &err));

    write_file(path, "", 0);
    expect_unreadable(folders, "only 0 bytes");
    write_file(path, "these are no books", 18);
    expect_unreadable(folders, "only 18 bytes");
    write_file(path, good.data, sizeof(struct books_header) - 1);
    expect_unreadable(folders, "bytes");
    write_file(path, good.data, good.bytes - 1);
    expect_unreadable(folders, "bytes instead of");
    memcpy(&header, good.data, sizeof(header));
    header.version++;
    memcpy(good.data, &header, sizeof(header));
    write_file(path, good.data, good.bytes);
    expect_unreadable(folders, "its version is 2, this build reads 1");
    memset(good.data, 0, good.bytes);
    write_file(path, good.data, good.bytes);
    expect_unreadable(folders, "not a file of books");

    (void)snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", folders->state);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink(elsewhere, path), 0);
    expect_unreadable(folders, "cannot use");
    assert_int_equal(access(elsewhere, F_OK), -1);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    expect_unreadable(folders, "it is not a file");
    buf_fini(&good);
}

static void a_folder_in_the_place_of_the_books_does_not_stop_a_start(void **context)
{
    const struct books_folders *folders = *context;
    char path[PATH_MAX];
    run_and_kill(folders, fill_books);
    find_live_file(folders, path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    struct ledger *ledger = open_in(folders);
    assert_int_equal(ledger_predecessor(ledger), PREDECESSOR_UNREADABLE);
    assert_non_null(strstr(ledger_place(ledger), "anonymous memory: cannot rename"));
    ledger_move(ledger_lane(ledger, "in", "out", false), FLOW_admit, 1, 1);
    ledger_close(&ledger);
}

static void damaged_live_books_give_way_to_the_saved_copy(void **context)
{
    char path[PATH_MAX];
    run_and_kill(*context, fill_save_and_go_on);
    find_live_file(*context, path);
    write_file(path, "garbage", 7);
    struct ledger *ledger = open_in(*context);
    assert_int_equal(ledger_predecessor(ledger), PREDECESSOR_STALE);
    assert_non_null(strstr(ledger_predecessor_note(ledger), "only 7 bytes"));
    assert_left(ledger);
    ledger_close(&ledger);
}

static void damaged_saved_copies_never_stop_a_start(void **context)
{
    const struct books_folders *folders = *context;
    char path[PATH_MAX];
    static const char zeros[5000];
    (void)snprintf(path, sizeof(path), "%s/books.saved", folders->state);
    write_file(path, zeros, sizeof(zeros));
    (void)snprintf(path, sizeof(path), "%s/books.saved.previous", folders->state);
    write_file(path, "half", 4);
    struct ledger *ledger = open_in(folders);
    assert_int_equal(ledger_predecessor(ledger), PREDECESSOR_UNREADABLE);
    assert_non_null(strstr(ledger_predecessor_note(ledger), "not a file of books"));
    ledger_close(&ledger);
}

static void a_damaged_lane_is_left_out_and_said(void **context)
{
    char path[PATH_MAX];
    struct lane_snapshot lane;
    run_and_kill(*context, fill_books);
    find_live_file(*context, path);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "\xff\xfe", 2, offsetof(struct books_file, lanes)), 2);
    (void)close(fd);
    struct ledger *ledger = open_in(*context);
    assert_int_equal(ledger_predecessor(ledger), PREDECESSOR_EXACT);
    assert_non_null(strstr(ledger_predecessor_note(ledger), "1 of its lanes"));
    assert_int_equal(ledger_lane_count(ledger), 1);
    assert_true(find_lane(ledger, "socket", "main", &lane));
    ledger_close(&ledger);
}

/* ---- what the start before said of an output ---- */

static void say_something(struct ledger *ledger)
{
    fill_books(ledger);
    numbers_set(ledger_output_numbers(ledger, "main"), NUMBER_spool_left_at, 4711);
}

static struct ledger *prepare_in(const struct books_folders *folders)
{
    struct ledger_config config = { .state_dir = folders->state, .runtime_dir = folders->runtime };
    struct err err = { "" };
    struct ledger *ledger = ledger_prepare(&config, &err);

    assert_non_null(ledger);
    return ledger;
}

static void what_the_start_before_said_is_known_before_its_books_are_closed(void **context)
{
    run_and_kill(*context, say_something);
    struct ledger *ledger = prepare_in(*context);
    assert_int_equal(ledger_before(ledger, "main", NUMBER_spool_left_at), 4711);
    assert_int_equal(ledger_before(ledger, "main", NUMBER_spool_left_segment), 0);
    assert_int_equal(ledger_before(ledger, "other", NUMBER_spool_left_at), 0);
    ledger_close(&ledger); /* it gave up: the books of the start before stay as they are */
    ledger = prepare_in(*context);
    assert_int_equal(ledger_before(ledger, "main", NUMBER_spool_left_at), 4711);
    ledger_begin(ledger, NULL, 0);
    assert_left(ledger);
    assert_int_equal(ledger_before(ledger, "main", NUMBER_spool_left_at), 0);
    numbers_set(ledger_output_numbers(ledger, "main"), NUMBER_spool_left_at, 12);
    assert_int_equal(ledger_before(ledger, "main", NUMBER_spool_left_at), 12);
    ledger_close(&ledger);
}

static void say_and_save(struct ledger *ledger)
{
    say_something(ledger);
    save(ledger);
}

/* More may have been written since that copy was made. */
static void after_a_power_loss_nothing_is_known_of_it(void **context)
{
    run_and_kill(*context, say_and_save);
    remove_live_file(*context);
    struct ledger *ledger = prepare_in(*context);
    assert_int_equal(ledger_predecessor(ledger), PREDECESSOR_STALE);
    assert_int_equal(ledger_before(ledger, "main", NUMBER_spool_left_at), 0);
    ledger_begin(ledger, NULL, 0);
    ledger_close(&ledger);
}

int main(void)
{
#define BOOKS_TEST(name) cmocka_unit_test_setup_teardown(name, make_folders, remove_folders)
    const struct CMUnitTest tests[] = {
        BOOKS_TEST(what_the_start_before_said_is_known_before_its_books_are_closed),
        BOOKS_TEST(after_a_power_loss_nothing_is_known_of_it),
        BOOKS_TEST(damaged_live_books_never_stop_a_start),
        BOOKS_TEST(a_folder_in_the_place_of_the_books_does_not_stop_a_start),
        BOOKS_TEST(damaged_live_books_give_way_to_the_saved_copy),
        BOOKS_TEST(damaged_saved_copies_never_stop_a_start),
        BOOKS_TEST(a_damaged_lane_is_left_out_and_said),
        BOOKS_TEST(a_damaged_copy_gives_way_to_the_one_before),
        BOOKS_TEST(a_live_file_of_another_boot_is_not_believed),
        BOOKS_TEST(a_live_file_that_was_closed_already_is_not_closed_again),
        BOOKS_TEST(closing_entries_never_take_the_slots_of_this_start),
        BOOKS_TEST(more_lanes_than_there_is_room_for_are_left_out_and_said),
        BOOKS_TEST(books_are_closed_once),
        BOOKS_TEST(a_saved_copy_is_closed_once),
        BOOKS_TEST(a_start_that_ended_cleanly_leaves_nothing),
        BOOKS_TEST(a_copy_saved_after_the_close_says_that_nothing_is_left),
        BOOKS_TEST(after_a_power_loss_the_saved_copy_is_closed),
        BOOKS_TEST(the_books_of_a_killed_start_are_closed_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
