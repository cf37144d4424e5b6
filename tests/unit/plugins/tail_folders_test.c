/* SPDX-License-Identifier: Apache-2.0 */
/* tail: folders below folders, and what may not be read or looked into. */
#include "inputs/tail/state.h"
#include "tail_scene.h"

#include <poll.h>

/* As the core does: for a notification, for at most as long as the plugin says; then collects. */
static void wait_for_events(size_t count)
{
    int64_t give_up_ms = clock_now_ms() + 60000;

    for (rig_drain(&rig); rig.sink->event_count < count; rig_drain(&rig)) {
        struct waits waits = { .fd_count = 0 };
        assert_true(clock_now_ms() < give_up_ms); /* before the next look without one */
        input_tail.wait(rig.state, &waits);
        struct pollfd fd = { .fd = waits.fd_count > 0 ? waits.fds[0] : -1, .events = POLLIN };
        int64_t left_ms = waits.until_ms - clock_now_ms();
        (void)poll(&fd, 1, left_ms < 0 ? 0 : (int)left_ms);
    }
}

static void look_slowly(void)
{
    rig.config.rescan = 3600 * 1000;
}

static void make_folder(const char *name)
{
    assert_int_equal(mkdir(rig_path(&rig, name), 0755), 0);
}

static size_t watches(void)
{
    struct waits waits = { .fd_count = 0 };
    char name[64], line[256];
    size_t count = 0;

    input_tail.wait(rig.state, &waits);
    assert_int_equal(waits.fd_count, 1);
    (void)snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", waits.fds[0]);
    FILE *info = fopen(name, "re");
    assert_non_null(info);
    while (fgets(line, sizeof(line), info) != NULL)
        count += strncmp(line, "inotify wd", 10) == 0;
    (void)fclose(info);
    return count;
}

static void folders_that_appear_below_folders_are_heard_of(void **unused)
{
    (void)unused;
    look_slowly();
    rig_add_path(&rig, "deep/**/*.txt");
    begin_with("1\n");
    make_folder("deep");
    make_folder("deep/a");
    make_folder("deep/a/b");
    rig_append(&rig, "deep/a/b/x.txt", "2\n");
    wait_for_events(2);
    make_folder("deep/a/b/c"); /* below one that was just met */
    rig_append(&rig, "deep/a/b/c/x.txt", "3\n");
    rig_append(&rig, "deep/x.txt", "4\n");
    wait_for_events(4);
    rig_append(&rig, "deep/a/b/c/x.txt", "5\n");
    wait_for_events(5);
    assert_int_equal(rig.sink->event_count, 5);
    assert_int_equal(rig.sink->tell_count, 0);
}

static void folders_that_leave_give_their_watches_back(void **unused)
{
    (void)unused;
    rig_add_path(&rig, "deep/**/*.txt");
    rig_open(&rig);
    make_folder("deep");
    make_folder("deep/a");
    make_folder("deep/a/b");
    make_folder("deep/c");
    rig_drain(&rig);
    assert_int_equal(watches(), 1 + 4);
    rig_rename(&rig, "deep/a", "elsewhere"); /* the kernel watches on, under whatever name */
    rig_drain(&rig);
    assert_int_equal(watches(), 1 + 2);
    assert_int_equal(rmdir(rig_path(&rig, "deep/c")), 0);
    rig_drain(&rig);
    assert_int_equal(watches(), 1 + 1);
}

static void a_folder_that_is_made_anew_is_heard_of(void **unused)
{
    (void)unused;
    look_slowly();
    rig_add_path(&rig, "one/two/*.txt");
    make_folder("one");
    make_folder("one/two");
    begin_with("1\n");
    assert_int_equal(rmdir(rig_path(&rig, "one/two")), 0); /* nothing else watches "one" */
    rig_append(&rig, "app.log", "2\n");
    wait_for_events(2);
    make_folder("one/two");
    rig_append(&rig, "one/two/x.txt", "3\n");
    wait_for_events(3);
}

static void what_is_left_out_below_a_folder_is_not_watched(void **unused)
{
    static const char *exclude[1];
    (void)unused;

    exclude[0] = strdup(rig_path(&rig, "deep/no/**"));
    rig.config.exclude = (struct text_list){ exclude, 1 };
    rig_add_path(&rig, "deep/**");
    make_folder("deep");
    make_folder("deep/no");
    make_folder("deep/no/more");
    make_folder("deep/yes");
    rig_append(&rig, "deep/no/more/x", "1\n");
    rig_append(&rig, "deep/no/x", "2\n");
    rig_append(&rig, "deep/yes/x", "3\n");
    rig_open(&rig);
    rig_expect(&rig, "3 ");
    rig_drain(&rig);
    assert_int_equal(watches(), 3 + 1); /* the folders and the file */
    free((char *)exclude[0]);
}

