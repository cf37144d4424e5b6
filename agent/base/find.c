/* SPDX-License-Identifier: Apache-2.0 */
/* find: breadth first, since a bound then leaves out what is deepest, and since one folder is open
 * at a time. What waits is bounded with the folders. */
#include "base/find.h"
#include "base/pattern_parts.h"
#include "base/patterns.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

struct waiting { /* a folder to be looked into */
    struct waiting *next;
    uint64_t at; /* in the pattern */
    dev_t above; /* the file system of the folder above; 0: none was looked at */
    unsigned depth;
    char path[];
};

struct walk {
    struct find *find;
    const struct pattern_parts *pattern;
    struct waiting *first, *last;
};

/* "": the folder that we are in, which names are not written with. */
static bool join(const char *folder, const char *name, char ret[PATH_MAX])
{
    size_t bytes = strlen(folder), more = strlen(name);
    bool has_slash = bytes == 0 || folder[bytes - 1] == '/';

    if (bytes + more + 1 >= PATH_MAX)
        return false;
    memcpy(ret, folder, bytes);
    if (!has_slash)
        ret[bytes++] = '/';
    memcpy(ret + bytes, name, more + 1);
    return true;
}

static const char *shown(const char *folder)
{
    return folder[0] == '\0' ? "." : folder;
}

static void leave_out(struct find *find, enum find_trouble trouble, const char *folder, int error)
{
    find->left_out(find->context, trouble, shown(folder), error);
}

static bool is_folder(const char *path)
{
    struct stat info;

    errno = ENOTDIR;
    return stat(shown(path), &info) == 0 && S_ISDIR(info.st_mode);
}

/* false: there is nothing above. */
static bool cut_last(char folder[PATH_MAX])
{
    char *slash = strrchr(folder, '/');

    if (folder[0] == '\0' || strcmp(folder, "/") == 0)
        return false;
    if (slash == NULL)
        folder[0] = '\0';
    else
        slash[slash == folder] = '\0';
    return true;
}

/* What is missing, or may not be read, is heard of in the nearest folder above that is there. */
static void name_above(const struct find *find, const char *path)
{
    char folder[PATH_MAX];

    strcpy(folder, path);
    while (cut_last(folder) && !is_folder(folder))
        ;
    if (find->folder != NULL)
        (void)find->folder(find->context, shown(folder));
}

static void push(struct walk *walk, const struct waiting *above, const char *path, uint64_t at,
                 dev_t device)
{
    struct find *find = walk->find;
    size_t bytes = strlen(path) + 1;
    unsigned depth = above == NULL ? 0 : above->depth + 1;

    if (depth > FIND_DEPTH_MAX || find->folders >= find->folders_max) {
        leave_out(find, depth > FIND_DEPTH_MAX ? FIND_TOO_DEEP : FIND_TOO_MANY, path, 0);
        return;
    }
    struct waiting *waiting = malloc(sizeof(*waiting) + bytes);
    if (waiting == NULL) {
        leave_out(find, FIND_NO_MEMORY, path, 0);
        return;
    }
    *waiting = (struct waiting){ .at = at, .above = device, .depth = depth };
    memcpy(waiting->path, path, bytes);
    find->folders++;
    if (walk->last == NULL)
        walk->first = waiting;
    else
        walk->last->next = waiting;
    walk->last = waiting;
}

static struct waiting *pop(struct walk *walk)
{
    struct waiting *waiting = walk->first;

    if (waiting != NULL && (walk->first = waiting->next) == NULL)
        walk->last = NULL;
    return waiting;
}

/* What a name in a folder that was looked at is. DT_UNKNOWN: not there. */
static unsigned char kind_of(const char *path, int *ret_error)
{
    struct stat info;

    *ret_error = 0;
    if (lstat(path, &info) == 0)
        return (unsigned char)IFTODT(info.st_mode);
    *ret_error = errno;
    return DT_UNKNOWN;
}

static void meet(struct walk *walk, const struct waiting *above, const char *name,
                 unsigned char kind, dev_t device)
{
    const struct pattern_parts *pattern = walk->pattern;
    uint64_t next = pattern_parts_step(pattern, above->at, name, kind == DT_LNK);
    char path[PATH_MAX];
    int ignored;

    if (next == 0)
        return;
    if (!join(above->path, name, path)) {
        leave_out(walk->find, FIND_TOO_DEEP, above->path, 0);
        return;
    }
    if (kind == DT_UNKNOWN) { /* the file system does not say */
        kind = kind_of(path, &ignored);
        next = pattern_parts_step(pattern, above->at, name, kind == DT_LNK);
    }
    if (pattern_parts_is_end(pattern, next) && kind != DT_DIR)
        walk->find->file(walk->find->context, path);
    if (pattern_parts_below(pattern, next) != 0 && (kind == DT_DIR || kind == DT_LNK))
        push(walk, above, path, pattern_parts_below(pattern, next), device);
}

