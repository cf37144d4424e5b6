/* SPDX-License-Identifier: Apache-2.0 */
/* tail: what it says of its files, to people who ask. */
#include "tail_scene.h"

enum { TOLD_MAX = 16 };

/* A copy of what was told: texts of literals, and the name. */
static struct told {
    struct source_account accounts[TOLD_MAX];
    char names[TOLD_MAX][PATH_MAX];
    size_t count;
} told;

static void note(void *context, const struct source_account *account)
{
    struct told *to = context;
    assert_true(to->count < TOLD_MAX);
    to->accounts[to->count] = *account;
    (void)snprintf(to->names[to->count++], PATH_MAX, "%s", account->name);
}

static const struct source_account *ask(const char *name)
{
    told.count = 0;
    input_tail.sources(rig.state, note, &told);
    for (size_t i = 0; i < told.count; i++) {
        if (strcmp(told.names[i], rig_path(&rig, name)) == 0)
            return &told.accounts[i];
    }
    return NULL;
}

static void a_file_is_told_with_its_identity_and_how_far_it_is_read(void **unused)
{
    struct stat info;
    int64_t before_ns = clock_real_ns() - NS_PER_S;
    (void)unused;
    begin_with("a\nbb\n");
    assert_int_equal(stat(rig_path(&rig, "app.log"), &info), 0);
    const struct source_account *account = ask("app.log");
    assert_non_null(account);
    assert_string_equal(account->state, "it is followed");
    assert_true(account->is_followed && account->is_watched && account->is_at_end);
    assert_int_equal(account->inode, info.st_ino);
    assert_int_equal(account->size, 5);
    assert_int_equal(account->offset, 5);
    assert_int_equal(account->settled, 0);
    assert_int_equal(account->fingerprint_bytes, 5);
    assert_true(account->read_ns > before_ns && account->end_ns >= account->read_ns);
    assert_null(account->error);
    rig_settle_all(&rig);
    assert_int_equal(ask("app.log")->settled, 5);
    assert_null(ask("other.log"));
}

static void an_unfinished_line_is_behind_the_offset_at_the_end(void **unused)
{
    (void)unused;
    begin_with("a\nunfinished");
    const struct source_account *account = ask("app.log");
    assert_int_equal(account->offset, 2);
    assert_int_equal(account->size, 12);
    assert_true(account->is_at_end);
}

static void a_file_of_which_nothing_was_read_yet_waits_for_its_turn(void **unused)
{
    (void)unused;
    rig_append(&rig, "app.log", "a\n");
    rig_open(&rig);
    rig.sink->stopping = true;
    (void)fake_sink_collect(rig.sink, &input_tail, rig.state);
    const struct source_account *account = ask("app.log");
    assert_string_equal(account->state, "it waits for its turn");
    assert_int_equal(account->offset, 0);
    assert_int_equal(account->read_ns, 0);
}

static void a_file_that_cannot_be_opened_says_why(void **unused)
{
    (void)unused;
    rig_append(&rig, "app.log", "a\n");
    assert_int_equal(chmod(rig.folder, 0755), 0);
    assert_int_equal(chmod(rig_path(&rig, "app.log"), 0), 0);
    rig_open(&rig);
    uid_t own = geteuid();
    if (own == 0) /* it may read everything */
        assert_int_equal(seteuid(65534), 0);
    rig_drain(&rig);
    assert_int_equal(seteuid(own), 0);
    const struct source_account *account = ask("app.log");
    assert_false(account->is_followed);
    assert_string_equal(account->error, "file cannot be opened");
    assert_string_equal(account->error_why, strerror(EACCES));
    assert_true(account->error_ns != 0);
}

static void a_file_that_left_its_path_is_followed_for_a_while(void **unused)
{
    (void)unused;
    begin_with("a\n");
    rig_rename(&rig, "app.log", "gone");
    rig_drain(&rig);
    assert_string_equal(ask("app.log")->state,
                        "it has left its path, and is followed until rotate_wait is over");
    assert_true(ask("app.log")->is_followed);
}

static void a_file_that_is_gone_is_told_until_it_is_forgotten(void **unused)
{
    (void)unused;
    rig.config.rotate_wait = 0;
    begin_with("a\n");
    rig_unlink(&rig, "app.log");
    for (int i = 0; i < 1000 && ask("app.log")->is_followed; i++)
        rig_drain(&rig);
    assert_string_equal(ask("app.log")->state, "it is gone, and was read to its end");
    assert_false(ask("app.log")->is_followed);
    assert_int_equal(ask("app.log")->offset, 2);
}

static void a_checkpoint_is_recalled_without_an_instance(void **unused)
{
    struct stat info;
    (void)unused;
    begin_with("a\nbb\n");
    rig_settle_all(&rig);
    rig_save(&rig);
    assert_int_equal(stat(rig_path(&rig, "app.log"), &info), 0);
    told.count = 0;
    assert_true(input_tail.recall(buf_slice(&rig.checkpoint), note, &told));
    assert_int_equal(told.count, 1);
    assert_string_equal(told.names[0], rig_path(&rig, "app.log"));
    assert_int_equal(told.accounts[0].inode, info.st_ino);
    assert_int_equal(told.accounts[0].offset, 5);
    assert_int_equal(told.accounts[0].settled, 5);
    assert_int_equal(told.accounts[0].fingerprint_bytes, 5);
    assert_false(input_tail.recall(SLICE("spillway-tail 2 5\n"), note, &told));
    assert_false(input_tail.recall(SLICE("spillway-tail 1 5\n1 2\n"), note, &told));
    assert_false(input_tail.recall(SLICE(""), note, &told));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_file_is_told_with_its_identity_and_how_far_it_is_read),
        TEST(an_unfinished_line_is_behind_the_offset_at_the_end),
        TEST(a_file_of_which_nothing_was_read_yet_waits_for_its_turn),
        TEST(a_file_that_cannot_be_opened_says_why),
        TEST(a_file_that_left_its_path_is_followed_for_a_while),
        TEST(a_file_that_is_gone_is_told_until_it_is_forgotten),
        TEST(a_checkpoint_is_recalled_without_an_instance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
