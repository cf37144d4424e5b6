/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "books_folders.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

/* ---- counting ---- */

static void a_move_leaves_one_account_and_enters_another(void **context)
{
    struct ledger *ledger = open_in(*context);
    struct books *books = ledger_lane(ledger, "in", "out", false);
    ledger_move(books, FLOW_admit, 10, 1000);
    ledger_move(books, FLOW_evict_oldest, 3, 300);
    ledger_move_cell(books, FLOW_gather, 0, 5, 500);
    assert_int_equal(ledger_stock(books, ACCOUNT_ring).events, 2);
    assert_int_equal(ledger_stock(books, ACCOUNT_ring).bytes, 200);
    assert_int_equal(ledger_stock(books, ACCOUNT_batch).events, 5);
    assert_int_equal(ledger_stock(books, ACCOUNT_dropped).events, 3);
    assert_int_equal(ledger_flow(books, FLOW_admit).events, 10);
    ledger_close(&ledger);
    assert_null(ledger);
}

static void each_worker_has_a_batch_account_of_its_own(void **context)
{
    struct ledger *ledger = open_in(*context);
    struct books *books = ledger_lane(ledger, "in", "out", false);
    for (unsigned worker = 0; worker < LEDGER_CELLS; worker++)
        ledger_move_cell(books, FLOW_gather, worker, worker + 1, 10 * (worker + 1));
    ledger_move_cell(books, FLOW_seal, 7, 3, 30);
    ledger_move_cell(books, FLOW_unencodable, 7, 1, 10);
    assert_int_equal(ledger_stock_cell(books, 0).events, 1);
    assert_int_equal(ledger_stock_cell(books, 6).events, 7);
    assert_int_equal(ledger_stock_cell(books, 7).events, 4);
    assert_int_equal(ledger_stock_cell(books, 7).bytes, 40);
    assert_int_equal(ledger_flow(books, FLOW_gather).events, 36);
    assert_int_equal(ledger_stock(books, ACCOUNT_batch).events, 32);
    ledger_close(&ledger);
}

static void an_audit_that_differs_is_stored_and_said(void **context)
{
    struct ledger *ledger = open_in(*context);
    struct books *books = ledger_lane(ledger, "in", "out", false);
    struct lane_snapshot lane;
    ledger_move(books, FLOW_admit, 10, 1000);
    assert_false(ledger_audit(books, ACCOUNT_ring, 0, (struct amount){ 8, 1000 }));
    assert_false(ledger_audit(books, ACCOUNT_ready, 0, (struct amount){ 3, 0 }));
    assert_false(ledger_audit(books, ACCOUNT_batch, 5, (struct amount){ 0, 1 }));
    ledger_snapshot(ledger, 0, &lane);
    assert_int_equal(lane.difference_events, 1);
    assert_int_equal(lane.differences, 3);
    assert_int_equal(lane.measured[ACCOUNT_ring].events, 8);
    assert_int_equal(lane.measured[ACCOUNT_batch].bytes, 1);
    ledger_close(&ledger);
}

static void an_audit_that_agrees_takes_an_earlier_difference_back(void **context)
{
    struct ledger *ledger = open_in(*context);
    struct books *books = ledger_lane(ledger, "in", "out", false);
    struct lane_snapshot lane;
    ledger_move(books, FLOW_admit, 10, 1000);
    ledger_move_cell(books, FLOW_gather, 2, 4, 400);
    assert_false(ledger_audit(books, ACCOUNT_ring, 0, (struct amount){ 7, 600 }));
    assert_true(ledger_audit(books, ACCOUNT_ring, 0, (struct amount){ 6, 600 }));
    assert_true(ledger_audit(books, ACCOUNT_batch, 2, (struct amount){ 4, 400 }));
    assert_true(ledger_audit(books, ACCOUNT_batch, 3, (struct amount){ 0, 0 }));
    ledger_snapshot(ledger, 0, &lane);
    assert_int_equal(lane.difference_events, 0);
    assert_int_equal(lane.differences, 0);
    assert_int_equal(lane.measured[ACCOUNT_batch].events, 4);
    ledger_close(&ledger);
}

enum { THREADS = 4, ADDS = 20000 };

static void *add_many(void *context)
{
    for (unsigned i = 0; i < ADDS; i++) {
        ledger_move(context, FLOW_admit, 2, 7);
        ledger_move_cell(context, FLOW_gather, i % LEDGER_CELLS, 1, 3);
    }
    return NULL;
}

static void adds_of_many_threads_are_all_there_while_others_read(void **context)
{
    struct ledger *ledger = open_in(*context);
    struct books *books = ledger_lane(ledger, "in", "out", false);
    pthread_t threads[THREADS];
    struct buf image = { 0 };
    struct lane_snapshot lane;
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add_many, books), 0);
    for (unsigned i = 0; i < 20; i++) {
        ledger_snapshot(ledger, 0, &lane);
        buf_clear(&image);
        assert_true(ledger_save_image(ledger, &image));
    }
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(ledger_flow(books, FLOW_admit).events, 2 * THREADS * ADDS);
    assert_int_equal(ledger_flow(books, FLOW_admit).bytes, 7 * THREADS * ADDS);
    assert_int_equal(ledger_stock(books, ACCOUNT_ring).events, THREADS * ADDS);
    assert_int_equal(ledger_stock(books, ACCOUNT_batch).bytes, 3 * THREADS * ADDS);
    buf_fini(&image);
    ledger_close(&ledger);
}

