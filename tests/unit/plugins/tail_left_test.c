/* SPDX-License-Identifier: Apache-2.0 */
/* tail: what becomes of files that have left: that are read to their end and not settled, that lie
 * in another folder, that are not wanted any more. */
#include "inputs/tail/state.h"
#include "tail_scene.h"

static void expect_lost(uint64_t bytes)
{
    assert_int_equal(fake_sink_lost_bytes(rig.sink, NULL), bytes);
}

/* ---- finished, and not settled ---- */

static void finish_a_rotated_file(void)
{
    rig.config.rotate_wait = 0;
    begin_with("a\n");
    rig_rename(&rig, "app.log", "app.log.1");
    rig_drain(&rig);
    rig_drain(&rig);
    assert_int_equal(rig.sink->numbers[SINK_SOURCES_OPEN], 0);
}

static void what_was_not_settled_of_a_finished_file_is_read_again(void **unused)
{
    (void)unused;
    finish_a_rotated_file();
    rig_restart(&rig);
    rig_expect(&rig, "a a ");
    rig_settle_all(&rig);
    rig_restart(&rig);
    rig_expect(&rig, "a a ");
    expect_lost(0);
}

static void what_was_not_settled_of_a_file_that_is_gone_is_counted(void **unused)
{
    (void)unused;
    finish_a_rotated_file();
    rig_unlink(&rig, "app.log.1");
    rig_restart(&rig);
    rig_expect(&rig, "a ");
    expect_lost(2);
    rig_restart(&rig);
    rig_expect(&rig, "a ");
    expect_lost(2);
}

static void a_full_table_forgets_no_file_that_is_not_settled(void **unused)
{
    (void)unused;
    rig.config.max_files = 1;
    finish_a_rotated_file();
    rig_append(&rig, "app.log", "b\n");
    rig_expect(&rig, "a ");
    rig_settle_all(&rig);
    rig_expect(&rig, "a b ");
}

static void a_file_that_is_gone_for_a_day_is_kept_until_it_is_settled(void **unused)
{
    (void)unused;
    finish_a_rotated_file();
    struct tail *tail = rig.state;
    for (uint32_t i = 0; i < tail->table.room; i++) {
        struct tail_file *file = tail_table_at(&tail->table, i);
        if (file != NULL && file->gone_ns != 0)
            file->gone_ns -= 25 * 3600 * NS_PER_S;
    }
    rig_drain(&rig);
    assert_int_equal(tail->table.count, 1);
    rig_settle_all(&rig);
    rig_drain(&rig);
    assert_int_equal(tail->table.count, 0);
}

/* Of three rotations none was seen. The last known file gives way to the first that is found. */
static void what_is_missed_may_take_the_place_of_the_last_that_is_known(void **unused)
{
    (void)unused;
    rig.config.max_files = 2;
    finish_a_rotated_file();
    rig_settle_all(&rig);
    rig_unlink(&rig, "app.log.1");
    rig_append(&rig, "app.log", "b\n");
    rig_rotate(&rig);
    rig_append(&rig, "app.log", "c\n");
    rig_rotate(&rig);
    rig_append(&rig, "app.log", "d\n");
    rig_drain(&rig);
    assert_non_null(fake_sink_find(rig.sink, "d"));
}

/* ---- in another folder ---- */

static void make_folder(const char *name)
{
    assert_int_equal(mkdir(rig_path(&rig, name), 0755), 0);
}

static void a_file_that_is_moved_to_another_folder_while_down_is_read_on(void **unused)
{
    (void)unused;
    rig_add_path(&rig, "**/*.txt");
    make_folder("a");
    make_folder("b");
    rig_append(&rig, "a/x.txt", "a\n");
    rig_open(&rig);
    rig_drain(&rig);
    rig_settle_all(&rig);
    rig_save(&rig);
    rig_close(&rig);
    rig_append(&rig, "a/x.txt", "b\n");
    rig_rename(&rig, "a/x.txt", "b/x.txt");
    rig_restore(&rig);
    rig_expect(&rig, "a b ");
    expect_lost(0);
}

static void a_file_whose_folder_is_renamed_is_read_on_also_after_a_rest(void **unused)
{
    (void)unused;
    rig.config.rotate_wait = 0;
    rig_add_path(&rig, "**/*.txt");
    make_folder("a");
    rig_append(&rig, "a/x.txt", "a\n");
    rig_open(&rig);
    rig_drain(&rig);
    rig_rename(&rig, "a", "b");
    rig_append(&rig, "b/x.txt", "b\n");
    rig_drain(&rig);
    rig_drain(&rig); /* rotate_wait is over */
    assert_int_equal(rig.sink->numbers[SINK_SOURCES_OPEN], 0);
    rig_append(&rig, "b/x.txt", "c\n");
    rig_drain(&rig);
    rig_append(&rig, "b/x.txt", "d\n");
    rig_expect(&rig, "a b c d ");
    expect_lost(0);
}

