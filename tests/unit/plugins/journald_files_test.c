/* SPDX-License-Identifier: Apache-2.0 */
#include "inputs/journald/files.h"

#include "fake_sink.h"
#include "folder.h"
#include "test.h"

#include <sys/stat.h>

#define MACHINE "0123456789abcdef0123456789abcdef"
enum { NOBODY = 65534, LATER_S = 10 };

struct fixture {
    char folder[64];
    struct journald_config config;
    struct journal_files files;
    struct sink *sink;
};

static int setup(void **statep)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    (void)snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/spillway_journal_XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    assert_int_equal(chmod(fixture->folder, 0755), 0);
    fixture->config = (struct journald_config){ .directory = fixture->folder, .root_path = "" };
    fixture->sink = fake_sink_new();
    *statep = fixture;
    return 0;
}

static int teardown(void **statep)
{
    struct fixture *fixture = *statep;

    fake_sink_free(&fixture->sink);
    (void)folder_remove(fixture->folder);
    free(fixture);
    return 0;
}

static void put(const struct fixture *fixture, const char *name, const char *text)
{
    char path[256];

    (void)snprintf(path, sizeof(path), "%s/%s", fixture->folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void put_folder(const struct fixture *fixture, const char *name)
{
    char path[256];

    (void)snprintf(path, sizeof(path), "%s/%s", fixture->folder, name);
    assert_int_equal(mkdir(path, 0755), 0);
}

/* So many seconds after now, when files that are made now are not young any more. */
static void look(struct fixture *fixture, int64_t after_s)
{
    fake_sink_clear(fixture->sink);
    journal_files_look(&fixture->files, &fixture->config, clock_real_ns() / NS_PER_S + after_s,
                       fixture->sink);
}

static uint64_t unreadable(const struct fixture *fixture)
{
    return fixture->sink->numbers[SINK_JOURNAL_FILES_UNREADABLE];
}

static void a_file_that_stays_damaged_is_told_once_with_its_path(void **statep)
{
    struct fixture *fixture = *statep;
    char path[256];

    put(fixture, "system.journal", "this is no journal");
    look(fixture, 0);
    assert_int_equal(unreadable(fixture), 1);
    assert_int_equal(fixture->sink->tell_count, 0); /* it may be in the making */
    look(fixture, LATER_S);
    assert_int_equal(fixture->sink->tell_count, 1);
    (void)snprintf(path, sizeof(path), "%s/system.journal", fixture->folder);
    assert_string_equal(fixture->sink->tells[0].what, path);
    assert_string_equal(fixture->sink->tells[0].why, "it is damaged");
    assert_int_equal(fixture->sink->tells[0].level, LOG_WARN);
    look(fixture, 2 * LATER_S);
    assert_int_equal(fixture->sink->tell_count, 0);
    assert_int_equal(unreadable(fixture), 1);
    assert_int_equal(unlink(path), 0);
    look(fixture, 3 * LATER_S);
    assert_int_equal(unreadable(fixture), 0);
    assert_int_equal(fixture->files.refused, 0);
}

static void only_what_is_of_the_journal_is_looked_at(void **statep)
{
    static const char *const names[] = { "a.journal",       "b.journal~",
                                         "c.journal.gz",    ".d.journal",
                                         "journal",         MACHINE "/e.journal",
                                         "notes/f.journal", MACHINE "/deep/g.journal" };
    struct fixture *fixture = *statep;

    put_folder(fixture, MACHINE);
    put_folder(fixture, "notes");
    put_folder(fixture, MACHINE "/deep");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        put(fixture, names[i], "");
    look(fixture, LATER_S);
    assert_int_equal(unreadable(fixture), 3);
    assert_int_equal(fixture->sink->tell_count, 3);
}

static void as_nobody(uid_t user)
{
    assert_int_equal(seteuid(user), 0);
}

static void a_file_or_folder_that_may_not_be_read_is_told_until_it_may(void **statep)
{
    struct fixture *fixture = *statep;
    char path[256];

    if (geteuid() != 0)
        skip();
    put_folder(fixture, MACHINE);
    (void)snprintf(path, sizeof(path), "%s/" MACHINE, fixture->folder);
    assert_int_equal(chmod(path, 0700), 0);
    put(fixture, "a.journal", "");
    (void)snprintf(path, sizeof(path), "%s/a.journal", fixture->folder);
    assert_int_equal(chmod(path, 0600), 0);
    as_nobody(NOBODY);
    look(fixture, LATER_S);
    as_nobody(0);
    assert_int_equal(unreadable(fixture), 2);
    assert_int_equal(fixture->files.refused, 2);
    assert_true(fake_sink_told(fixture->sink, "Permission denied"));
    assert_int_equal(chmod(path, 0644), 0);
    as_nobody(NOBODY);
    look(fixture, LATER_S);
    as_nobody(0);
    assert_int_equal(fixture->files.refused, 1); /* the other is damaged now */
    assert_int_equal(fixture->sink->tell_count, 0);
}

static void many_are_counted_and_few_are_told_one_by_one(void **statep)
{
    struct fixture *fixture = *statep;
    char name[64];

    for (int i = 0; i < JOURNAL_BAD_KEPT + 20; i++) {
        (void)snprintf(name, sizeof(name), "%d.journal", i);
        put(fixture, name, "");
    }
    look(fixture, LATER_S);
    assert_int_equal(unreadable(fixture), JOURNAL_BAD_KEPT + 20);
    assert_int_equal(fixture->sink->tell_count, 4 + 1);
    assert_true(fake_sink_told(fixture->sink, "there are 80 more"));
    look(fixture, 2 * LATER_S);
    assert_int_equal(unreadable(fixture), JOURNAL_BAD_KEPT + 20);
    assert_int_equal(fixture->sink->tell_count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_file_that_stays_damaged_is_told_once_with_its_path),
        TEST(only_what_is_of_the_journal_is_looked_at),
        TEST(a_file_or_folder_that_may_not_be_read_is_told_until_it_may),
        TEST(many_are_counted_and_few_are_told_one_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
