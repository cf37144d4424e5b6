/* SPDX-License-Identifier: Apache-2.0 */
/* tail: copytruncate where the globs match the copy: every line once, whatever was seen first. */
#include "inputs/tail/state.h"
#include "tail_scene.h"

static int begin_with_glob(void **unused)
{
    (void)unused;
    rig_init(&rig, "app*");
    return 0;
}

static void copy_part(const char *from, const char *to, size_t bytes)
{
    char text[8192];
    int fd = open(rig_path(&rig, from), O_RDONLY);
    assert_true(fd >= 0);
    ssize_t got = read(fd, text, bytes < sizeof(text) ? bytes : sizeof(text));
    assert_true(got >= 0);
    (void)close(fd);
    rig_put(&rig, to, O_TRUNC, text, (size_t)got);
}

static void copy(const char *from, const char *to)
{
    copy_part(from, to, SIZE_MAX);
}

static void expect_lost(uint64_t bytes)
{
    assert_int_equal(fake_sink_lost_bytes(rig.sink, NULL), bytes);
}

static void a_copy_seen_before_the_cut_is_not_read_twice(void **unused)
{
    (void)unused;
    begin_with("a\nb\n");
    copy("app.log", "app.log.1");
    rig_expect(&rig, "a b ");
    rig_append(&rig, "app.log", "c\n"); /* after the copy was made */
    rig_expect(&rig, "a b c ");
    rig_rewrite(&rig, "app.log", "d\n");
    rig_expect(&rig, "a b c d ");
    expect_lost(0);
}

static void a_copy_seen_after_the_cut_is_not_read_twice(void **unused)
{
    (void)unused;
    begin_with("a\nb\n");
    copy("app.log", "app.log.1");
    rig_rewrite(&rig, "app.log", "");
    rig_expect(&rig, "a b ");
    rig_append(&rig, "app.log", "c\n");
    rig_expect(&rig, "a b c ");
    expect_lost(0);
}

static void lines_that_only_the_copy_has_are_read_from_it_before_the_new_ones(void **unused)
{
    (void)unused;
    begin_with("a\nb\n");
    rig_append(&rig, "app.log", "c\nd\n");
    copy("app.log", "app.log.1");
    rig_rewrite(&rig, "app.log", "e\n");
    rig_expect(&rig, "a b c d e ");
    assert_true(slice_equals(fake_sink_attribute(&rig.sink->events[2], "log.file.path"),
                             slice_of(rig_path(&rig, "app.log"))));
    expect_lost(0);
}

static void what_was_known_to_be_there_and_is_in_no_copy_is_counted(void **unused)
{
    (void)unused;
    begin_with("a\nb\nhalf"); /* of a line: known, not read */
    copy_part("app.log", "app.log.1", 6);
    rig_rewrite(&rig, "app.log", "");
    rig_drain(&rig);
    expect_lost(2); /* "lf": the rest may come from the copy */
}

static void a_copy_that_grows_is_waited_for(void **unused)
{
    (void)unused;
    char line[101], text[2048] = "";

    for (int i = 0; i < 10; i++) {
        memset(line, 'a' + i, 99);
        line[99] = '\n';
        line[100] = '\0';
        strcat(text, line);
    }
    begin_with(text);
    for (size_t bytes = 0; bytes <= 1000; bytes += 125) {
        copy_part("app.log", "app.log.1", bytes);
        rig_drain(&rig);
        assert_int_equal(rig.sink->event_count, 10);
    }
    rig_rewrite(&rig, "app.log", "new\n");
    rig_drain(&rig);
    assert_int_equal(rig.sink->event_count, 11);
    expect_lost(0);
}

static void one_rotation_after_the_other(void **unused)
{
    (void)unused;
    begin_with("0\n");
    for (int i = 1; i <= 8; i++) {
        char text[] = { (char)('0' + i), '\n', '\0' };
        (void)rename(rig_path(&rig, "app.log.2"), rig_path(&rig, "app.log.3"));
        (void)rename(rig_path(&rig, "app.log.1"), rig_path(&rig, "app.log.2"));
        copy("app.log", "app.log.1");
        if (i % 2 == 0)
            rig_drain(&rig);
        rig_rewrite(&rig, "app.log", text);
        if (i % 3 == 0)
            rig_drain(&rig);
        rig_drain(&rig);
    }
    rig_expect(&rig, "0 1 2 3 4 5 6 7 8 ");
    expect_lost(0);
}

static void copied_and_cut_while_down(void **unused)
{
    (void)unused;
    begin_with("a\nb\n");
    rig_settle_all(&rig);
    rig_save(&rig);
    rig_close(&rig);
    rig_append(&rig, "app.log", "c\n");
    copy("app.log", "app.log.1");
    rig_rewrite(&rig, "app.log", "d\n");
    rig.sink->settled = rig.sink->mark_count;
    rig_restore(&rig);
    rig_expect(&rig, "a b c d ");
    expect_lost(0);
    rig_settle_all(&rig);
    rig_restart(&rig);
    rig_expect(&rig, "a b c d ");
}

