/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "config/substitute.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *result_of(const char *text)
{
    static char result[256];
    struct buf to = { 0 };
    struct substituted substituted;
    struct err err = { "" };

    if (!substitute(text, &to, &substituted, &err))
        fail_msg("'%s' is refused: %s", text, err.text);
    (void)snprintf(result, sizeof(result), "%s", to.data);
    buf_fini(&to);
    return result;
}

static const char *error_of(const char *text, size_t *ret_offset)
{
    static struct err err;
    struct buf to = { 0 };
    struct substituted substituted;

    err.text[0] = '\0';
    if (substitute(text, &to, &substituted, &err))
        fail_msg("'%s' is taken", text);
    if (ret_offset != NULL)
        *ret_offset = substituted.offset;
    buf_fini(&to);
    return err.text;
}

static bool changes(const char *text)
{
    struct buf to = { 0 };
    struct substituted substituted;
    struct err err;

    assert_true(substitute(text, &to, &substituted, &err));
    buf_fini(&to);
    return substituted.is_changed;
}

static void an_undefined_variable_is_named_with_its_place(void **unused)
{
    (void)unused;
    size_t offset = 0;
    (void)unsetenv("SPILLWAY_NOT_SET");
    const char *text = error_of("http://${SPILLWAY_NOT_SET}/", &offset);
    assert_non_null(strstr(text, "the environment variable 'SPILLWAY_NOT_SET' is not set"));
    assert_int_equal(offset, 7);
}

static void what_is_no_substitution_is_refused(void **unused)
{
    (void)unused;
    static const char *const bad[] = {
        "${",     "${X",     "${}",      "${:-x}",           "${1X}",   "${X Y}",
        "${X-Y}", "${X:=Y}", "${file:}", "${file:relative}", "${env:X}"
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_true(error_of(bad[i], NULL)[0] != '\0');
    assert_non_null(strstr(error_of("a${X", NULL), "without a closing '}'"));
    assert_non_null(strstr(error_of("${X-Y}", NULL), "'${X-Y}' is not ${VAR}"));
}

static void a_file_that_cannot_be_a_value_is_refused(void **unused)
{
    (void)unused;
    char folder[] = "/tmp/substitute_test.XXXXXX", path[64], text[96];
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/pipe", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    (void)snprintf(text, sizeof(text), "${file:%s}", path);
    assert_non_null(strstr(error_of(text, NULL), "is not a regular file"));
    assert_int_equal(unlink(path), 0);
    assert_non_null(strstr(error_of(text, NULL), "No such file"));
    assert_non_null(strstr(error_of("${file:/dev/zero}", NULL), "is not a regular file"));
    assert_non_null(strstr(error_of("${file:/}", NULL), "is not a regular file"));
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(ftruncate(fd, 100), 0);
    assert_non_null(strstr(error_of(text, NULL), "NUL"));
    assert_int_equal(ftruncate(fd, 1 << 20), 0);
    assert_non_null(strstr(error_of(text, NULL), "is larger than 65536 bytes"));
    (void)close(fd);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void the_result_is_bounded(void **unused)
{
    (void)unused;
    struct buf text = { 0 };
    char value[1025];
    memset(value, 'v', 1024);
    value[1024] = '\0';
    (void)setenv("SPILLWAY_LONG", value, 1);
    for (int i = 0; i < 100; i++)
        (void)buf_add_text(&text, "${SPILLWAY_LONG}");
    const char *error = error_of(text.data, NULL);
    assert_non_null(strstr(error, "more than 65536 bytes after substitution"));
    assert_null(strstr(error, "vvv"));
    buf_fini(&text);
}

static void a_variable_is_replaced_and_its_content_is_not_looked_at(void **unused)
{
    (void)unused;
    (void)setenv("SPILLWAY_A", "x${SPILLWAY_A}$$", 1);
    assert_string_equal(result_of("<${SPILLWAY_A}>"), "<x${SPILLWAY_A}$$>");
    (void)setenv("SPILLWAY_EMPTY", "", 1);
    assert_string_equal(result_of("<${SPILLWAY_EMPTY}>"), "<>");
}

static void a_default_stands_in_for_unset_and_empty(void **unused)
{
    (void)unused;
    (void)unsetenv("SPILLWAY_NOT_SET");
    (void)setenv("SPILLWAY_EMPTY", "", 1);
    (void)setenv("SPILLWAY_B", "b", 1);
    assert_string_equal(result_of("${SPILLWAY_NOT_SET:-d:-e}"), "d:-e");
    assert_string_equal(result_of("${SPILLWAY_NOT_SET:-}"), "");
    assert_string_equal(result_of("${SPILLWAY_EMPTY:-d}"), "d");
    assert_string_equal(result_of("${SPILLWAY_B:-d}${SPILLWAY_B}"), "bb");
}

static void dollars_stay_where_they_mean_nothing(void **unused)
{
    (void)unused;
    assert_string_equal(result_of("^a$"), "^a$");
    assert_string_equal(result_of("$x $1 $"), "$x $1 $");
    assert_string_equal(result_of("$$"), "$");
    assert_string_equal(result_of("$${X}"), "${X}");
    assert_string_equal(result_of("a$$$$b"), "a$$b");
    assert_string_equal(result_of(""), "");
}

static void a_file_is_taken_without_its_last_newline(void **unused)
{
    (void)unused;
    char path[] = "/tmp/substitute_test.XXXXXX", text[64];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "se\ncret\r\n\n", 10), 10);
    (void)close(fd);
    (void)snprintf(text, sizeof(text), "<${file:%s}>", path);
    assert_string_equal(result_of(text), "<se\ncret>");
    assert_int_equal(unlink(path), 0);
}

static void a_value_tells_whether_it_came_from_elsewhere(void **unused)
{
    (void)unused;
    (void)setenv("SPILLWAY_B", "b", 1);
    assert_true(changes("${SPILLWAY_B}"));
    assert_true(changes("a${SPILLWAY_B:-x}"));
    assert_false(changes("a$$b$"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_undefined_variable_is_named_with_its_place),
        cmocka_unit_test(what_is_no_substitution_is_refused),
        cmocka_unit_test(a_file_that_cannot_be_a_value_is_refused),
        cmocka_unit_test(the_result_is_bounded),
        cmocka_unit_test(a_variable_is_replaced_and_its_content_is_not_looked_at),
        cmocka_unit_test(a_default_stands_in_for_unset_and_empty),
        cmocka_unit_test(dollars_stay_where_they_mean_nothing),
        cmocka_unit_test(a_file_is_taken_without_its_last_newline),
        cmocka_unit_test(a_value_tells_whether_it_came_from_elsewhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
