/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/auto.h"
#include "base/file.h"
#include "event/resource.h"
#include "input/set_aside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static char folder[] = "/tmp/spillway-aside-XXXXXX";

static int make_folder(void **unused)
{
    (void)unused;
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **unused)
{
    char path[PATH_MAX];

    (void)unused;
    (void)snprintf(path, sizeof(path), "%s/quarantine/app@main", folder);
    (void)unlink(path);
    (void)snprintf(path, sizeof(path), "%s/quarantine", folder);
    (void)rmdir(path);
    return rmdir(folder);
}

static struct event event_of(const char *body)
{
    return (struct event){ .body = slice_of(body), .observed_ns = 17 };
}

static void takes_as_many_as_are_left_and_writes_them_whole(void **unused)
{
    AUTO(buf_fini) struct buf file = { 0 };
    struct event events[3] = { event_of("one"), event_of("\"two\"\n"), event_of("three") };
    struct attribute path = { SLICE("log.file.path"),
                              { .kind = VALUE_TEXT, .text = slice_of("/a") } };
    struct resource *resource = resource_new(&path, 1);
    struct set_aside aside;
    struct err err = { "" };

    (void)unused;
    events[0].resource = resource;
    set_aside_begin(&aside, folder, "app", "main", 5);
    assert_int_equal(set_aside_take(&aside, events, 3), 3);
    assert_int_equal(set_aside_take(&aside, events, 3), 2);
    assert_int_equal(set_aside_take(&aside, events, 3), 0);
    set_aside_end(&aside);
    assert_int_equal(aside.events, 5);
    assert_int_equal(aside.bytes, 2 * (3 + 6) + 5);
    assert_int_equal(aside.not_written, 0);
    assert_true(file_read(aside.path, &file, &err));
    assert_string_equal(
        file.data,
        "{\"time_unix_nano\":\"17\",\"resource\":{\"log.file.path\":\"/a\"},\"body\":\"one\"}\n"
        "{\"time_unix_nano\":\"17\",\"body\":\"\\\"two\\\"\\n\"}\n"
        "{\"time_unix_nano\":\"17\",\"body\":\"three\"}\n"
        "{\"time_unix_nano\":\"17\",\"resource\":{\"log.file.path\":\"/a\"},\"body\":\"one\"}\n"
        "{\"time_unix_nano\":\"17\",\"body\":\"\\\"two\\\"\\n\"}\n");
    resource_unref(&resource);
}

static void a_full_file_takes_no_more_but_all_is_counted(void **unused)
{
    struct event event = event_of("one");
    struct set_aside aside;
    struct stat before, after;

    (void)unused;
    set_aside_begin(&aside, folder, "app", "main", 2);
    assert_int_equal(fstat(aside.fd, &before), 0);
    aside.file_bytes = SET_ASIDE_FILE_BYTES - 10;
    assert_int_equal(set_aside_take(&aside, &event, 1), 1);
    assert_int_equal(set_aside_take(&aside, &event, 1), 1);
    assert_int_equal(fstat(aside.fd, &after), 0);
    set_aside_end(&aside);
    assert_int_equal(before.st_size, after.st_size);
    assert_int_equal(aside.events, 2);
    assert_int_equal(aside.not_written, 2);
    assert_int_equal(aside.error, EFBIG);
}

static void without_a_folder_all_is_counted(void **unused)
{
    struct event event = event_of("one");
    struct set_aside aside;

    (void)unused;
    set_aside_begin(&aside, "/proc/nowhere", "app", "main", 1);
    assert_int_equal(set_aside_take(&aside, &event, 1), 1);
    set_aside_end(&aside);
    assert_int_equal(aside.left, 0);
    assert_int_equal(aside.not_written, 1);
    assert_true(aside.error != 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_as_many_as_are_left_and_writes_them_whole),
        cmocka_unit_test(a_full_file_takes_no_more_but_all_is_counted),
        cmocka_unit_test(without_a_folder_all_is_counted),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
