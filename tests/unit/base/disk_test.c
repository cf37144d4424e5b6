/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/auto.h"
#include "base/disk.h"
#include "base/file.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static char folder[] = "/tmp/spillway-disk-XXXXXX";
static _Atomic int syncs; /* two each time: the file and its folder */
static _Atomic bool syncs_fail;
static _Atomic ino_t synced; /* the file that was synced last */
enum { PATIENCE_MS = 60000 };

/* Stands before the C library's. */
int fsync(int fd)
{
    struct stat found;

    atomic_fetch_add(&syncs, 1);
    if (atomic_load(&syncs_fail)) {
        errno = EIO;
        return -1;
    }
    if (fstat(fd, &found) == 0 && S_ISREG(found.st_mode))
        atomic_store(&synced, found.st_ino);
    return (int)syscall(SYS_fsync, fd);
}

static void path_of(char ret_path[64], const char *name)
{
    (void)snprintf(ret_path, 64, "%s/%s", folder, name);
}

static bool has_content(const char *path, const char *wanted)
{
    AUTO(buf_fini) struct buf got = { 0 };
    struct err err;

    return file_read(path, &got, &err) && strcmp(buf_slice(&got).data, wanted) == 0;
}

/* Returns when it is in place. */
static void put(struct disk_file *file, const char *path, const char *text)
{
    struct buf content = { 0 };

    assert_true(buf_add_text(&content, text));
    disk_file_put(file, &content);
    for (int64_t end_ms = clock_now_ms() + PATIENCE_MS; !has_content(path, text);) {
        assert_true(clock_now_ms() < end_ms);
        (void)usleep(500);
    }
}

static void await_syncs(int count)
{
    for (int64_t end_ms = clock_now_ms() + PATIENCE_MS; atomic_load(&syncs) < count;) {
        assert_true(clock_now_ms() < end_ms);
        (void)usleep(500);
    }
}

/* Of the content that is in place now; what follows is done by the same thread after it. */
static void await_sync_of(const char *path)
{
    struct stat now;

    assert_int_equal(stat(path, &now), 0);
    for (int64_t end_ms = clock_now_ms() + PATIENCE_MS; atomic_load(&synced) != now.st_ino;) {
        assert_true(clock_now_ms() < end_ms);
        (void)usleep(500);
    }
}

static void
contents_in_quick_succession_are_in_place_at_once_and_synced_once_a_second(void **unused)
{
    (void)unused;
    struct err err = { "" };
    char path[64], text[16];
    path_of(path, "file");
    struct disk *disk = disk_start(&err);
    struct disk_file *file = disk_file_new(disk, path, NULL, NULL);
    int64_t begin_ms = clock_now_ms();

    atomic_store(&syncs, 0);
    for (int i = 0; i < 50; i++) {
        (void)snprintf(text, sizeof(text), "%d", i);
        put(file, path, text);
    }
    int so_far = atomic_load(&syncs);
    int seconds = (int)((clock_now_ms() - begin_ms) / 1000);
    assert_in_range(so_far, 1, 2 + 2 * seconds);
    put(file, path, "last but one");
    put(file, path, "last"); /* not synced at once, and no other follows */
    await_syncs(so_far + 2);
    int before = atomic_load(&syncs);
    put(file, path, "end");
    assert_true(disk_stop(&disk, INT64_MAX));
    assert_true(atomic_load(&syncs) > before);
    (void)unlink(path);
    path_of(path, "file.previous");
    (void)unlink(path);
}

static void the_previous_copy_is_always_one_that_was_synced(void **unused)
{
    (void)unused;
    struct err err = { "" };
    char path[64], previous[64];
    path_of(path, "file");
    path_of(previous, "file.previous");
    assert_true(file_replace(path, SLICE("found"), false, &err));
    struct disk *disk = disk_start(&err);
    struct disk_file *file = disk_file_new(disk, path, NULL, NULL);

    atomic_store(&syncs, 0);
    put(file, path, "one");
    assert_true(has_content(previous, "found"));
    await_sync_of(path);
    int64_t synced_ms = clock_now_ms();
    put(file, path, "two");
    assert_true(has_content(previous, "one"));
    put(file, path, "three");
    if (clock_now_ms() - synced_ms < 900) /* else it may have been synced meanwhile */
        assert_true(has_content(previous, "one"));
    await_sync_of(path);
    put(file, path, "four");
    assert_true(has_content(previous, "three"));
    assert_true(disk_stop(&disk, INT64_MAX));
    (void)unlink(path);
    (void)unlink(previous);
}

