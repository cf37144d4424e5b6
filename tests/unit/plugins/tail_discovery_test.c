/* SPDX-License-Identifier: Apache-2.0 */
/* tail: which file is which, over renames, removals, truncations and restarts; and what is watched.
 */
#include "tail_scene.h"

#include <poll.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/syscall.h>

static bool no_watches;

/* Stands before the C library's: fs.inotify.max_user_watches, as far as this test goes. */
int inotify_add_watch(int fd, const char *path, uint32_t events)
{
    if (no_watches) {
        errno = ENOSPC;
        return -1;
    }
    return (int)syscall(SYS_inotify_add_watch, fd, path, events);
}

static size_t short_read_bytes; /* 0: none; the next read of so many gets one less */

ssize_t pread(int fd, void *to, size_t bytes, off_t at)
{
    bool is_short = bytes > 0 && bytes == short_read_bytes;

    if (is_short)
        short_read_bytes = 0;
    return syscall(SYS_pread64, fd, to, is_short ? bytes - 1 : bytes, at);
}

/* ---- where to begin ---- */

static void from_the_end_whole_lines_are_read_and_later_files_from_their_begin(void **unused)
{
    (void)unused;
    rig.config.start_at = TAIL_START_END;
    rig_add_path(&rig, "later.log");
    begin_with("old\nunfin");
    rig_append(&rig, "app.log", "ished\nnew\n");
    rig_append(&rig, "later.log", "first\n");
    rig_drain(&rig);
    assert_null(fake_sink_find(rig.sink, "old"));
    assert_non_null(fake_sink_find(rig.sink, "unfinished"));
    assert_non_null(fake_sink_find(rig.sink, "first"));
    assert_int_equal(rig.sink->event_count, 3);
}

static void files_that_appear_while_down_are_read_from_their_begin(void **unused)
{
    (void)unused;
    rig.config.start_at = TAIL_START_END;
    rig_add_path(&rig, "later.log");
    begin_with("old\n");
    rig_settle_all(&rig);
    rig_save(&rig);
    rig_close(&rig);
    rig_append(&rig, "later.log", "first\n");
    rig_restore(&rig);
    rig_expect(&rig, "first ");
}

static void old_files_are_begun_at_their_end(void **unused)
{
    (void)unused;
    const struct timespec times[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };

    rig.config.ignore_older = 3600000;
    rig_append(&rig, "app.log", "old\n");
    assert_int_equal(utimensat(AT_FDCWD, rig_path(&rig, "app.log"), times, 0), 0);
    rig_open(&rig);
    rig_expect(&rig, "");
    rig_append(&rig, "app.log", "new\n");
    rig_expect(&rig, "new ");
}

static void looking_for_the_last_line_of_a_file_leaves_the_lines_of_others_alone(void **unused)
{
    (void)unused;
    const struct timespec times[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };

    rig.config.ignore_older = 3600000;
    rig_add_path(&rig, "old.log");
    rig_append(&rig, "app.log", "fresh\n");
    rig_append(&rig, "old.log", "older\nunfin");
    assert_int_equal(utimensat(AT_FDCWD, rig_path(&rig, "old.log"), times, 0), 0);
    rig_open(&rig);
    rig_expect(&rig, "fresh ");
    rig_append(&rig, "old.log", "ished\n");
    rig_expect(&rig, "fresh unfinished ");
}

static void be_restored_with_a_file_of(time_t second)
{
    const struct timespec times[2] = { { .tv_sec = second }, { .tv_sec = second } };

    begin_with("a\n");
    assert_int_equal(utimensat(AT_FDCWD, rig_path(&rig, "app.log"), times, 0), 0);
    rig_drain(&rig);
    rig_settle_all(&rig);
    rig_restart(&rig);
    rig_append(&rig, "app.log", "b\n");
    rig_expect(&rig, "a b ");
}

static void a_file_from_before_1970_does_not_make_the_checkpoint_unusable(void **unused)
{
    (void)unused;
    be_restored_with_a_file_of(-1000);
}

static void a_file_of_a_far_future_does_not_make_the_checkpoint_unusable(void **unused)
{
    (void)unused;
    be_restored_with_a_file_of(INT64_C(10000000000)); /* as far as file systems go, or less */
}