static void of_a_file_with_two_names_the_other_one_does_too(void **unused)
{
    (void)unused;
    rig_add_path(&rig, "a/*.txt"); /* met first */
    rig_add_path(&rig, "b/*.txt");
    make_folder("a");
    make_folder("b");
    rig_append(&rig, "a/x.txt", "a\n");
    assert_int_equal(link(rig_path(&rig, "a/x.txt"), rig_path(&rig, "b/y.txt")), 0);
    rig_open(&rig);
    rig_drain(&rig);
    rig_settle_all(&rig);
    rig_save(&rig);
    rig_close(&rig);
    rig_append(&rig, "a/x.txt", "b\n");
    rig_unlink(&rig, "a/x.txt");
    rig_restore(&rig);
    rig_expect(&rig, "a b ");
    expect_lost(0);
}

/* ---- not wanted any more ---- */

static void change(const struct tail_config *config)
{
    struct err err = { "" };
    assert_true(input_tail.change(rig.state, config, &rig.host, &err));
}

static void what_exclude_leaves_out_after_a_reload_is_not_read_on(void **unused)
{
    (void)unused;
    static const char *exclude[] = { "*p.log" };
    struct tail_config excluding = rig.config;
    excluding.exclude = (struct text_list){ exclude, 1 };
    begin_with("a\n");
    rig_append(&rig, "app.log", "b\n");
    change(&excluding);
    rig_expect(&rig, "a ");
    rig_append(&rig, "app.log", "c\n");
    rig_expect(&rig, "a ");
    assert_int_equal(rig.sink->numbers[SINK_SOURCES_OPEN], 0);
    assert_int_equal(rig.sink->numbers[SINK_SOURCES_ROTATED], 0);
    assert_int_equal(rig.sink->numbers[SINK_LAG_BYTES], 0);
    expect_lost(0);
    change(&rig.config);
    rig_expect(&rig, "a b c ");
}

static void what_paths_do_not_name_any_more_is_not_read_on_after_a_restart(void **unused)
{
    (void)unused;
    rig_add_path(&rig, "*.txt");
    rig_append(&rig, "1.txt", "x\n");
    begin_with("a\n");
    rig_append(&rig, "app.log", "b\n");
    rig_append(&rig, "1.txt", "y\n");
    rig_settle_all(&rig);
    rig.config.paths = (struct text_list){ rig.paths + 1, 1 };
    rig_restart(&rig);
    rig_drain(&rig);
    rig.config.paths = (struct text_list){ rig.paths, 2 };
    assert_int_equal(rig.sink->event_count, 3);
    assert_null(fake_sink_find(rig.sink, "b"));
    assert_non_null(fake_sink_find(rig.sink, "y"));
    expect_lost(0);
}

static void be_standard_output(const char *name)
{
    int fd = open(rig_path(&rig, name), O_WRONLY | O_APPEND);
    assert_true(fd >= 0);
    assert_int_equal(dup2(fd, STDOUT_FILENO), STDOUT_FILENO);
    (void)close(fd);
}

static void our_own_output_is_not_read_on_when_it_is_switched_off(void **unused)
{
    (void)unused;
    struct tail_config without = rig.config;
    rig.config.own_output = true;
    begin_with("a\n");
    (void)fflush(stdout);
    int kept = dup(STDOUT_FILENO);
    be_standard_output("app.log");
    change(&without);
    rig_drain(&rig);
    rig_append(&rig, "app.log", "b\n");
    rig_drain(&rig);
    assert_int_equal(dup2(kept, STDOUT_FILENO), STDOUT_FILENO);
    (void)close(kept);
    assert_string_equal(rig_bodies(&rig), "a ");
    assert_int_equal(rig.sink->numbers[SINK_SOURCES_OPEN], 0);
    expect_lost(0);
}

/* ---- few descriptors ---- */

static void who_cannot_be_opened_keeps_none_waiting_that_hold_the_descriptors(void **unused)
{
    struct err err;

    (void)unused;
    begin_with("a\n");
    ((struct tail *)rig.state)->max_open = 1;
    rig_rotate(&rig);
    rig_append(&rig, "app.log", "b\n");
    rig_expect(&rig, "a b ");
    rig_append(&rig, "app.log", "c\n");
    rig_rotate(&rig);
    rig_append(&rig, "app.log", "d\n");
    assert_true(input_tail.change(rig.state, &rig.config, &rig.host, &err)); /* looks at all */
    rig_expect(&rig, "a b c d ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_not_settled_of_a_finished_file_is_read_again),
        TEST(what_was_not_settled_of_a_file_that_is_gone_is_counted),
        TEST(a_full_table_forgets_no_file_that_is_not_settled),
        TEST(a_file_that_is_gone_for_a_day_is_kept_until_it_is_settled),
        TEST(what_is_missed_may_take_the_place_of_the_last_that_is_known),
        TEST(a_file_that_is_moved_to_another_folder_while_down_is_read_on),
        TEST(a_file_whose_folder_is_renamed_is_read_on_also_after_a_rest),
        TEST(of_a_file_with_two_names_the_other_one_does_too),
        TEST(what_exclude_leaves_out_after_a_reload_is_not_read_on),
        TEST(what_paths_do_not_name_any_more_is_not_read_on_after_a_restart),
        TEST(our_own_output_is_not_read_on_when_it_is_switched_off),
        TEST(who_cannot_be_opened_keeps_none_waiting_that_hold_the_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
