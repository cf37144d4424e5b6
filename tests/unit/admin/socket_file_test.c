/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "admin/socket_file.h"
#include "folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void it_is_ours_alone_and_goes_with_us(void **context)
{
    struct socket_file file;
    struct err err = { "" };
    struct stat info;

    if (!socket_file_open(&file, *context, *context, 4, &err))
        fail_msg("%s", err.text);
    assert_int_equal(stat(file.path, &info), 0);
    assert_true(S_ISSOCK(info.st_mode));
    assert_int_equal(info.st_mode & 0777, 0600);
    char path[PATH_MAX];
    memcpy(path, file.path, sizeof(path));
    socket_file_close(&file);
    assert_int_equal(stat(path, &info), -1);
}

static void that_of_an_agent_that_runs_is_never_taken(void **context)
{
    struct socket_file file, other;
    struct err err = { "" };
    struct stat before, after;

    assert_true(socket_file_open(&file, *context, *context, 4, &err));
    assert_int_equal(stat(file.path, &before), 0);
    assert_false(socket_file_open(&other, *context, *context, 4, &err));
    assert_non_null(strstr(err.text, "agent that runs"));
    socket_file_close(&other);
    assert_int_equal(stat(file.path, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    socket_file_close(&file);
}

static void that_of_a_dead_agent_is_replaced(void **context)
{
    struct socket_file dead, file;
    struct err err = { "" };

    assert_true(socket_file_open(&dead, *context, *context, 4, &err));
    (void)close(dead.fd); /* as the kernel does, which removes no name */
    (void)close(dead.lock_fd);
    assert_int_equal(access(dead.path, F_OK), 0);
    if (!socket_file_open(&file, *context, *context, 4, &err))
        fail_msg("%s", err.text);
    assert_string_equal(file.path, dead.path);
    socket_file_close(&file);
}

static void what_is_no_socket_is_left_alone(void **context)
{
    struct socket_file file;
    struct err err = { "" };
    char path[PATH_MAX];

    assert_true(socket_file_path(*context, *context, path));
    FILE *foreign = fopen(path, "w");
    assert_non_null(foreign);
    (void)fclose(foreign);
    assert_false(socket_file_open(&file, *context, *context, 4, &err));
    assert_non_null(strstr(err.text, "is no socket"));
    assert_int_equal(access(path, F_OK), 0);
}

static void a_long_path_has_room(void **context)
{
    struct socket_file file;
    struct err err = { "" };
    char folder[PATH_MAX];

    (void)snprintf(folder, sizeof(folder), "%s/%0120d", (const char *)*context, 0);
    if (!socket_file_open(&file, folder, *context, 4, &err))
        fail_msg("%s", err.text);
    assert_true(strlen(file.path) > 120);
    socket_file_close(&file);
}

static void a_folder_that_cannot_be_made_is_told(void **context)
{
    struct socket_file file;
    struct err err = { "" };

    assert_false(socket_file_open(&file, "/proc/no-such-folder", *context, 4, &err));
    assert_non_null(strstr(err.text, "/proc"));
    assert_string_equal(file.path, "");
}

static int make_folder(void **context)
{
    static char folder[] = "/tmp/socket_file_test.XXXXXX";

    (void)strcpy(folder + sizeof(folder) - 7, "XXXXXX");
    *context = mkdtemp(folder);
    return *context == NULL ? -1 : 0;
}

static int remove_folder(void **context)
{
    return folder_remove(*context);
}

int main(void)
{
#define SOCKET_TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        SOCKET_TEST(it_is_ours_alone_and_goes_with_us),
        SOCKET_TEST(that_of_an_agent_that_runs_is_never_taken),
        SOCKET_TEST(that_of_a_dead_agent_is_replaced),
        SOCKET_TEST(what_is_no_socket_is_left_alone),
        SOCKET_TEST(a_long_path_has_room),
        SOCKET_TEST(a_folder_that_cannot_be_made_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
