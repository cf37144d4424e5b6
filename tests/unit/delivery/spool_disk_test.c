/* SPDX-License-Identifier: Apache-2.0 */
#include "delivery/spool_disk.h"

#include "base/auto.h"
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct stage {
    char folder[32], path[64];
    struct spool_disk *disk;
};

static void open_stage(struct stage *stage)
{
    struct err err;
    bool is_taken;

    (void)strcpy(stage->folder, "/tmp/spillway-test-XXXXXX");
    assert_non_null(mkdtemp(stage->folder));
    (void)snprintf(stage->path, sizeof(stage->path), "%s/spool/main", stage->folder);
    stage->disk = spool_disk_open(stage->path, &is_taken, &err);
    assert_non_null(stage->disk);
}

static void close_stage(struct stage *stage)
{
    stage->disk->free(&stage->disk);
    assert_int_equal(rmdir(stage->path), 0);
    *strrchr(stage->path, '/') = '\0';
    assert_int_equal(rmdir(stage->path), 0);
    assert_int_equal(rmdir(stage->folder), 0);
}

static void take_name_of(void *context, const char *name)
{
    (void)snprintf(context, 32, "%s", name);
}

static void what_is_written_in_parts_is_read_as_one(void **unused)
{
    (void)unused;
    struct stage stage;
    char bytes[16], name[32] = "";
    open_stage(&stage);
    struct spool_disk *disk = stage.disk;
    int fd = disk->create(disk, "a.seg");
    assert_true(fd >= 0);
    assert_int_equal(disk->create(disk, "a.seg"), -EEXIST);
    const struct slice parts[] = { SLICE("hello"), SLICE(""), SLICE(" you") };
    assert_int_equal(disk->write(disk, fd, parts, 3, 2), 0);
    assert_int_equal(disk->size(disk, fd), 11);
    assert_int_equal(disk->read(disk, fd, bytes, sizeof(bytes), 2), 9); /* the file ends */
    assert_memory_equal(bytes, "hello you", 9);
    assert_int_equal(disk->truncate(disk, fd, 4), 0);
    assert_int_equal(disk->size(disk, fd), 4);
    assert_int_equal(disk->sync(disk, fd), 0);
    assert_int_equal(disk->sync_folder(disk), 0);
    disk->close(disk, fd);
    assert_int_equal(disk->list(disk, take_name_of, name), 0);
    assert_string_equal(name, "a.seg");
    fd = disk->open(disk, "a.seg");
    assert_true(fd >= 0);
    disk->close(disk, fd);
    assert_int_equal(disk->remove(disk, "a.seg"), 0);
    assert_int_equal(disk->remove(disk, "a.seg"), -ENOENT);
    assert_int_equal(disk->open(disk, "a.seg"), -ENOENT);
    close_stage(&stage);
}

static void a_call_that_fails_says_the_errno(void **unused)
{
    (void)unused;
    struct stage stage;
    char byte;
    const struct slice part = SLICE("x");
    open_stage(&stage);
    struct spool_disk *disk = stage.disk;
    assert_int_equal(disk->write(disk, -1, &part, 1, 0), -EBADF);
    assert_int_equal(disk->read(disk, -1, &byte, 1, 0), -EBADF);
    assert_int_equal(disk->size(disk, -1), -EBADF);
    assert_int_equal(disk->truncate(disk, -1, 0), -EBADF);
    assert_int_equal(disk->sync(disk, -1), -EBADF);
    close_stage(&stage);
}

static void what_is_no_file_is_not_taken_for_one(void **unused)
{
    (void)unused;
    struct stage stage;
    char path[96];
    open_stage(&stage);
    struct spool_disk *disk = stage.disk;
    (void)snprintf(path, sizeof(path), "%s/a.seg", stage.path);
    assert_int_equal(mkfifo(path, 0600), 0);
    int fd = disk->open(disk, "a.seg"); /* does not wait for the other end */
    assert_true(fd >= 0);
    assert_int_equal(disk->size(disk, fd), -EINVAL);
    disk->close(disk, fd);
    assert_int_equal(disk->remove(disk, "a.seg"), 0);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_int_equal(disk->open(disk, "a.seg"), -ELOOP);
    assert_int_equal(disk->remove(disk, "a.seg"), 0);
    close_stage(&stage);
}

/* Its name is gone at once, its space when it is asked for. */
static void the_space_of_what_is_removed_is_back_when_it_is_asked_for(void **unused)
{
    enum { BYTES = 8 << 20 };
    (void)unused;
    struct stage stage;
    uint64_t with, without;
    unsigned rounds_back = 0;
    char name[32] = "";
    AUTO(auto_free) char *data = malloc(BYTES);
    assert_non_null(data);
    memset(data, 'x', BYTES);
    open_stage(&stage);
    for (int i = 0; i < 3; i++) {
        int fd = stage.disk->create(stage.disk, "a");
        assert_true(fd >= 0);
        struct slice part = { data, BYTES };
        assert_int_equal(stage.disk->write(stage.disk, fd, &part, 1, 0), 0);
        assert_int_equal(stage.disk->sync(stage.disk, fd), 0);
        assert_int_equal(stage.disk->free_bytes(stage.disk, &with), 0);
        stage.disk->close(stage.disk, fd);
        assert_int_equal(stage.disk->remove(stage.disk, "a"), 0);
        assert_int_equal(stage.disk->list(stage.disk, take_name_of, name), 0);
        assert_string_equal(name, "");
        assert_int_equal(stage.disk->free_bytes(stage.disk, &without), 0);
        rounds_back += without > with; /* others write there, too */
    }
    assert_true(rounds_back > 0);
    assert_int_equal(stage.disk->remove(stage.disk, "a"), -ENOENT);
    close_stage(&stage);
}

static void a_folder_belongs_to_one(void **unused)
{
    (void)unused;
    struct stage stage;
    struct err err;
    bool is_taken = false;
    open_stage(&stage);
    assert_null(spool_disk_open(stage.path, &is_taken, &err));
    assert_true(is_taken);
    assert_non_null(strstr(err.text, "used by another agent"));
    assert_null(spool_disk_open("/proc/nothing/here", &is_taken, &err));
    assert_false(is_taken);
    uint64_t free_bytes = 0;
    assert_int_equal(stage.disk->free_bytes(stage.disk, &free_bytes), 0);
    assert_true(free_bytes > 0);
    close_stage(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_in_parts_is_read_as_one),
        cmocka_unit_test(a_call_that_fails_says_the_errno),
        cmocka_unit_test(what_is_no_file_is_not_taken_for_one),
        cmocka_unit_test(the_space_of_what_is_removed_is_back_when_it_is_asked_for),
        cmocka_unit_test(a_folder_belongs_to_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