static bool is_made_up(int fd)
{
    static const long kinds[] = { PROC_SUPER_MAGIC, SYSFS_MAGIC,         DEBUGFS_MAGIC,
                                  TRACEFS_MAGIC,    CGROUP2_SUPER_MAGIC, CGROUP_SUPER_MAGIC,
                                  SECURITYFS_MAGIC };
    struct statfs info;

    if (fstatfs(fd, &info) != 0)
        return false;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if ((long)info.f_type == kinds[i])
            return true;
    }
    return false;
}

/* Names that are there for certain if they are there at all: the folder need not be listed. */
static void look_for_plain(struct walk *walk, const struct waiting *folder)
{
    for (unsigned i = 0; i < walk->pattern->count; i++) {
        const char *name = walk->pattern->parts[i];
        char path[PATH_MAX];
        int error;
        if ((folder->at >> i & 1) == 0 || !join(folder->path, name, path))
            continue;
        unsigned char kind = kind_of(path, &error);
        if (error == 0)
            meet(walk, folder, name, kind, 0);
        else if (error != ENOENT && error != ENOTDIR)
            leave_out(walk->find, FIND_REFUSED, folder->path, error);
    }
}

static void list(struct walk *walk, const struct waiting *folder)
{
    int fd = open(shown(folder->path), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
    struct stat info;

    if (fd < 0) {
        if (errno != ENOENT && errno != ENOTDIR)
            leave_out(walk->find, FIND_REFUSED, folder->path, errno);
        if (folder->depth == 0)
            name_above(walk->find, folder->path); /* where a change of its mode is heard of */
        return;
    }
    bool crosses = fstat(fd, &info) == 0 && folder->above != 0 && info.st_dev != folder->above;
    bool is_foreign = crosses && (folder->at & walk->pattern->deep) != 0 && is_made_up(fd);
    DIR *stream = is_foreign ? NULL : fdopendir(fd);
    if (stream == NULL) {
        if (!is_foreign)
            leave_out(walk->find, FIND_REFUSED, folder->path, errno);
        (void)close(fd);
        return;
    }
    const struct dirent *entry;
    while (errno = 0, (entry = readdir(stream)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            meet(walk, folder, entry->d_name, entry->d_type, info.st_dev);
    }
    if (errno != 0 && errno != ENOENT) /* it was removed meanwhile */
        leave_out(walk->find, FIND_REFUSED, folder->path, errno);
    (void)closedir(stream);
}

static void look_into(struct walk *walk, const struct waiting *folder)
{
    const struct find *find = walk->find;

    if (find->folder != NULL && !find->folder(find->context, shown(folder->path)))
        return;
    if ((folder->at & walk->pattern->wild) != 0)
        list(walk, folder);
    else
        look_for_plain(walk, folder);
}

/* The plain parts before the first wildcard, without the last part of all. */
static uint64_t take_plain(const struct pattern_parts *pattern, char ret_folder[PATH_MAX])
{
    unsigned i = 0;

    strcpy(ret_folder, pattern->is_absolute ? "/" : "");
    for (; i + 1 < pattern->count && (pattern->wild >> i & 1) == 0; i++) {
        char longer[PATH_MAX];
        if (join(ret_folder, pattern->parts[i], longer)) /* it was in the pattern, so it fits */
            strcpy(ret_folder, longer);
    }
    uint64_t bit = UINT64_C(1) << i;
    return bit | ((pattern->deep & bit) << 1);
}

static void begin(struct walk *walk)
{
    char folder[PATH_MAX];
    uint64_t at = take_plain(walk->pattern, folder);
    int error = 0;

    if (walk->pattern->count == 0)
        return;
    if (is_folder(folder)) {
        push(walk, NULL, folder, at, 0);
        return;
    }
    error = errno;
    if (error != ENOENT && error != ENOTDIR)
        leave_out(walk->find, FIND_REFUSED, folder, error);
    name_above(walk->find, folder);
}

void find_plain(struct find *find, const char *plain)
{
    struct pattern_parts pattern;
    struct walk walk = { .find = find, .pattern = &pattern };
    struct waiting *folder;

    if (!pattern_parts_make(plain, false, &pattern))
        return;
    begin(&walk);
    while ((folder = pop(&walk)) != NULL) {
        look_into(&walk, folder);
        free(folder);
    }
}

static void find_each(void *context, const char *plain)
{
    find_plain(context, plain);
}

void find_all(struct find *find, const char *pattern)
{
    (void)patterns_expand(pattern, find_each, find);
}