/* ---- slots ---- */

static void a_name_keeps_its_slot(void **context)
{
    struct ledger *ledger = open_in(*context);
    struct books *first = ledger_lane(ledger, "in", "out", false);
    assert_ptr_not_equal(ledger_lane(ledger, "in", "other", false), first);
    assert_ptr_not_equal(ledger_lane(ledger, "out", "in", false), first);
    assert_false(ledger_is_rereadable(first));
    assert_ptr_equal(ledger_lane(ledger, "in", "out", true), first);
    assert_true(ledger_is_rereadable(first));
    assert_int_equal(ledger_lane_count(ledger), 3);
    assert_ptr_equal(ledger_output_numbers(ledger, "out"), ledger_output_numbers(ledger, "out"));
    assert_int_equal(ledger_output_count(ledger), 1);
    ledger_close(&ledger);
}

static void when_all_slots_are_taken_only_known_names_are_served(void **context)
{
    struct ledger *ledger = open_in(*context);
    char name[16];
    for (unsigned i = 0; i < LEDGER_LANES; i++) {
        (void)snprintf(name, sizeof(name), "in%u", i);
        assert_non_null(ledger_lane(ledger, name, "out", false));
    }
    assert_null(ledger_lane(ledger, "one more", "out", false));
    assert_non_null(ledger_lane(ledger, "in77", "out", false));
    for (unsigned i = 0; i < LEDGER_OUTPUTS; i++) {
        (void)snprintf(name, sizeof(name), "out%u", i);
        assert_non_null(ledger_output_numbers(ledger, name));
    }
    assert_null(ledger_output_numbers(ledger, "one more"));
    assert_non_null(ledger_output_numbers(ledger, "out7"));
    ledger_close(&ledger);
}

static void numbers_stand_beside_the_flows(void **context)
{
    struct ledger *ledger = open_in(*context);
    struct books *books = ledger_lane(ledger, "in", "out", false);
    uint64_t numbers[NUMBERS];
    char name[LEDGER_NAME];
    numbers_add(ledger_lane_numbers(books), NUMBER_lines, 3);
    numbers_add(ledger_lane_numbers(books), NUMBER_lines, 4);
    numbers_set(ledger_output_numbers(ledger, "out"), NUMBER_breaker_state, 2);
    numbers_add(ledger_agent_numbers(ledger), NUMBER_reports, 1);
    assert_int_equal(numbers_get(ledger_lane_numbers(books), NUMBER_lines), 7);
    ledger_output_snapshot(ledger, 0, name, numbers);
    assert_string_equal(name, "out");
    assert_int_equal(numbers[NUMBER_breaker_state], 2);
    ledger_agent_snapshot(ledger, numbers);
    assert_int_equal(numbers[NUMBER_reports], 1);
    assert_int_equal(numbers[NUMBER_lines], 0);
    ledger_close(&ledger);
}

/* ---- identities and places ---- */

static void the_agent_id_is_kept_and_a_damaged_one_is_replaced(void **context)
{
    const struct books_folders *folders = *context;
    char id[64], start_id[64], path[PATH_MAX];
    struct ledger *ledger = open_in(folders);
    (void)snprintf(id, sizeof(id), "%s", ledger_agent_id(ledger));
    (void)snprintf(start_id, sizeof(start_id), "%s", ledger_start_id(ledger));
    assert_int_equal(strlen(id), 32);
    assert_int_equal(strspn(id, "0123456789abcdef"), 32);
    ledger_close(&ledger);
    ledger = open_in(folders);
    assert_string_equal(ledger_agent_id(ledger), id);
    assert_string_not_equal(ledger_start_id(ledger), start_id);
    ledger_close(&ledger);
    (void)snprintf(path, sizeof(path), "%s/agent_id", folders->state);
    write_file(path, "\0\0\0\0", 4);
    ledger = open_in(folders);
    assert_string_not_equal(ledger_agent_id(ledger), id);
    assert_int_equal(strspn(ledger_agent_id(ledger), "0123456789abcdef"), 32);
    ledger_close(&ledger);
}

static void a_missing_state_directory_does_not_stop_a_start(void **context)
{
    struct books_folders folders = *(struct books_folders *)*context;
    (void)snprintf(folders.state, sizeof(folders.state), "/nonexistent/state");
    struct ledger *ledger = open_in(&folders);
    assert_int_equal(strlen(ledger_agent_id(ledger)), 32);
    assert_int_equal(ledger_predecessor(ledger), PREDECESSOR_NONE);
    ledger_close(&ledger);
}

