/* SPDX-License-Identifier: Apache-2.0 */
/* spool_disk: the real one. All names are relative to the open folder.
 *
 * The name of a removed file goes at once, its space when nobody has it open any more; for that a
 * file system may wait for the device (ext4 mounted with `discard`: 20 ms for 64 MiB), and so long
 * nothing would be read. So the last one to have it is a thread that does nothing else, one at a
 * time. Whoever asks how much is free, or writes and finds none, waits for it. */
#include "delivery/spool_disk.h"

#include "base/auto.h"
#include "base/check.h"
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>

enum { PARTS_MAX = 4 };

struct folder {
    struct spool_disk disk;
    int fd;
    bool is_freeing; /* then the next two are set */
    int removed_fd;
    pthread_t freeing;
};

static int folder_of(struct spool_disk *disk)
{
    return ((struct folder *)(void *)disk)->fd;
}

/* false: there was nothing to wait for. */
static bool await_freed(struct spool_disk *disk)
{
    struct folder *folder = (struct folder *)(void *)disk;

    if (!folder->is_freeing)
        return false;
    CHECK(pthread_join(folder->freeing, NULL) == 0);
    folder->is_freeing = false;
    return true;
}

static int create_file(struct spool_disk *disk, const char *name)
{
    int fd =
        openat(folder_of(disk), name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);

    return fd >= 0 ? fd : -errno;
}

/* Not blocking: what lies there under our name may be a pipe. */
static int open_file(struct spool_disk *disk, const char *name)
{
    int fd = openat(folder_of(disk), name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    return fd >= 0 ? fd : -errno;
}

static void close_file(struct spool_disk *disk, int fd)
{
    (void)disk;
    (void)close(fd);
}

static int64_t size_of_file(struct spool_disk *disk, int fd)
{
    struct stat status;

    (void)disk;
    if (fstat(fd, &status) != 0)
        return -errno;
    return S_ISREG(status.st_mode) ? status.st_size : -EINVAL;
}

static int64_t read_file(struct spool_disk *disk, int fd, void *ret, size_t bytes, uint64_t at)
{
    size_t got = 0;

    (void)disk;
    while (got < bytes) {
        ssize_t part = pread(fd, (char *)ret + got, bytes - got, (off_t)(at + got));
        if (part < 0 && errno == EINTR)
            continue;
        if (part < 0)
            return -errno;
        if (part == 0)
            break;
        got += (size_t)part;
    }
    return (int64_t)got;
}

static int write_file(struct spool_disk *disk, int fd, const struct slice *parts, unsigned count,
                      uint64_t at)
{
    struct iovec vectors[PARTS_MAX];
    unsigned first = 0;

    if (count > PARTS_MAX)
        return -EINVAL;
    for (unsigned i = 0; i < count; i++)
        vectors[i] = (struct iovec){ (void *)(uintptr_t)parts[i].data, parts[i].bytes };
    while (first < count) {
        ssize_t part = pwritev(fd, vectors + first, (int)(count - first), (off_t)at);
        if (part < 0 && (errno == EINTR || (errno == ENOSPC && await_freed(disk))))
            continue;
        if (part < 0)
            return -errno;
        at += (uint64_t)part;
        for (size_t left = (size_t)part; first < count; first++) {
            if (left < vectors[first].iov_len) {
                vectors[first].iov_base = (char *)vectors[first].iov_base + left;
                vectors[first].iov_len -= left;
                break;
            }
            left -= vectors[first].iov_len;
        }
    }
    return 0;
}

static int truncate_file(struct spool_disk *disk, int fd, uint64_t bytes)
{
    (void)disk;
    return ftruncate(fd, (off_t)bytes) == 0 ? 0 : -errno;
}

static int sync_file(struct spool_disk *disk, int fd)
{
    (void)disk;
    return fdatasync(fd) == 0 ? 0 : -errno;
}

static int sync_folder(struct spool_disk *disk)
{
    return fsync(folder_of(disk)) == 0 ? 0 : -errno;
}

static void *close_removed(void *context)
{
    struct folder *folder = context;

    (void)pthread_setname_np(pthread_self(), "spool-free");
    (void)close(folder->removed_fd);
    return NULL;
}

static int remove_file(struct spool_disk *disk, const char *name)
{
    struct folder *folder = (struct folder *)(void *)disk;

    (void)await_freed(disk);
    AUTO(auto_close) int fd = openat(folder->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (unlinkat(folder->fd, name, 0) != 0)
        return -errno;
    folder->removed_fd = fd;
    if (fd >= 0 && pthread_create(&folder->freeing, NULL, close_removed, folder) == 0) {
        folder->is_freeing = true;
        (void)auto_keep_fd(&fd);
    }
    return 0;
}

static int list_files(struct spool_disk *disk, void (*take)(void *context, const char *name),
                      void *context)
{
    int fd = openat(folder_of(disk), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    int failed = 0;

    if (folder == NULL) {
        failed = errno;
        if (fd >= 0)
            (void)close(fd);
        return -failed;
    }
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(folder);
        if (entry == NULL)
            break;
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            take(context, entry->d_name);
    }
    failed = errno;
    (void)closedir(folder);
    return -failed;
}

static int find_free_bytes(struct spool_disk *disk, uint64_t *ret)
{
    struct statvfs status;

    (void)await_freed(disk);
    if (fstatvfs(folder_of(disk), &status) != 0)
        return -errno;
    *ret = (uint64_t)status.f_bavail * status.f_frsize;
    return 0;
}

static void free_folder(struct spool_disk **diskp)
{
    struct folder *folder = (struct folder *)(void *)*diskp;

    *diskp = NULL;
    if (folder == NULL)
        return;
    (void)await_freed(&folder->disk);
    auto_close(&folder->fd);
    free(folder);
}

struct spool_disk *spool_disk_open(const char *path, bool *ret_is_taken, struct err *err)
{
    struct folder *folder = NULL;
    AUTO(auto_close) int fd = -1;

    *ret_is_taken = false;
    if (!file_make_dirs(path, 0750, err))
        return NULL;
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        (void)err_set(err, "cannot open '%s': %s", path, strerror(errno));
        return NULL;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        *ret_is_taken = true;
        (void)err_set(err, "'%s' is used by another agent, or by another output", path);
        return NULL;
    }
    folder = malloc(sizeof(*folder));
    if (folder == NULL) {
        (void)err_set(err, "out of memory for a spool");
        return NULL;
    }
    *folder = (struct folder){ .disk = { .create = create_file,
                                         .open = open_file,
                                         .close = close_file,
                                         .size = size_of_file,
                                         .read = read_file,
                                         .write = write_file,
                                         .truncate = truncate_file,
                                         .sync = sync_file,
                                         .sync_folder = sync_folder,
                                         .remove = remove_file,
                                         .list = list_files,
                                         .free_bytes = find_free_bytes,
                                         .free = free_folder },
                               .fd = auto_keep_fd(&fd) };
    return &folder->disk;
}
