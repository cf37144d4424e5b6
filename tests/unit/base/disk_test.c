/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/auto.h"
#include "base/disk.h"
#include "base/file.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[] = "/tmp/spillway-disk-XXXXXX";

static void the_newest_content_is_on_disk_after_the_stop(void **unused)
{
    (void)unused;
    struct err err = { "" };
    char path[64];
    AUTO(buf_fini) struct buf read_back = { 0 };
    struct disk *disk = disk_start(&err);
    (void)snprintf(path, sizeof(path), "%s/file", folder);
    struct disk_file *file = disk_file_new(disk, path, false, NULL, NULL);
    for (int i = 0; i <= 1000; i++) {
        struct buf content = { 0 };
        assert_true(buf_printf(&content, "%d", i));
        disk_file_put(file, &content);
        assert_null(content.data);
    }
    disk_stop(&disk);
    assert_true(file_read(path, &read_back, &err));
    assert_string_equal(read_back.data, "1000");
    (void)unlink(path);
}

static void count_error(void *context)
{
    atomic_fetch_add((_Atomic int *)context, 1);
}

static void a_write_that_fails_is_counted_and_the_next_one_is_tried(void **unused)
{
    (void)unused;
    struct err err = { "" };
    _Atomic int told = 0;
    struct disk *disk = disk_start(&err);
    struct disk_file *file = disk_file_new(disk, "/nowhere-at-all/file", false, count_error, &told);
    struct buf content = { 0 };
    assert_true(buf_add_text(&content, "x"));
    disk_file_put(file, &content);
    while (disk_file_errors(file) == 0)
        (void)usleep(1000); /* ends when the disk thread has tried */
    assert_int_equal(disk_file_errors(file), 1);
    assert_true(buf_add_text(&content, "y"));
    disk_file_put(file, &content);
    while (disk_file_errors(file) == 1)
        (void)usleep(1000);
    disk_stop(&disk);
    assert_int_equal(told, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_content_is_on_disk_after_the_stop),
        cmocka_unit_test(a_write_that_fails_is_counted_and_the_next_one_is_tried),
    };
    if (mkdtemp(folder) == NULL)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)rmdir(folder);
    return failed;
}
