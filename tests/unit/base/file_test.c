/* SPDX-License-Identifier: Apache-2.0 */
/* file: in a folder of its own, which is removed at the end. */
#include "test.h"

#include "base/file.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64];
static char path[128], previous[160], tmp[160];

static int make_folder(void **unused)
{
    (void)unused;
    (void)snprintf(folder, sizeof(folder), "/tmp/spillway-file-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    (void)snprintf(path, sizeof(path), "%s/state", folder);
    (void)snprintf(previous, sizeof(previous), "%s.previous", path);
    (void)snprintf(tmp, sizeof(tmp), "%s.tmp", path);
    return 0;
}

static int remove_folder(void **unused)
{
    (void)unused;
    (void)unlink(path);
    (void)unlink(previous);
    (void)unlink(tmp);
    return rmdir(folder);
}

static void check_content(const char *name, const char *wanted)
{
    struct buf got = { .limit = 1 << 20 };
    struct err err;

    assert_true(file_read(name, &got, &err));
    assert_string_equal(buf_slice(&got).data, wanted);
    buf_fini(&got);
}

static void replace(const char *content, bool keep_previous)
{
    struct err err = { "" };
    if (!file_replace(path, slice_of(content), keep_previous, &err))
        fail_msg("%s", err.text);
}

static void another_owner_or_mode_is_a_change_too(void **unused)
{
    (void)unused;
    struct file_mark mark = { .device = 0 };

    replace("text", false);
    assert_true(file_mark_look(&mark, path));
    assert_false(file_mark_look(&mark, path));
    do { /* until the clock of files has gone on */
        assert_int_equal(chmod(path, 0640), 0);
    } while (!file_mark_look(&mark, path));
    assert_int_equal(unlink(path), 0);
    assert_true(file_mark_look(&mark, path));
    assert_false(file_mark_look(&mark, path));
}

static void a_file_that_is_not_there_is_an_error_with_its_name(void **unused)
{
    (void)unused;
    struct buf got = { 0 };
    struct err err;

    assert_false(file_read(path, &got, &err));
    assert_non_null(strstr(err.text, path));
    assert_non_null(strstr(err.text, "No such file"));
    assert_false(file_read(folder, &got, &err)); /* a folder opens, but cannot be read */
    assert_non_null(strstr(err.text, "directory"));
}

static void a_file_over_the_limit_is_an_error_and_one_at_the_limit_is_not(void **unused)
{
    (void)unused;
    struct buf got = { .limit = 9 };
    struct err err;

    replace("ten bytes!", false);
    assert_false(file_read(path, &got, &err));
    assert_non_null(strstr(err.text, "larger than 9 bytes"));
    buf_fini(&got);
    got.limit = 10;
    assert_true(file_read(path, &got, &err));
    assert_string_equal(got.data, "ten bytes!");
    buf_fini(&got);
}

static void what_is_read_is_appended(void **unused)
{
    (void)unused;
    struct buf got = { 0 };
    struct err err;

    replace("second", false);
    assert_true(buf_add_text(&got, "first, "));
    assert_true(file_read(path, &got, &err));
    assert_string_equal(got.data, "first, second");
    buf_fini(&got);
}

static void a_replaced_file_leaves_no_temporary_one(void **unused)
{
    (void)unused;
    struct stat info;

    replace("one", false);
    replace("two", false);
    check_content(path, "two");
    assert_int_not_equal(stat(tmp, &info), 0);
    assert_int_not_equal(stat(previous, &info), 0);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
}

static void the_previous_copy_is_the_one_before(void **unused)
{
    (void)unused;
    struct stat info;

    replace("one", true);
    assert_int_not_equal(stat(previous, &info), 0); /* there was none */
    replace("two", true);
    check_content(path, "two");
    check_content(previous, "one");
    replace("three", true);
    check_content(path, "three");
    check_content(previous, "two");
}

/* In a child, because the limit on the size of files would hold for the test's own output too. */
static void a_write_that_fails_leaves_the_old_file_and_no_half_one(void **unused)
{
    (void)unused;
    static char large[100000];
    struct stat info;
    int status;

    memset(large, 'x', sizeof(large));
    replace("old", false);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit limit = { 1000, 1000 };
        struct err err = { "" };
        (void)signal(SIGXFSZ, SIG_IGN);
        (void)setrlimit(RLIMIT_FSIZE, &limit);
        bool done = file_replace(path, (struct slice){ large, sizeof(large) }, true, &err);
        _exit(!done && strstr(err.text, "cannot write") != NULL ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    check_content(path, "old");
    assert_int_not_equal(stat(tmp, &info), 0);
}

static void a_folder_that_is_not_there_is_an_error(void **unused)
{
    (void)unused;
    char missing[128];
    struct err err;

    (void)snprintf(missing, sizeof(missing), "%s/no/state", folder);
    assert_false(file_replace(missing, SLICE("x"), false, &err));
    assert_non_null(strstr(err.text, missing));
}

static void a_path_that_is_too_long_is_an_error_and_not_cut(void **unused)
{
    (void)unused;
    char name[PATH_MAX + 10];
    struct err err;

    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    name[0] = '/';
    assert_false(file_replace(name, SLICE("x"), false, &err));
    assert_false(file_make_dirs(name, 0700, &err));
    assert_false(file_make_dirs("", 0700, &err));
}

/* A child replaces without pause; whoever reads sees one whole content or the other. */
static void a_reader_never_sees_half_a_file(void **unused)
{
    (void)unused;
    enum { CONTENT_BYTES = 50000, ROUNDS = 100 };
    static char content[CONTENT_BYTES];
    struct err err;
    int status = 0;

    memset(content, 'a', sizeof(content));
    assert_true(file_replace(path, (struct slice){ content, sizeof(content) }, true, &err));
    pid_t child = fork();
    assert_true(child >= 0);
    for (int i = 0; child == 0 && i < ROUNDS; i++) {
        memset(content, 'a' + i % 26, sizeof(content));
        if (!file_replace(path, (struct slice){ content, sizeof(content) }, true, &err))
            _exit(1);
    }
    if (child == 0)
        _exit(0);
    while (waitpid(child, &status, WNOHANG) == 0) {
        struct buf got = { 0 };
        assert_true(file_read(path, &got, &err));
        assert_int_equal(got.bytes, CONTENT_BYTES);
        assert_int_equal(memcmp(got.data, got.data + 1, CONTENT_BYTES - 1), 0);
        buf_fini(&got);
    }
    assert_int_equal(status, 0);
}

static void folders_are_made_with_their_parents_and_may_be_there_already(void **unused)
{
    (void)unused;
    char deep[128], parent[128];
    struct stat info;
    struct err err;

    (void)snprintf(parent, sizeof(parent), "%s/a", folder);
    (void)snprintf(deep, sizeof(deep), "%s/a/b/", folder);
    assert_true(file_make_dirs(deep, 0700, &err));
    assert_true(file_make_dirs(deep, 0700, &err));
    assert_int_equal(stat(deep, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    assert_int_equal(rmdir(deep), 0);
    assert_int_equal(rmdir(parent), 0);
}

static void a_file_where_a_folder_should_be_is_an_error(void **unused)
{
    (void)unused;
    char below[160];
    struct err err;

    replace("x", false);
    assert_false(file_make_dirs(path, 0700, &err));
    (void)snprintf(below, sizeof(below), "%s/a", path);
    assert_false(file_make_dirs(below, 0700, &err));
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(another_owner_or_mode_is_a_change_too),
        IN_FOLDER(a_file_that_is_not_there_is_an_error_with_its_name),
        IN_FOLDER(a_file_over_the_limit_is_an_error_and_one_at_the_limit_is_not),
        IN_FOLDER(what_is_read_is_appended),
        IN_FOLDER(a_replaced_file_leaves_no_temporary_one),
        IN_FOLDER(the_previous_copy_is_the_one_before),
        IN_FOLDER(a_write_that_fails_leaves_the_old_file_and_no_half_one),
        IN_FOLDER(a_folder_that_is_not_there_is_an_error),
        IN_FOLDER(a_path_that_is_too_long_is_an_error_and_not_cut),
        IN_FOLDER(a_reader_never_sees_half_a_file),
        IN_FOLDER(folders_are_made_with_their_parents_and_may_be_there_already),
        IN_FOLDER(a_file_where_a_folder_should_be_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