static void folders_over_max_folders_are_told_once_and_counted(void **unused)
{
    (void)unused;
    rig.config.max_folders = 4;
    rig_add_path(&rig, "deep/**/*.txt");
    make_folder("deep");
    make_folder("deep/a");
    make_folder("deep/b");
    make_folder("deep/a/c");
    make_folder("deep/b/c");
    rig_append(&rig, "deep/a/x.txt", "1\n");
    rig_append(&rig, "deep/a/c/x.txt", "2\n");
    rig_append(&rig, "deep/b/c/x.txt", "2\n");
    rig_open(&rig);
    rig_drain(&rig);
    rig_expect(&rig, "1 ");
    assert_int_equal(rig.sink->tell_count, 1);
    assert_true(fake_sink_told(rig.sink, "max_folders"));
    assert_int_equal(rig.sink->numbers[SINK_FOLDERS_LEFT_OUT], 2);
    rig.config.max_folders = 1000;
    rig_drain(&rig);
    assert_int_equal(rig.sink->event_count, 3);
    assert_int_equal(rig.sink->numbers[SINK_FOLDERS_LEFT_OUT], 0);
}

/* ---- rights; root has them all ---- */

static bool is_root;

enum { NOBODY = 65534 };

static void be(uid_t user)
{
    if (is_root)
        assert_int_equal(seteuid(user), 0);
}

static void become_nobody(void)
{
    is_root = geteuid() == 0;
    assert_int_equal(chmod(rig.folder, 0755), 0);
    be(NOBODY);
}

static void change_mode(const char *name, mode_t mode)
{
    be(0);
    assert_int_equal(chmod(rig_path(&rig, name), mode), 0);
    be(NOBODY);
}

static int end_as_root(void **unused)
{
    be(0);
    return end(unused);
}

static void a_file_that_may_be_read_now_is_heard_of(void **unused)
{
    (void)unused;
    look_slowly();
    rig_add_path(&rig, "closed.txt");
    rig_append(&rig, "closed.txt", "2\n3\n");
    rig_append(&rig, "app.log", "1\n");
    assert_int_equal(chmod(rig_path(&rig, "closed.txt"), 0), 0);
    become_nobody();
    rig_open(&rig);
    rig_expect(&rig, "1 ");
    assert_int_equal(rig.sink->numbers[SINK_SOURCES_REFUSED], 1);
    assert_int_equal(rig.sink->tell_count, 1);
    assert_true(fake_sink_told(rig.sink, "CAP_DAC_READ_SEARCH"));
    change_mode("closed.txt", 0644);
    wait_for_events(3);
    assert_string_equal(rig_bodies(&rig), "1 2 3 ");
    assert_int_equal(rig.sink->numbers[SINK_SOURCES_REFUSED], 0);
    assert_int_equal(rig.sink->tell_count, 1);
}

/* `closed`: not to be listed, or not to be passed through. */
static void open_a_folder(mode_t closed)
{
    look_slowly();
    rig_add_path(&rig, "closed/*.txt");
    make_folder("closed");
    rig_append(&rig, "closed/a.txt", "2\n");
    rig_append(&rig, "closed/b.txt", "3\n");
    rig_append(&rig, "app.log", "1\n");
    assert_int_equal(chmod(rig_path(&rig, "closed"), closed), 0);
    become_nobody();
    rig_open(&rig);
    rig_expect(&rig, "1 ");
    assert_int_equal(rig.sink->numbers[SINK_FOLDERS_LEFT_OUT], 1);
    assert_int_equal(rig.sink->tell_count, 1);
    assert_true(fake_sink_told(rig.sink, "/closed"));
    change_mode("closed", 0755);
    wait_for_events(3);
    assert_int_equal(rig.sink->numbers[SINK_FOLDERS_LEFT_OUT], 0);
    assert_int_equal(rig.sink->tell_count, 1);
}

static void a_folder_that_may_be_listed_now_is_heard_of(void **unused)
{
    (void)unused;
    open_a_folder(0711);
}

static void a_folder_that_may_be_passed_through_now_is_heard_of(void **unused)
{
    (void)unused;
    open_a_folder(0744);
}

static void look_again(void)
{
    struct tail *tail = rig.state;
    tail->next_scan_ms = 1;
}

/* Of app.log "half" is unread when it is rotated, and nobody can tell where to. */
static void rotate_while_down(void)
{
    look_slowly();
    begin_with("1\nhalf");
    rig_settle_all(&rig);
    rig_save(&rig);
    rig_close(&rig);
    rig_append(&rig, "app.log", "way\n");
    rig_rotate(&rig);
    rig_append(&rig, "app.log", "new\n");
}

static void a_rotated_file_in_a_folder_that_cannot_be_listed_is_looked_for_again(void **unused)
{
    (void)unused;
    rotate_while_down();
    become_nobody();
    change_mode("", 0711); /* the path is plain, and can be read */
    rig_restore(&rig);
    rig_expect(&rig, "1 new ");
    assert_int_equal(rig.sink->loss_count, 0);
    assert_int_equal(rig.sink->numbers[SINK_SOURCES_REFUSED], 1);
    change_mode("", 0755);
    look_again(); /* who may not list it cannot have it watched either */
    rig_expect(&rig, "1 new halfway ");
    assert_int_equal(rig.sink->loss_count, 0);
    assert_int_equal(rig.sink->numbers[SINK_SOURCES_REFUSED], 0);
}

