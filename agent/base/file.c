/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include "base/auto.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

bool file_read(const char *path, struct buf *ret, struct err *err)
{
    AUTO(auto_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    char chunk[16384];

    if (fd < 0)
        return err_set(err, "cannot open '%s': %s", path, strerror(errno));
    for (;;) {
        ssize_t got = read(fd, chunk, sizeof(chunk));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_set(err, "cannot read '%s': %s", path, strerror(errno));
        if (got == 0)
            return true;
        if (!buf_add(ret, chunk, (size_t)got) && ret->no_memory)
            return err_set(err, "out of memory for '%s'", path);
        if (ret->failed)
            return err_set(err, "'%s' is larger than %zu bytes", path, ret->limit);
    }
}

static bool write_all(int fd, struct slice content)
{
    while (content.bytes > 0) {
        ssize_t put = write(fd, content.data, content.bytes);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        content.data += put;
        content.bytes -= (size_t)put;
    }
    return true;
}

static void sync_folder_of(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t length = slash == NULL ? 0 : (size_t)(slash - path);

    if (length >= sizeof(folder))
        return;
    memcpy(folder, path, length);
    folder[length] = '\0';
    AUTO(auto_close)
    int fd = open(slash == NULL ? "."
                  : length == 0 ? "/"
                                : folder,
                  O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        (void)fsync(fd); /* without it the rename is only younger, never torn */
}

static bool put_in_place(const char *path, struct slice content, bool keep_previous, bool synced,
                         struct err *err)
{
    char tmp[PATH_MAX], previous[PATH_MAX];

    if (snprintf(tmp, sizeof(tmp), "%s.tmp", path) >= (int)sizeof(tmp) ||
        snprintf(previous, sizeof(previous), "%s.previous", path) >= (int)sizeof(previous))
        return err_set(err, "path '%s' is too long", path);
    {
        AUTO(auto_close) int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0)
            return err_set(err, "cannot create '%s': %s", tmp, strerror(errno));
        if (!write_all(fd, content) || (synced && fsync(fd) != 0)) {
            (void)err_set(err, "cannot write '%s': %s", tmp, strerror(errno));
            (void)unlink(tmp);
            return false;
        }
    }
    /* link, not rename: path stays in place until the new file takes it. */
    if (keep_previous) {
        (void)unlink(previous);
        (void)!link(path, previous);
    }
    if (rename(tmp, path) != 0)
        return err_set(err, "cannot rename '%s' to '%s': %s", tmp, path, strerror(errno));
    if (synced)
        sync_folder_of(path);
    return true;
}

bool file_replace(const char *path, struct slice content, bool keep_previous, struct err *err)
{
    return put_in_place(path, content, keep_previous, true, err);
}

bool file_place(const char *path, struct slice content, bool keep_previous, struct err *err)
{
    return put_in_place(path, content, keep_previous, false, err);
}

bool file_sync(const char *path, struct err *err)
{
    AUTO(auto_close) int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fsync(fd) != 0)
        return err_set(err, "cannot sync '%s': %s", path, strerror(errno));
    sync_folder_of(path);
    return true;
}

bool file_make_dirs(const char *path, unsigned mode, struct err *err)
{
    char part[PATH_MAX];
    size_t length = strlen(path);

    if (length == 0 || length >= sizeof(part))
        return err_set(err, "'%s' is not a usable folder name", path);
    memcpy(part, path, length + 1);
    for (size_t i = 1; i <= length; i++) {
        if (part[i] != '/' && part[i] != '\0')
            continue;
        char kept = part[i];
        part[i] = '\0';
        if (mkdir(part, (mode_t)mode) != 0 && errno != EEXIST)
            return err_set(err, "cannot create folder '%s': %s", part, strerror(errno));
        part[i] = kept;
    }
    struct stat info;
    if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode))
        return err_set(err, "'%s' is not a folder", path);
    return true;
}

static bool is_same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool file_mark_look(struct file_mark *mark, const char *path)
{
    struct file_mark now = { .device = 0 }, before = *mark;
    struct stat info;

    if (stat(path, &info) == 0)
        now = (struct file_mark){ info.st_dev, info.st_ino, info.st_size, info.st_mtim,
                                  info.st_ctim };
    *mark = now;
    return now.device != before.device || now.inode != before.inode || now.bytes != before.bytes ||
           !is_same_time(now.modified, before.modified) ||
           !is_same_time(now.changed, before.changed);
}