static void the_newest_content_is_on_disk_after_the_stop(void **unused)
{
    (void)unused;
    struct err err = { "" };
    char path[64];
    AUTO(buf_fini) struct buf read_back = { 0 };
    struct disk *disk = disk_start(&err);
    path_of(path, "file");
    struct disk_file *file = disk_file_new(disk, path, NULL, NULL);
    for (int i = 0; i <= 1000; i++) {
        struct buf content = { 0 };
        assert_true(buf_printf(&content, "%d", i));
        disk_file_put(file, &content);
        assert_null(content.data);
    }
    assert_true(disk_stop(&disk, INT64_MAX));
    assert_true(file_read(path, &read_back, &err));
    assert_string_equal(read_back.data, "1000");
    (void)unlink(path);
    path_of(path, "file.previous");
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
    struct disk_file *file = disk_file_new(disk, "/nowhere-at-all/file", count_error, &told);
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
    assert_true(disk_stop(&disk, INT64_MAX));
    assert_int_equal(told, 2);
}

static unsigned count_in_log(int log_fd, const char *words)
{
    char text[4096] = "";
    unsigned count = 0;

    assert_true(pread(log_fd, text, sizeof(text) - 1, 0) >= 0);
    for (const char *at = text; (at = strstr(at, words)) != NULL; at++)
        count++;
    return count;
}

static void what_is_written_and_not_synced_does_not_end_a_failure(void **unused)
{
    (void)unused;
    struct err err = { "" };
    char path[64];
    path_of(path, "file");
    int log_fd = memfd_create("log", MFD_CLOEXEC);
    log_set_fd(log_fd);
    struct disk *disk = disk_start(&err);
    struct disk_file *file = disk_file_new(disk, path, NULL, NULL);

    atomic_store(&syncs_fail, true);
    put(file, path, "one");
    put(file, path, "two");
    put(file, path, "three");
    while (disk_file_errors(file) < 2)
        (void)usleep(1000); /* ends when the next sync was due */
    assert_int_equal(count_in_log(log_fd, "cannot save"), 1);
    assert_int_equal(count_in_log(log_fd, "saved again"), 0);
    atomic_store(&syncs_fail, false);
    put(file, path, "four");
    assert_true(disk_stop(&disk, INT64_MAX));
    assert_int_equal(count_in_log(log_fd, "saved again"), 1);
    log_set_fd(STDERR_FILENO);
    (void)close(log_fd);
    (void)unlink(path);
    path_of(path, "file.previous");
    (void)unlink(path);
}

/* Its tmp file is a pipe that nobody reads: to open it for writing waits. */
static void a_disk_that_does_not_answer_is_left_behind_and_writes_no_other_file(void **unused)
{
    (void)unused;
    struct err err = { "" };
    struct buf content = { 0 };
    char hung[64], next[64], pipe_path[64], text[8];
    path_of(hung, "hung");
    path_of(next, "next");
    path_of(pipe_path, "hung.tmp");
    assert_int_equal(mkfifo(pipe_path, 0600), 0);
    static struct disk *disk; /* its thread stays, and has it */
    disk = disk_start(&err);
    struct disk_file *files[] = { disk_file_new(disk, hung, NULL, NULL),
                                  disk_file_new(disk, next, NULL, NULL) };
    assert_true(buf_add_text(&content, "content"));
    disk_file_put(files[0], &content);
    assert_false(disk_file_await(files[0], 20));
    assert_true(buf_add_text(&content, "content"));
    disk_file_put(files[1], &content);
    struct disk *left = disk;
    assert_false(disk_stop(&left, clock_now_ms() + 20));
    assert_null(left);
    int fd = open(pipe_path, O_RDONLY); /* it comes back */
    while (read(fd, text, sizeof(text)) > 0)
        continue;
    (void)close(fd);
    (void)usleep(20 * 1000);
    assert_int_equal(access(next, F_OK), -1);
    (void)unlink(hung);
    (void)unlink(pipe_path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_content_is_on_disk_after_the_stop),
        cmocka_unit_test(
            contents_in_quick_succession_are_in_place_at_once_and_synced_once_a_second),
        cmocka_unit_test(the_previous_copy_is_always_one_that_was_synced),
        cmocka_unit_test(what_is_written_and_not_synced_does_not_end_a_failure),
        cmocka_unit_test(a_write_that_fails_is_counted_and_the_next_one_is_tried),
        cmocka_unit_test(a_disk_that_does_not_answer_is_left_behind_and_writes_no_other_file),
    };
    if (mkdtemp(folder) == NULL)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)rmdir(folder);
    return failed;
}