static void a_rotated_file_that_cannot_be_looked_for_is_given_up_in_the_end(void **unused)
{
    (void)unused;
    rotate_while_down();
    become_nobody();
    change_mode("", 0711);
    rig_restore(&rig);
    rig_expect(&rig, "1 new ");
    struct tail *tail = rig.state;
    for (uint32_t i = 0; i < tail->table.room; i++) {
        struct tail_file *file = tail_table_at(&tail->table, i);
        if (file != NULL && file->failed)
            file->failed_ms -= 25 * 3600 * 1000;
    }
    look_again();
    rig_expect(&rig, "1 new ");
    assert_true(fake_sink_lost_bytes(rig.sink, NULL) >= strlen("half")); /* as far as was seen */
    assert_int_equal(rig.sink->numbers[SINK_SOURCES_REFUSED], 0);
}

/* `closed`: as above. What was there stays there, whether it is open or not. */
static void close_a_folder(mode_t closed)
{
    rig_add_path(&rig, "closed/*.txt");
    make_folder("closed");
    rig_append(&rig, "closed/a.txt", "1\nhalf");
    become_nobody();
    rig_open(&rig);
    rig_expect(&rig, "1 ");
    rig_settle_all(&rig);
    rig_save(&rig);
    change_mode("closed", closed);
    rig_drain(&rig);
    rig_drain(&rig);
    assert_int_equal(rig.sink->numbers[SINK_SOURCES_ROTATED], 0);
    rig_close(&rig);
    rig_restore(&rig); /* now it is not open */
    rig_drain(&rig);
    rig_drain(&rig);
    assert_int_equal(rig.sink->numbers[SINK_SOURCES_ROTATED], 0);
    change_mode("closed", 0755);
    be(0);
    rig_append(&rig, "closed/a.txt", "way\n");
    rig_expect(&rig, "1 halfway ");
    assert_int_equal(rig.sink->loss_count, 0);
}

static void files_of_a_folder_that_cannot_be_listed_any_more_have_not_left(void **unused)
{
    (void)unused;
    close_a_folder(0711);
}

static void files_of_a_folder_that_cannot_be_passed_through_any_more_have_not_left(void **unused)
{
    (void)unused;
    close_a_folder(0744);
}

static void a_file_that_is_rotated_in_a_folder_that_cannot_be_listed_has_left(void **unused)
{
    (void)unused;
    rig_add_path(&rig, "*.txt"); /* of the same folder as the plain path */
    begin_with("1\n");
    become_nobody();
    change_mode("", 0711);
    rig_drain(&rig);
    assert_int_equal(rig.sink->numbers[SINK_SOURCES_ROTATED], 0);
    be(0);
    rig_rotate(&rig);
    rig_append(&rig, "app.log", "2\n");
    be(NOBODY);
    rig_expect(&rig, "1 2 ");
    assert_int_equal(rig.sink->numbers[SINK_SOURCES_ROTATED], 1);
    assert_int_equal(rig.sink->loss_count, 0);
}

static void many_folders_that_may_not_be_listed_are_counted_and_each_is_told_once(void **unused)
{
    char name[32];
    (void)unused;

    rig_add_path(&rig, "*/x.txt");
    for (int i = 0; i < 80; i++) {
        (void)snprintf(name, sizeof(name), "f%d", i);
        make_folder(name);
        assert_int_equal(chmod(rig_path(&rig, name), 0), 0);
    }
    become_nobody();
    rig_open(&rig);
    rig_drain(&rig);
    rig_drain(&rig);
    assert_int_equal(rig.sink->numbers[SINK_FOLDERS_LEFT_OUT], 80);
    assert_int_equal(rig.sink->tell_count, 64); /* the list is that long */
}

#define TEST_OF_RIGHTS(name) cmocka_unit_test_setup_teardown(name, begin, end_as_root)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(folders_that_appear_below_folders_are_heard_of),
        TEST(folders_that_leave_give_their_watches_back),
        TEST(a_folder_that_is_made_anew_is_heard_of),
        TEST(what_is_left_out_below_a_folder_is_not_watched),
        TEST(folders_over_max_folders_are_told_once_and_counted),
        TEST_OF_RIGHTS(a_file_that_may_be_read_now_is_heard_of),
        TEST_OF_RIGHTS(a_folder_that_may_be_listed_now_is_heard_of),
        TEST_OF_RIGHTS(a_folder_that_may_be_passed_through_now_is_heard_of),
        TEST_OF_RIGHTS(a_rotated_file_in_a_folder_that_cannot_be_listed_is_looked_for_again),
        TEST_OF_RIGHTS(a_rotated_file_that_cannot_be_looked_for_is_given_up_in_the_end),
        TEST_OF_RIGHTS(files_of_a_folder_that_cannot_be_listed_any_more_have_not_left),
        TEST_OF_RIGHTS(files_of_a_folder_that_cannot_be_passed_through_any_more_have_not_left),
        TEST_OF_RIGHTS(a_file_that_is_rotated_in_a_folder_that_cannot_be_listed_has_left),
        TEST_OF_RIGHTS(many_folders_that_may_not_be_listed_are_counted_and_each_is_told_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