static void excluded_files_and_folders_are_left_out(void **unused)
{
    (void)unused;
    static const char *exclude[2] = { "*{trace,debug}*" };

    exclude[1] = strdup(rig_path(&rig, "no/*"));
    rig.config.exclude = (struct text_list){ exclude, 2 };
    rig_add_path(&rig, "*");
    rig_add_path(&rig, "*/*");
    rig_open(&rig);
    rig_drain(&rig); /* the folders appear later */
    assert_int_equal(mkdir(rig_path(&rig, "no"), 0755), 0);
    assert_int_equal(mkdir(rig_path(&rig, "yes"), 0755), 0);
    rig_append(&rig, "no/a", "1\n");
    rig_append(&rig, "yes/debug", "2\n");
    rig_append(&rig, "yes/a", "3\n");
    rig_expect(&rig, "3 ");
    free((char *)exclude[1]);
}

/* ---- limits ---- */

static void more_files_than_descriptors_are_all_read(void **unused)
{
    (void)unused;
    struct rlimit before, few = { .rlim_cur = 64 };
    char name[32];

    rig_add_path(&rig, "*.txt");
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    rig_open(&rig);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 100; i++) {
            (void)snprintf(name, sizeof(name), "%d.txt", i);
            rig_append(&rig, name, "line\n");
        }
        rig_drain(&rig);
        assert_in_range(rig.sink->numbers[SINK_SOURCES_OPEN], 1, 16);
        assert_int_equal(rig.sink->event_count, 100 * (round + 1));
    }
    rig_rename(&rig, "0.txt", "gone"); /* not open: found again by its inode */
    rig_append(&rig, "gone", "rest\n");
    rig_drain(&rig);
    assert_int_equal(rig.sink->event_count, 301);
}

static void more_files_than_max_files_are_told_once(void **unused)
{
    (void)unused;
    rig.config.max_files = 2;
    rig_add_path(&rig, "*");
    rig_append(&rig, "1", "a\n");
    rig_append(&rig, "2", "a\n");
    rig_append(&rig, "3", "a\n");
    rig_open(&rig);
    rig_drain(&rig);
    rig_drain(&rig);
    assert_int_equal(rig.sink->event_count, 2);
    assert_int_equal(rig.sink->tell_count, 1);
    assert_true(fake_sink_told(rig.sink, "max_files"));
}

static void a_file_that_may_not_be_read_is_told_once_and_read_when_it_may(void **unused)
{
    (void)unused;
    bool is_root = geteuid() == 0;

    rig_append(&rig, "app.log", "a\n");
    assert_int_equal(chmod(rig.folder, 0755), 0);
    assert_int_equal(chmod(rig_path(&rig, "app.log"), 0), 0);
    rig_open(&rig);
    if (is_root)
        assert_int_equal(seteuid(65534), 0);
    rig_drain(&rig);
    rig_drain(&rig);
    if (is_root)
        assert_int_equal(seteuid(0), 0);
    assert_int_equal(rig.sink->tell_count, 1);
    assert_true(fake_sink_told(rig.sink, "app.log"));
    assert_int_equal(chmod(rig_path(&rig, "app.log"), 0644), 0);
    rig_expect(&rig, "a ");
}

static void without_inotify_it_polls_and_says_which_limit(void **unused)
{
    (void)unused;
    struct rlimit before, none;
    struct waits waits = { .fd_count = 0 };

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    rig_open(&rig);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    rig.config.rescan = 60000;
    rig_append(&rig, "app.log", "a\n");
    rig_expect(&rig, "a ");
    int64_t before_ms = clock_now_ms();
    rig_drain(&rig);
    input_tail.wait(rig.state, &waits);
    assert_int_equal(waits.fd_count, 0);
    assert_in_range(waits.until_ms, before_ms, clock_now_ms() + 1000);
    assert_int_equal(rig.sink->tell_count, 1);
    assert_true(fake_sink_told(rig.sink, "fs.inotify.max_user_instances"));
}