static void copied_and_cut_twice_while_down(void **unused)
{
    (void)unused;
    begin_with("a\nb\nhalf"); /* of a line: known, not read */
    rig_settle_all(&rig);
    rig_save(&rig);
    rig_close(&rig);
    copy("app.log", "app.log.2");
    rig_rewrite(&rig, "app.log", "c\n");
    copy("app.log", "app.log.1");
    rig_rewrite(&rig, "app.log", "d\n");
    rig.sink->settled = rig.sink->mark_count;
    rig_restore(&rig);
    rig_drain(&rig);
    expect_lost(0);
    rig_append(&rig, "app.log.2", "\n");
    rig_drain(&rig);
    assert_int_equal(rig.sink->event_count, 5);
    assert_true(fake_sink_is_body(rig.sink, 4, "half"));
}

static void what_was_not_settled_at_the_cut_comes_again_from_the_copy(void **unused)
{
    (void)unused;
    begin_with("a\nb\n");
    copy("app.log", "app.log.1");
    rig_rewrite(&rig, "app.log", "c\n");
    rig_expect(&rig, "a b c ");
    rig_restart(&rig); /* with nothing settled */
    rig_expect(&rig, "a b c a b c ");
    rig_settle_all(&rig);
    rig_restart(&rig);
    rig_expect(&rig, "a b c a b c ");
}

static void what_is_settled_after_the_cut_does_not_come_again(void **unused)
{
    (void)unused;
    begin_with("a\nb\n");
    copy("app.log", "app.log.1");
    rig_rewrite(&rig, "app.log", "c\n");
    rig_expect(&rig, "a b c ");
    rig_settle_all(&rig);
    rig_restart(&rig);
    rig_expect(&rig, "a b c ");
}

static void a_copy_that_is_there_at_the_start_is_not_read_twice(void **unused)
{
    (void)unused;
    rig_append(&rig, "app.log", "a\nb\n");
    copy("app.log", "app.log.1");
    rig_open(&rig);
    rig_expect(&rig, "a b ");
    rig_rewrite(&rig, "app.log", "c\n");
    rig_expect(&rig, "a b c ");
    expect_lost(0);
}

static void what_is_settled_after_a_second_cut_does_not_come_again(void **unused)
{
    (void)unused;
    begin_with("a\nb\n");
    copy("app.log", "app.log.1");
    rig_rewrite(&rig, "app.log", "c\n");
    rig_expect(&rig, "a b c ");
    rig_rename(&rig, "app.log.1", "app.log.2");
    copy("app.log", "app.log.1");
    rig_rewrite(&rig, "app.log", "d\n");
    rig_expect(&rig, "a b c d ");
    rig_settle_all(&rig);
    rig_restart(&rig);
    rig_expect(&rig, "a b c d ");
}

static void what_was_not_read_before_the_cut_is_not_lost_if_it_was_copied(void **unused)
{
    (void)unused;
    begin_with("half"); /* of a line: known, not read */
    copy("app.log", "app.log.1");
    rig_drain(&rig);
    rig_rewrite(&rig, "app.log", "");
    rig_drain(&rig);
    expect_lost(0);
    rig_append(&rig, "app.log.1", " and half\n");
    rig_append(&rig, "app.log", "c\n");
    rig_drain(&rig);
    assert_string_equal(rig_bodies(&rig), "half and half c ");
}

static void nothing_settled_and_copied_and_cut_while_down(void **unused)
{
    (void)unused;
    begin_with("a\nb\n");
    rig_save(&rig);
    rig_close(&rig);
    copy("app.log", "app.log.1");
    rig_rewrite(&rig, "app.log", "longer\nthan before\n");
    rig.sink->settled = rig.sink->mark_count;
    rig_restore(&rig);
    rig_expect(&rig, "a b a b longer than before ");
    assert_true(slice_equals(fake_sink_attribute(&rig.sink->events[2], "log.file.path"),
                             slice_of(rig_path(&rig, "app.log"))));
    expect_lost(0);
}

static void a_copy_that_waited_and_is_gone_after_a_restart_is_no_loss(void **unused)
{
    (void)unused;
    begin_with("a\nb\n");
    copy("app.log", "app.log.1");
    rig_drain(&rig);
    rig_settle_all(&rig);
    rig_save(&rig);
    rig_close(&rig);
    rig_unlink(&rig, "app.log.1");
    rig_restore(&rig);
    rig_expect(&rig, "a b ");
    expect_lost(0);
}

static void a_copy_that_waits_and_is_removed_is_let_go_after_rotate_wait(void **unused)
{
    (void)unused;
    char text[TAIL_PREFIX_BYTES + 2] = "";

    memset(text, 'a', TAIL_PREFIX_BYTES);
    text[TAIL_PREFIX_BYTES] = '\n';
    rig.config.rotate_wait = 0;
    begin_with(text);
    copy("app.log", "app.log.1");
    rig_drain(&rig);
    assert_int_equal(rig.sink->numbers[SINK_SOURCES_OPEN], 2);
    rig_unlink(&rig, "app.log.1");
    rig_drain(&rig);
    rig_drain(&rig);
    assert_int_equal(rig.sink->event_count, 1);
    assert_int_equal(rig.sink->numbers[SINK_SOURCES_OPEN], 1);
    expect_lost(0);
}

