/* SPDX-License-Identifier: Apache-2.0 */
/* failing_io: a library for LD_PRELOAD that lets some calls fail, for the files of a folder.
 * FAILING_IO_UNDER is the folder whose files are meant, FAILING_IO_PLAN a file that the scenario
 * writes and removes at any time: a number of errno, then the names of the calls that fail with it:
 * "5 write rename"; "1 hang": reads hang; "40 slow": syncs of data take so many milliseconds.
 * Without that file nothing fails. A disk cannot be asked to fail so exactly. */
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

/* errno of the plan for this call; 0: it does not fail. Reads by system calls that are not wrapped.
 */
static int planned(const char *call)
{
    const char *path = getenv("FAILING_IO_PLAN");
    char plan[128], *rest;
    int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return 0;
    ssize_t bytes = read(fd, plan, sizeof(plan) - 1);
    (void)close(fd);
    plan[bytes < 0 ? 0 : bytes] = '\0';
    int number = (int)strtol(plan, &rest, 10);
    return strstr(rest, call) != NULL ? number : 0;
}

/* Keeps errno of the caller unless the call is to fail. */
static int fails(const char *call, int meant)
{
    int kept = errno, number = meant ? planned(call) : 0;

    errno = number != 0 ? number : kept;
    return number != 0;
}

ssize_t write(int fd, const void *data, size_t bytes)
{
    if (fails("write", is_open_file_meant(fd)))
        return -1;
    return ((ssize_t(*)(int, const void *, size_t))next("write"))(fd, data, bytes);
}

/* As of a file server that is gone: no signal helps. */
ssize_t pread(int fd, void *data, size_t bytes, off_t at)
{
    while (is_open_file_meant(fd) && planned("hang") != 0)
        (void)usleep(50 * 1000);
    if (fails("pread", is_open_file_meant(fd)))
        return -1;
    return ((ssize_t(*)(int, void *, size_t, off_t))next("pread"))(fd, data, bytes, at);
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
