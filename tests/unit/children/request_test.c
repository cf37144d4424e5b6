/* SPDX-License-Identifier: Apache-2.0 */
#include "children/request.h"

#include "base/random.h"
#include "children/program.h"
#include "folder.h"
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static const char *const words[] = { "sh", "-c", "", "a b\nc" };
static struct text_pair variables[] = { { "NAME", "value=1" }, { "HOME", "/elsewhere" } };
static const struct command_line command = { { (const char **)(uintptr_t)words, 4 },
                                             { variables, 2 },
                                             "/tmp" };

static void a_command_comes_back_as_it_was_with_its_environment_alone(void **unused)
{
    struct buf bytes = { 0 };
    struct request *request = malloc(sizeof(*request));
    struct err err;

    (void)unused;
    (void)setenv("HOME", "/home", 1);
    (void)setenv("LANG", "C", 1);
    (void)setenv("API_TOKEN", "secret", 1);
    assert_true(request_pack(&command, &bytes, &err));
    assert_true(request_unpack(bytes.data, bytes.bytes, request));
    assert_string_equal(request->folder, "/tmp");
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(request->words[i], words[i]);
    assert_null(request->words[4]);
    assert_string_equal(program_variable(request->environment, "NAME"), "value=1");
    assert_string_equal(program_variable(request->environment, "HOME"), "/elsewhere");
    assert_string_equal(program_variable(request->environment, "LANG"), "C");
    assert_null(program_variable(request->environment, "API_TOKEN"));
    assert_null(program_variable(request->environment, "NAM"));
    buf_fini(&bytes);
    free(request);
}

static void what_is_no_request_is_none(void **unused)
{
    struct buf bytes = { 0 };
    struct request *request = malloc(sizeof(*request));
    struct random random = random_make(7);
    struct err err;

    (void)unused;
    assert_true(request_pack(&command, &bytes, &err));
    for (size_t cut = 0; cut < bytes.bytes; cut++) {
        char *copy = malloc(cut + 1); /* of that size, so that ASan sees each byte too many */
        memcpy(copy, bytes.data, cut);
        assert_false(request_unpack(copy, cut, request));
        free(copy);
    }
    for (unsigned round = 0; round < 20000; round++) {
        char *copy = malloc(bytes.bytes);
        memcpy(copy, bytes.data, bytes.bytes);
        for (unsigned i = 0; i < 3; i++)
            copy[random_below(&random, bytes.bytes)] = (char)random_below(&random, 256);
        (void)request_unpack(copy, bytes.bytes, request);
        free(copy);
    }
    buf_fini(&bytes);
    free(request);
}

static void what_is_too_long_for_a_message_is_refused(void **unused)
{
    struct command_line large = command;
    struct buf bytes = { 0 };
    struct err err;
    char *value = malloc(REQUEST_BYTES + 1);

    (void)unused;
    memset(value, 'x', REQUEST_BYTES);
    value[REQUEST_BYTES] = '\0';
    struct text_pair variable = { "LONG", value };
    large.environment = (struct text_map){ &variable, 1 };
    assert_false(request_pack(&large, &bytes, &err));
    assert_non_null(strstr(err.text, "64 KiB"));
    buf_fini(&bytes);
    free(value);
}

static void a_program_is_found_as_a_shell_finds_it(void **unused)
{
    char folder[] = "/tmp/spillway-program-XXXXXX";
    char path[PATH_MAX], search[2 * PATH_MAX], found[PATH_MAX];
    int error = 0;

    (void)unused;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/tool", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fclose(file);
    (void)snprintf(search, sizeof(search), "/no/such::%s:/bin", folder);
    assert_false(program_find("tool", search, found, &error));
    assert_int_equal(error, EACCES);
    assert_int_equal(chmod(path, 0755), 0);
    assert_true(program_find("tool", search, found, &error));
    assert_string_equal(found, path);
    assert_true(program_find("sh", search, found, &error));
    assert_string_equal(found, "/bin/sh");
    assert_true(program_find(path, "", found, &error));
    assert_false(program_find("tool", "/bin", found, &error));
    assert_int_equal(error, ENOENT);
    assert_false(program_find(folder, "", found, &error));
    assert_int_equal(error, EACCES); /* a folder is no program */
    assert_false(program_find("", search, found, &error));
    assert_int_equal(folder_remove(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_comes_back_as_it_was_with_its_environment_alone),
        cmocka_unit_test(what_is_no_request_is_none),
        cmocka_unit_test(what_is_too_long_for_a_message_is_refused),
        cmocka_unit_test(a_program_is_found_as_a_shell_finds_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