static struct tail_file *find(struct tail *tail, const char *name)
{
    struct tail_file *file = tail_table_by_path(&tail->table, rig_path(&rig, name), NULL);
    assert_non_null(file);
    return file;
}

/* Where the file system gives an inode away again at once, as most do. */
static void a_copy_under_the_inode_of_a_removed_file_is_found_at_the_cut(void **unused)
{
    (void)unused;
    rig.config.rescan = 3600000;
    rig_append(&rig, "app.log", "a\nb\nhalf"); /* of a line: known, not read */
    rig_append(&rig, "app.log.2", "old\n");
    rig_open(&rig);
    struct tail *tail = rig.state;
    tail_watch_close(&tail->watch); /* so no look at all names sees the copy first */
    rig_drain(&rig);
    tail_file_close(tail, find(tail, "app.log.2"));
    rig_unlink(&rig, "app.log.2");
    copy("app.log", "app.log.1");
    rig_rewrite(&rig, "app.log", "c\n");
    tail_queue_push(&tail->table, find(tail, "app.log"));
    rig_drain(&rig);
    assert_int_equal(rig.sink->event_count, 4);
    expect_lost(0);
}

static void a_copy_that_cannot_be_opened_yet_is_judged_when_it_can(void **unused)
{
    (void)unused;
    begin_with("a\n");
    copy("app.log", "app.log.2");
    rig_rewrite(&rig, "app.log", "b\n");
    rig_expect(&rig, "a b ");
    copy("app.log", "app.log.1");
    ((struct tail *)rig.state)->max_open = 0;
    rig_drain(&rig);
    ((struct tail *)rig.state)->max_open = 16;
    rig_expect(&rig, "a b ");
    rig_rewrite(&rig, "app.log", "c\n");
    rig_expect(&rig, "a b c ");
    expect_lost(0);
}

static void a_file_of_its_own_under_such_a_name_is_read_whole(void **unused)
{
    (void)unused;
    begin_with("a\nb\n");
    rig_append(&rig, "app.log.1", "a\nx\n");
    rig_append(&rig, "app-2.log", "y\n");
    rig_drain(&rig);
    assert_int_equal(rig.sink->event_count, 5);
    assert_non_null(fake_sink_find(rig.sink, "x"));
    assert_non_null(fake_sink_find(rig.sink, "y"));
}

static void a_few_equal_bytes_are_no_proof_for_longer_than_rotate_wait(void **unused)
{
    (void)unused;
    rig.config.rotate_wait = 1;
    begin_with("a\nb\n");
    rig_append(&rig, "app-2.log", "a\n");
    rig_drain(&rig);
    for (int64_t end_ms = clock_now_ms() + 5; clock_now_ms() < end_ms;)
        continue;
    rig_expect(&rig, "a b a ");
}

#define GLOB_TEST(name) cmocka_unit_test_setup_teardown(name, begin_with_glob, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        GLOB_TEST(a_copy_seen_before_the_cut_is_not_read_twice),
        GLOB_TEST(a_copy_seen_after_the_cut_is_not_read_twice),
        GLOB_TEST(lines_that_only_the_copy_has_are_read_from_it_before_the_new_ones),
        GLOB_TEST(what_was_known_to_be_there_and_is_in_no_copy_is_counted),
        GLOB_TEST(a_copy_that_grows_is_waited_for),
        GLOB_TEST(one_rotation_after_the_other),
        GLOB_TEST(copied_and_cut_while_down),
        GLOB_TEST(copied_and_cut_twice_while_down),
        GLOB_TEST(what_was_not_settled_at_the_cut_comes_again_from_the_copy),
        GLOB_TEST(what_is_settled_after_the_cut_does_not_come_again),
        GLOB_TEST(a_copy_that_is_there_at_the_start_is_not_read_twice),
        GLOB_TEST(what_is_settled_after_a_second_cut_does_not_come_again),
        GLOB_TEST(what_was_not_read_before_the_cut_is_not_lost_if_it_was_copied),
        GLOB_TEST(nothing_settled_and_copied_and_cut_while_down),
        GLOB_TEST(a_copy_that_waited_and_is_gone_after_a_restart_is_no_loss),
        GLOB_TEST(a_copy_that_waits_and_is_removed_is_let_go_after_rotate_wait),
        GLOB_TEST(a_copy_under_the_inode_of_a_removed_file_is_found_at_the_cut),
        GLOB_TEST(a_copy_that_cannot_be_opened_yet_is_judged_when_it_can),
        GLOB_TEST(a_file_of_its_own_under_such_a_name_is_read_whole),
        GLOB_TEST(a_few_equal_bytes_are_no_proof_for_longer_than_rotate_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