static void what_the_kernel_refuses_to_watch_is_polled_counted_and_tried_again(void **unused)
{
    (void)unused;
    struct waits waits = { .fd_count = 0 };

    rig_add_path(&rig, "*.txt");
    rig_append(&rig, "app.log", "a\n");
    rig_append(&rig, "1.txt", "b\n");
    rig_append(&rig, "2.txt", "c\n");
    no_watches = true;
    rig_open(&rig);
    rig_drain(&rig);
    rig_drain(&rig);
    assert_int_equal(rig.sink->event_count, 3);
    assert_int_equal(rig.sink->tell_count, 1); /* said once */
    assert_true(fake_sink_told(rig.sink, "fs.inotify.max_user_watches"));
    assert_int_equal(rig.sink->numbers[SINK_SOURCES_UNWATCHED], 3 + 2); /* a folder by pattern */
    rig.config.rescan = 60000;
    int64_t before_ms = clock_now_ms();
    rig_drain(&rig);
    input_tail.wait(rig.state, &waits);
    assert_in_range(waits.until_ms, before_ms, clock_now_ms() + 1000);
    no_watches = false;
    rig.config.rescan = 0;
    for (int64_t end_ms = clock_now_ms() + 60000; rig.sink->tell_count == 1;) {
        assert_true(clock_now_ms() < end_ms);
        rig_drain(&rig);
    }
    assert_true(fake_sink_told(rig.sink, "notifications are back"));
    assert_int_equal(rig.sink->numbers[SINK_SOURCES_UNWATCHED], 0);
}

/* ---- waking ---- */

/* Waits as the core does, for at most as long as the plugin says; then collects. */
static void wait_and_drain(void)
{
    struct waits waits = { .fd_count = 0 };
    struct pollfd fds[WAIT_FDS];

    input_tail.wait(rig.state, &waits);
    int64_t left_ms = waits.until_ms == 0 ? -1 : waits.until_ms - clock_now_ms();
    assert_true(left_ms <= 60000);
    for (unsigned i = 0; i < waits.fd_count; i++)
        fds[i] = (struct pollfd){ .fd = waits.fds[i], .events = POLLIN };
    (void)poll(fds, waits.fd_count, left_ms < 0 ? 0 : (int)left_ms);
    rig_drain(&rig);
}

static void wait_for_events(size_t count)
{
    int64_t give_up_ms = clock_now_ms() + 60000;
    while (rig.sink->event_count < count) {
        wait_and_drain();
        assert_true(clock_now_ms() < give_up_ms);
    }
}

static void
more_files_than_there_is_memory_for_are_told_once_and_read_when_others_are_gone(void **unused)
{
    (void)unused;
    rig.config.rotate_wait = 0;
    rig.sink->kept_most_bytes = 2 * 1400 + 100;
    rig_add_path(&rig, "*");
    rig_append(&rig, "1", "a\n");
    rig_append(&rig, "2", "a\n");
    rig_append(&rig, "3", "a\n");
    rig_open(&rig);
    rig_drain(&rig);
    rig_drain(&rig);
    assert_int_equal(rig.sink->event_count, 2);
    assert_int_equal(rig.sink->tell_count, 1);
    assert_true(fake_sink_told(rig.sink, "memory_limit"));
    assert_true(rig.sink->kept_bytes <= rig.sink->kept_most_bytes);
    for (char name[2] = "1"; name[0] <= '3'; name[0]++)
        assert_int_equal(unlink(rig_path(&rig, name)), 0);
    rig_append(&rig, "4", "a\n");
    rig_settle_all(&rig);
    wait_for_events(3);
}

static void news_wake_it_and_quiet_files_do_not(void **unused)
{
    (void)unused;
    struct waits waits = { .fd_count = 0 };
    char name[32];

    rig.config.rescan = 60000;
    rig_add_path(&rig, "*/new.log");
    int64_t before_ms = clock_now_ms();
    begin_with("a\n");
    input_tail.wait(rig.state, &waits);
    assert_int_equal(waits.fd_count, 0); /* a nap after data */
    assert_in_range(waits.until_ms, before_ms, clock_now_ms() + 50);
    wait_and_drain();
    waits = (struct waits){ .fd_count = 0 };
    input_tail.wait(rig.state, &waits);
    assert_int_equal(waits.fd_count, 1);
    assert_in_range(waits.until_ms - clock_now_ms(), 1, 60000);

    rig_append(&rig, "app.log", "b\n");
    wait_for_events(2);
    rig_rotate(&rig);
    rig_append(&rig, "app.log", "c\n");
    wait_for_events(3);
    rig_append(&rig, "app.log.1", "late\n"); /* its writer has not reopened */
    wait_for_events(4);
    assert_int_equal(mkdir(rig_path(&rig, "folder"), 0755), 0);
    (void)snprintf(name, sizeof(name), "folder/new.log");
    rig_append(&rig, name, "d\n");
    wait_for_events(5);
    rig_append(&rig, name, "e\n");
    wait_for_events(6);
}

