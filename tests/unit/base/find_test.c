/* SPDX-License-Identifier: Apache-2.0 */
#include "folder.h"
#include "test.h"

#include "base/find.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAMES = 64 };

static char top[64];
static struct heard {
    char files[NAMES][256], folders[NAMES][256];
    size_t file_count, folder_count;
    const char *closed; /* is not to be looked into */
    unsigned left_out[FIND_NO_MEMORY + 1];
    char last_left_out[256];
    int error;
} heard;

static const char *below_top(const char *path)
{
    size_t bytes = strlen(top);
    return strncmp(path, top, bytes) == 0 && path[bytes] == '/' ? path + bytes + 1 : path;
}

static void hear_file(void *context, const char *path)
{
    (void)context;
    assert_in_range(heard.file_count, 0, NAMES - 1);
    strcpy(heard.files[heard.file_count++], below_top(path));
}

static bool hear_folder(void *context, const char *path)
{
    (void)context;
    assert_in_range(heard.folder_count, 0, NAMES - 1);
    strcpy(heard.folders[heard.folder_count++], strcmp(path, top) == 0 ? "." : below_top(path));
    return heard.closed == NULL || strcmp(heard.closed, below_top(path)) != 0;
}

static void hear_left_out(void *context, enum find_trouble trouble, const char *folder, int error)
{
    (void)context;
    heard.left_out[trouble]++;
    (void)snprintf(heard.last_left_out, sizeof(heard.last_left_out), "%s", below_top(folder));
    heard.error = error;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

static const char *all_of(char names[NAMES][256], size_t count)
{
    static char all[4096];

    qsort(names, count, sizeof(names[0]), by_name);
    all[0] = '\0';
    for (size_t i = 0; i < count; i++)
        strcat(strcat(all, names[i]), " ");
    return all;
}

static void find_most(const char *pattern, size_t folders_max)
{
    char whole[512];
    struct find find = { .file = hear_file,
                         .folder = hear_folder,
                         .left_out = hear_left_out,
                         .folders_max = folders_max };

    heard = (struct heard){ .closed = heard.closed };
    (void)snprintf(whole, sizeof(whole), "%s/%s", top, pattern);
    find_all(&find, whole);
}

static void expect(const char *pattern, const char *files)
{
    find_most(pattern, NAMES);
    const char *got = all_of(heard.files, heard.file_count);
    if (strcmp(got, files) != 0)
        fail_msg("%s finds %s and not %s", pattern, got, files);
}

static void expect_folders(const char *folders)
{
    assert_string_equal(all_of(heard.folders, heard.folder_count), folders);
}

static const char *at(const char *name)
{
    static char paths[2][512];
    static unsigned next;
    char *path = paths[next++ % 2];
    (void)snprintf(path, sizeof(paths[0]), "%s/%s", top, name);
    return path;
}

static void make_folder(const char *name)
{
    assert_int_equal(mkdir(at(name), 0755), 0);
}

static void make_file(const char *name)
{
    int fd = open(at(name), O_WRONLY | O_CREAT, 0644);
    assert_true(fd >= 0);
    (void)close(fd);
}

static int begin(void **unused)
{
    (void)unused;
    strcpy(top, "/tmp/spillway-find-XXXXXX");
    heard.closed = NULL;
    assert_non_null(mkdtemp(top));
    assert_int_equal(chmod(top, 0755), 0);
    static const char *const folders[] = { "a", "a/b", "a/b/c", "x", ".h" };
    static const char *const files[] = { "1.log",   "a/2.log",  "a/b/3.log", "a/b/c/4.log",
                                         "x/5.txt", ".h/6.log", "a/.7.log" };
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
        make_folder(folders[i]);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        make_file(files[i]);
    return 0;
}

static int end(void **unused)
{
    (void)unused;
    assert_int_equal(folder_remove(top), 0);
    return 0;
}

static void names_are_found_level_by_level(void **unused)
{
    (void)unused;
    expect("*.log", "1.log ");
    expect_folders(". ");
    expect("*/*.log", "a/2.log ");
    expect_folders(". a x ");
    expect("a/b/3.log", "a/b/3.log ");
    expect_folders("a/b ");
    expect("*/b/3.log", "a/b/3.log "); /* a folder of a plain name is asked for, not looked for */
    expect_folders(". a a/b x ");
    expect("{a,x}/*", "a/2.log x/5.txt ");
    expect("nothing", "");
    expect("a/b", "");
}

static void two_stars_go_down_and_leave_hidden_folders_out(void **unused)
{
    (void)unused;
    expect("**/*.log", "1.log a/2.log a/b/3.log a/b/c/4.log ");
    expect_folders(". a a/b a/b/c x ");
    expect("a/**/*.log", "a/2.log a/b/3.log a/b/c/4.log ");
    expect_folders("a a/b a/b/c "); /* nothing beside the plain part */
    expect("a/**/c/*", "a/b/c/4.log ");
    expect("**", "1.log a/2.log a/b/3.log a/b/c/4.log x/5.txt ");
    expect("**/.h/*", ".h/6.log ");
    expect("**/.*.log", "a/.7.log ");
    expect("**/b/**/4.log", "a/b/c/4.log ");
}

static void a_folder_that_is_closed_by_the_caller_is_not_looked_into(void **unused)
{
    (void)unused;
    heard.closed = "a/b";
    expect("**/*.log", "1.log a/2.log ");
}

static void links_are_followed_where_they_are_named_and_by_no_two_stars(void **unused)
{
    (void)unused;
    assert_int_equal(symlink("..", at("a/b/up")), 0);
    assert_int_equal(symlink("1.log", at("link.log")), 0);
    assert_int_equal(symlink("missing", at("dangling.log")), 0);
    expect("**/4.log", "a/b/c/4.log ");
    expect("a/b/*/*.log", "a/b/c/4.log a/b/up/2.log ");
    expect("**/up/*.log", "a/b/up/2.log ");
    expect("**/up/**/c/*.log", "a/b/up/b/c/4.log ");
    expect("*.log", "1.log dangling.log link.log ");
    for (unsigned i = 0; i < FIND_NO_MEMORY; i++)
        assert_int_equal(heard.left_out[i], 0);
}

static void what_is_missing_is_waited_for_in_the_nearest_folder_above(void **unused)
{
    (void)unused;
    expect("a/none/below/*.log", "");
    expect_folders("a ");
    expect("none/**/*.log", "");
    expect_folders(". ");
}

static void folders_over_a_bound_are_left_out_the_deepest_first(void **unused)
{
    (void)unused;
    find_most("**/*.log", 3);
    assert_string_equal(all_of(heard.files, heard.file_count), "1.log a/2.log ");
    assert_int_equal(heard.left_out[FIND_TOO_MANY], 1);
    assert_string_equal(heard.last_left_out, "a/b");
}

static void what_is_too_deep_is_left_out_and_told(void **unused)
{
    char deep[256] = "d";
    (void)unused;

    make_folder(deep);
    for (int i = 0; i < FIND_DEPTH_MAX; i++) {
        make_file(strcat(deep, "/f"));
        deep[strlen(deep) - 1] = 'd';
        make_folder(deep);
    }
    find_most("**/f", NAMES);
    assert_int_equal(heard.file_count, FIND_DEPTH_MAX);
    assert_int_equal(heard.left_out[FIND_TOO_DEEP], 1);
    assert_string_equal(heard.last_left_out, deep);
}

static void a_folder_that_may_not_be_listed_is_told_and_waited_for_above(void **unused)
{
    bool is_root = geteuid() == 0;
    (void)unused;

    assert_int_equal(chmod(at("a/b"), 0711), 0);
    if (is_root)
        assert_int_equal(seteuid(65534), 0);
    expect("**/*.log", is_root ? "1.log a/2.log " : "1.log a/2.log a/b/3.log a/b/c/4.log ");
    assert_int_equal(heard.left_out[FIND_REFUSED], is_root);
    find_most("a/b/*.log", NAMES);
    if (is_root) {
        assert_string_equal(heard.last_left_out, "a/b");
        assert_int_equal(heard.error, EACCES);
        expect_folders("a a/b ");
        assert_int_equal(seteuid(0), 0);
    }
}

static void a_file_system_that_the_kernel_makes_up_is_left_out(void **unused)
{
    (void)unused;
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("proc", at("x"), "proc", 0, NULL) != 0)
        skip();
    expect("**/5*", "");
    expect("**/meminfo", "");
    expect("x/**/meminfo", "x/meminfo ");
    assert_int_equal(umount(at("x")), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(names_are_found_level_by_level),
        TEST(two_stars_go_down_and_leave_hidden_folders_out),
        TEST(a_folder_that_is_closed_by_the_caller_is_not_looked_into),
        TEST(links_are_followed_where_they_are_named_and_by_no_two_stars),
        TEST(what_is_missing_is_waited_for_in_the_nearest_folder_above),
        TEST(folders_over_a_bound_are_left_out_the_deepest_first),
        TEST(what_is_too_deep_is_left_out_and_told),
        TEST(a_folder_that_may_not_be_listed_is_told_and_waited_for_above),
        TEST(a_file_system_that_the_kernel_makes_up_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