static void agents_with_different_state_directories_never_meet(void **context)
{
    const struct books_folders *folders = *context;
    struct books_folders other = *folders;
    struct ledger *first = open_in(folders);
    (void)snprintf(other.state, sizeof(other.state), "/nonexistent/state");
    struct ledger *second = open_in(&other);
    assert_string_not_equal(ledger_place(first), ledger_place(second));
    assert_non_null(strstr(ledger_place(second), "file /dev/shm/"));
    ledger_close(&second);
    ledger_close(&first);
}

static void the_live_file_is_fully_allocated(void **context)
{
    struct ledger *ledger = open_in(*context);
    char path[PATH_MAX];
    struct stat info;
    find_live_file(*context, path);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_size, sizeof(struct books_file));
    assert_true(info.st_blocks * 512 >= info.st_size);
    ledger_close(&ledger);
}

static void books_are_never_put_on_a_disk(void **context)
{
    struct books_folders folders = *(struct books_folders *)*context;
    (void)snprintf(folders.runtime, sizeof(folders.runtime), "%s/run", folders.state);
    struct ledger *ledger = open_in(&folders);
    assert_non_null(strstr(ledger_place(ledger), "anonymous memory: '"));
    assert_non_null(strstr(ledger_place(ledger), "not on tmpfs"));
    assert_int_equal(access(folders.runtime, F_OK), -1);
    ledger_move(ledger_lane(ledger, "in", "out", true), FLOW_admit, 1, 1);
    ledger_close(&ledger);
}

static void the_default_gives_way_to_the_users_own_runtime_directory(void **context)
{
    const struct books_folders *folders = *context;
    char not_tmpfs[96], before[PATH_MAX];
    const char *old = getenv("XDG_RUNTIME_DIR");
    struct err err = { "" };
    (void)snprintf(before, sizeof(before), "%s", old == NULL ? "" : old);
    (void)snprintf(not_tmpfs, sizeof(not_tmpfs), "%s/run", folders->state);
    assert_int_equal(setenv("XDG_RUNTIME_DIR", folders->runtime, 1), 0);
    struct ledger_config config = { .state_dir = folders->state,
                                    .runtime_dir = not_tmpfs,
                                    .runtime_dir_is_default = true };
    struct ledger *ledger = ledger_open(&config, &err);
    if (old == NULL)
        (void)unsetenv("XDG_RUNTIME_DIR");
    else
        (void)setenv("XDG_RUNTIME_DIR", before, 1);
    assert_non_null(ledger);
    assert_non_null(strstr(ledger_place(ledger), folders->runtime));
    ledger_close(&ledger);
}

static void without_room_in_the_runtime_directory_the_books_lie_in_memory(void **context)
{
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit limit = { 4096, 4096 };
        (void)signal(SIGXFSZ, SIG_IGN);
        (void)setrlimit(RLIMIT_FSIZE, &limit);
        struct ledger *ledger = open_in(*context);
        ledger_move(ledger_lane(ledger, "in", "out", true), FLOW_admit, 1, 1);
        bool said = strstr(ledger_place(ledger), "anonymous memory: no room for") != NULL;
        bool empty = rmdir(((struct books_folders *)*context)->runtime) == 0;
        _exit(said && empty ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void the_books_of_an_agent_that_runs_are_not_taken(void **context)
{
    struct ledger *running = open_in(*context);
    struct books *books = ledger_lane(running, "in", "out", false);
    ledger_move(books, FLOW_admit, 5, 50);
    struct ledger *second = open_in(*context);
    assert_non_null(strstr(ledger_place(second), "belongs to an agent that runs"));
    assert_int_equal(ledger_predecessor(second), PREDECESSOR_NONE);
    assert_int_equal(ledger_lane_count(second), 0);
    ledger_close(&second);
    ledger_close(&running);
}

int main(void)
{
#define BOOKS_TEST(name) cmocka_unit_test_setup_teardown(name, make_folders, remove_folders)
    const struct CMUnitTest tests[] = {
        BOOKS_TEST(a_missing_state_directory_does_not_stop_a_start),
        BOOKS_TEST(books_are_never_put_on_a_disk),
        BOOKS_TEST(without_room_in_the_runtime_directory_the_books_lie_in_memory),
        BOOKS_TEST(the_default_gives_way_to_the_users_own_runtime_directory),
        BOOKS_TEST(the_books_of_an_agent_that_runs_are_not_taken),
        BOOKS_TEST(agents_with_different_state_directories_never_meet),
        BOOKS_TEST(the_agent_id_is_kept_and_a_damaged_one_is_replaced),
        BOOKS_TEST(the_live_file_is_fully_allocated),
        BOOKS_TEST(when_all_slots_are_taken_only_known_names_are_served),
        BOOKS_TEST(a_name_keeps_its_slot),
        BOOKS_TEST(numbers_stand_beside_the_flows),
        BOOKS_TEST(an_audit_that_differs_is_stored_and_said),
        BOOKS_TEST(an_audit_that_agrees_takes_an_earlier_difference_back),
        BOOKS_TEST(a_move_leaves_one_account_and_enters_another),
        BOOKS_TEST(each_worker_has_a_batch_account_of_its_own),
        BOOKS_TEST(adds_of_many_threads_are_all_there_while_others_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
