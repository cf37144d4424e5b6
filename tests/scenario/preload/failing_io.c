/* SPDX-License-Identifier: Apache-2.0 */
/* failing_io: a library for LD_PRELOAD that lets some calls fail, for the files of a folder.
 * FAILING_IO_UNDER is the folder whose files are meant, FAILING_IO_PLAN a file that the scenario
 * writes and removes at any time: a number of errno, then the names of the calls that fail with it:
 * "5 write rename"; "1 hang:pread late:pwritev": the one hangs, as of a file server that is gone,
 * the other is done, and then it hangs; "40 slow": syncs of data take so many milliseconds. Calls
 * that hang write to the file FAILING_IO_PLAN.hung. Without that file nothing fails. A disk cannot
 * be asked to fail so exactly. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static void *next(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL)
        abort();
    return found;
}

static int is_meant(const char *path)
{
    const char *under = getenv("FAILING_IO_UNDER");
    return under != NULL && strncmp(path, under, strlen(under)) == 0;
}

static int is_open_file_meant(int fd)
{
    char link[64], path[PATH_MAX];

    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t bytes = readlink(link, path, sizeof(path) - 1);
    if (bytes < 0)
        return 0;
    path[bytes] = '\0';
    return is_meant(path);
}

static int has_word(const char *text, const char *word)
{
    size_t bytes = strlen(word);

    for (const char *at = text; (at = strstr(at, word)) != NULL; at += bytes) {
        if ((at == text || at[-1] == ' ') && (at[bytes] == ' ' || at[bytes] == '\0'))
            return 1;
    }
    return 0;
}

static int open_quietly(const char *path, int flags)
{
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0600);
}

static void close_quietly(int fd)
{
    (void)syscall(SYS_close, fd);
}

/* errno of the plan for this word; 0: it is not there. By calls that are not wrapped. */
static int planned(const char *word)
{
    const char *path = getenv("FAILING_IO_PLAN");
    char plan[128], *rest;
    int fd = path == NULL ? -1 : open_quietly(path, O_RDONLY);

    if (fd < 0)
        return 0;
    ssize_t bytes = syscall(SYS_read, fd, plan, sizeof(plan) - 1);
    close_quietly(fd);
    plan[bytes < 0 ? 0 : bytes] = '\0';
    int number = (int)strtol(plan, &rest, 10);
    return has_word(rest, word) ? number : 0;
}

static int hung_fd = -1;

/* Before the agent gives up the right to open it. */
__attribute__((constructor)) static void open_hung(void)
{
    const char *plan = getenv("FAILING_IO_PLAN");
    char path[PATH_MAX];

    if (plan == NULL)
        return;
    (void)snprintf(path, sizeof(path), "%s.hung", plan);
    hung_fd = open_quietly(path, O_WRONLY | O_CREAT | O_APPEND);
}

/* No signal helps. */
static void hang(const char *how, const char *call, int meant)
{
    char word[64];
    int kept = errno;

    (void)snprintf(word, sizeof(word), "%s:%s", how, call);
    while (meant && planned(word) != 0) {
        (void)syscall(SYS_write, hung_fd, ".", 1);
        (void)usleep(20 * 1000);
    }
    errno = kept;
}

/* Keeps errno of the caller unless the call is to fail. */
static int fails(const char *call, int meant)
{
    int kept = errno, number;

    hang("hang", call, meant);
    number = meant ? planned(call) : 0;
    errno = number != 0 ? number : kept;
    return number != 0;
}

ssize_t write(int fd, const void *data, size_t bytes)
{
    if (fails("write", is_open_file_meant(fd)))
        return -1;
    return ((ssize_t(*)(int, const void *, size_t))next("write"))(fd, data, bytes);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    if (fails("writev", is_open_file_meant(fd)))
        return -1;
    ssize_t put = ((ssize_t(*)(int, const struct iovec *, int))next("writev"))(fd, parts, count);
    hang("late", "writev", is_open_file_meant(fd));
    return put;
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at)
{
    if (fails("pwritev", is_open_file_meant(fd)))
        return -1;
    ssize_t put =
        ((ssize_t(*)(int, const struct iovec *, int, off_t))next("pwritev"))(fd, parts, count, at);
    if (count > 1) /* a record, and not a head or a mark */
        hang("late", "pwritev", is_open_file_meant(fd));
    return put;
}

ssize_t pread(int fd, void *data, size_t bytes, off_t at)
{
    if (fails("pread", is_open_file_meant(fd)))
        return -1;
    return ((ssize_t(*)(int, void *, size_t, off_t))next("pread"))(fd, data, bytes, at);
}

int close(int fd)
{
    hang("hang", "close", is_open_file_meant(fd));
    return ((int (*)(int))next("close"))(fd);
}

int fstatvfs(int fd, struct statvfs *ret)
{
    if (fails("fstatvfs", is_open_file_meant(fd)))
        return -1;
    return ((int (*)(int, struct statvfs *))next("fstatvfs"))(fd, ret);
}

int unlinkat(int folder, const char *name, int flags)
{
    int meant = is_open_file_meant(folder);

    if (fails("unlinkat", meant))
        return -1;
    int done = ((int (*)(int, const char *, int))next("unlinkat"))(folder, name, flags);
    hang("late", "unlinkat", meant);
    return done;
}

int fsync(int fd)
{
    if (fails("fsync", is_open_file_meant(fd)))
        return -1;
    return ((int (*)(int))next("fsync"))(fd);
}

int fdatasync(int fd)
{
    int slow_ms = is_open_file_meant(fd) ? planned("slow") : 0;

    (void)usleep((unsigned)slow_ms * 1000);
    if (fails("fdatasync", is_open_file_meant(fd)))
        return -1;
    return ((int (*)(int))next("fdatasync"))(fd);
}

int rename(const char *from, const char *to)
{
    if (fails("rename", is_meant(to)))
        return -1;
    return ((int (*)(const char *, const char *))next("rename"))(from, to);
}

int open(const char *path, int flags, ...)
{
    va_list rest;
    mode_t mode = 0;

    va_start(rest, flags);
    if ((flags & (O_CREAT | O_TMPFILE)) != 0)
        mode = va_arg(rest, mode_t);
    va_end(rest);
    if (fails("open", is_meant(path)))
        return -1;
    return ((int (*)(const char *, int, ...))next("open"))(path, flags, mode);
}

/* Of names in an open folder; the folder itself can be opened. */
int openat(int folder, const char *name, int flags, ...)
{
    va_list rest;
    mode_t mode = 0;

    va_start(rest, flags);
    if ((flags & (O_CREAT | O_TMPFILE)) != 0)
        mode = va_arg(rest, mode_t);
    va_end(rest);
    if (strcmp(name, ".") != 0 && fails("openat", is_open_file_meant(folder)))
        return -1;
    return ((int (*)(int, const char *, int, ...))next("openat"))(folder, name, flags, mode);
}

struct dirent *readdir(DIR *folder)
{
    if (fails("readdir", is_open_file_meant(dirfd(folder))))
        return NULL;
    return ((struct dirent * (*)(DIR *)) next("readdir"))(folder);
}