/* Collects what there is; the nap that follows, which begins while it does. */
static void expect_nap(int64_t nap_ms)
{
    struct waits waits = { .fd_count = 0 };
    int64_t began_ms = clock_now_ms();

    assert_int_equal(fake_sink_collect(rig.sink, &input_tail, rig.state), COLLECT_IDLE);
    input_tail.wait(rig.state, &waits);
    assert_int_equal(waits.fd_count, 0);
    assert_in_range(waits.until_ms, began_ms + nap_ms, clock_now_ms() + nap_ms);
}

static void it_naps_for_a_part_of_what_lanes_wait_and_where_much_comes_shortly(void **unused)
{
    static char lines[200 * 1024];
    (void)unused;

    rig.config.rescan = 60000;
    begin_with("a\n");
    rig.sink->max_wait_ms = 200;
    rig_append(&rig, "app.log", "b\n");
    expect_nap(40);
    rig.sink->max_wait_ms = 1000;
    rig_append(&rig, "app.log", "c\n");
    expect_nap(50);
    memset(lines, 'x', sizeof(lines) - 1);
    for (size_t at = 100; at < sizeof(lines); at += 101)
        lines[at] = '\n';
    rig_append(&rig, "app.log", lines);
    expect_nap(20);
    rig.sink->max_wait_ms = 1;
    rig_append(&rig, "app.log", "\nd\n");
    expect_nap(20);
}

static void what_came_during_a_nap_has_waited_and_after_a_quiet_spell_has_not(void **unused)
{
    (void)unused;
    begin_with("a\n");
    rig_append(&rig, "app.log", "b\n");
    (void)usleep(60 * 1000); /* longer than any nap: who slept too long does not blame the lines */
    rig_drain(&rig);
    assert_int_equal(rig.sink->event_count, 2);
    assert_int_equal(rig.sink->waited_ms, 50);
    rig_drain(&rig); /* nothing: it listens again */
    rig_append(&rig, "app.log", "c\n");
    rig_drain(&rig);
    assert_int_equal(rig.sink->event_count, 3);
    assert_int_equal(rig.sink->waited_ms, 0);
}

/* ---- what cannot be read for a moment ---- */

static void a_long_last_line_that_is_not_read_at_once_is_read_then(void **unused)
{
    (void)unused;
    static char text[200000];
    struct value value;

    memset(text, 'a', sizeof(text));
    rig.config.max_line_bytes = 1000;
    rig.config.rotate_wait = 0;
    rig_put(&rig, "app.log", 0, text, sizeof(text));
    rig_open(&rig);
    rig_expect(&rig, "");
    short_read_bytes = 1000 + 1; /* the line's head, with a byte to see that it is cut */
    rig_rotate(&rig);
    rig_drain(&rig);
    rig_drain(&rig);
    assert_int_equal(short_read_bytes, 0);
    assert_int_equal(rig.sink->event_count, 1);
    assert_true(event_field(&rig.sink->events[0], SLICE("log.record.original_bytes"), &value));
    assert_int_equal(value.integer, sizeof(text));
    assert_int_equal(rig.sink->loss_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(from_the_end_whole_lines_are_read_and_later_files_from_their_begin),
        TEST(files_that_appear_while_down_are_read_from_their_begin),
        TEST(old_files_are_begun_at_their_end),
        TEST(looking_for_the_last_line_of_a_file_leaves_the_lines_of_others_alone),
        TEST(a_file_from_before_1970_does_not_make_the_checkpoint_unusable),
        TEST(a_file_of_a_far_future_does_not_make_the_checkpoint_unusable),
        TEST(excluded_files_and_folders_are_left_out),
        TEST(more_files_than_descriptors_are_all_read),
        TEST(more_files_than_max_files_are_told_once),
        TEST(more_files_than_there_is_memory_for_are_told_once_and_read_when_others_are_gone),
        TEST(a_file_that_may_not_be_read_is_told_once_and_read_when_it_may),
        TEST(without_inotify_it_polls_and_says_which_limit),
        TEST(what_the_kernel_refuses_to_watch_is_polled_counted_and_tried_again),
        TEST(news_wake_it_and_quiet_files_do_not),
        TEST(it_naps_for_a_part_of_what_lanes_wait_and_where_much_comes_shortly),
        TEST(what_came_during_a_nap_has_waited_and_after_a_quiet_spell_has_not),
        TEST(a_long_last_line_that_is_not_read_at_once_is_read_then),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
