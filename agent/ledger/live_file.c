/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/live_file.h"

#include "base/auto.h"
#include "base/file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>

/* 0700 and 0600 would keep `spillway top` from operators: there are no events in the books. */
enum { FOLDER_MODE = 0755, FILE_MODE = 0644, TAIL_BYTES = 48 };

void live_file_name(const char *state_dir, char ret_name[NAME_MAX])
{
    size_t bytes = strlen(state_dir);
    const char *tail = bytes > TAIL_BYTES ? state_dir + bytes - TAIL_BYTES : state_dir;
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

    for (const char *c = state_dir; *c != '\0'; c++)
        hash = (hash ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
    while (*tail == '/')
        tail++;
    int length = snprintf(ret_name, NAME_MAX, "%016llx-%s.books", (unsigned long long)hash, tail);
    for (int i = 0; i < length; i++) {
        if (!isalnum((unsigned char)ret_name[i]) && ret_name[i] != '.')
            ret_name[i] = '-';
    }
}

/* ---- folders that will do ---- */

/* Looks at the nearest folder that exists, so that nothing is made where it is not wanted. */
static bool check_tmpfs(const char *folder, struct err *err)
{
    char path[PATH_MAX];
    struct statfs info;

    if (snprintf(path, sizeof(path), "%s", folder) >= (int)sizeof(path))
        return err_set(err, "the path of runtime_dir is too long");
    while (statfs(path, &info) != 0) {
        char *slash = strrchr(path, '/');
        if (errno != ENOENT || slash == NULL)
            return err_set(err, "cannot look at '%s': %s", path, strerror(errno));
        slash[slash == path ? 1 : 0] = '\0';
    }
    if (info.f_type == TMPFS_MAGIC || info.f_type == RAMFS_MAGIC)
        return true;
    return err_set(err, "'%s' is not on tmpfs", folder);
}

/* false: the books of that path are those of an agent that runs. A missing file is free. */
static bool is_free(const char *path, bool *ret_exists)
{
    AUTO(auto_close)
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    *ret_exists = fd >= 0 || errno != ENOENT;
    return fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
}

/* ---- the file ---- */

static bool map_file(struct live_file *live, struct err *err)
{
    size_t bytes = sizeof(struct books_file);

    (void)unlink(live->tmp); /* of a start that died while starting */
    live->fd = open(live->tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
    if (live->fd < 0)
        return err_set(err, "cannot create '%s': %s", live->tmp, strerror(errno));
    if (flock(live->fd, LOCK_EX | LOCK_NB) != 0)
        return err_set(err, "cannot lock '%s': %s", live->tmp, strerror(errno));
    /* All of it now: a page that cannot be had later would be a SIGBUS at an add. */
    int failed = posix_fallocate(live->fd, 0, (off_t)bytes);
    if (failed != 0)
        return err_set(err, "no room for '%s': %s", live->tmp, strerror(failed));
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, live->fd, 0);
    if (memory == MAP_FAILED)
        return err_set(err, "cannot map '%s': %s", live->tmp, strerror(errno));
    live->books = memory;
    return true;
}

static bool try_folder(struct live_file *live, const char *folder, const char *name,
                       struct err *err)
{
    bool exists = false;

    if (!check_tmpfs(folder, err))
        return false;
    if (snprintf(live->path, sizeof(live->path), "%s/%s", folder, name) >= PATH_MAX ||
        snprintf(live->tmp, sizeof(live->tmp), "%s.tmp", live->path) >= PATH_MAX)
        return err_set(err, "the path of runtime_dir is too long");
    if (!is_free(live->path, &exists))
        return err_set(err, "'%s' belongs to an agent that runs", live->path);
    if (exists && live->predecessor[0] == '\0')
        memcpy(live->predecessor, live->path, sizeof(live->path));
    if (!file_make_dirs(folder, FOLDER_MODE, err))
        return false;
    if (map_file(live, err))
        return true;
    if (live->fd >= 0)
        (void)unlink(live->tmp);
    auto_close(&live->fd);
    return false;
}

bool live_file_user_folder(unsigned which, unsigned uid, char ret_folder[PATH_MAX])
{
    const char *base = getenv("XDG_RUNTIME_DIR");

    if (which == 0)
        return base != NULL && base[0] == '/' &&
               snprintf(ret_folder, PATH_MAX, "%s/spillway", base) < PATH_MAX;
    (void)snprintf(ret_folder, PATH_MAX, "/run/user/%u/spillway", uid);
    return which == 1;
}

/* The user's own runtime directory, where the system's is not for us. */
static bool try_users_folders(struct live_file *live, const char *name)
{
    char folder[PATH_MAX];
    struct err unused;

    if (live_file_user_folder(0, geteuid(), folder) && try_folder(live, folder, name, &unused))
        return true;
    (void)snprintf(folder, sizeof(folder), "/run/user/%u", (unsigned)geteuid());
    if (access(folder, W_OK) != 0) /* made by the login manager, not by us */
        return false;
    return live_file_user_folder(1, geteuid(), folder) && try_folder(live, folder, name, &unused);
}

static void forget_name(struct live_file *live, const char *why)
{
    live->path[0] = '\0';
    live->tmp[0] = '\0';
    (void)snprintf(live->place, sizeof(live->place), "anonymous memory: %s", why);
}

bool live_file_open(struct live_file *ret, const struct ledger_config *config, const char *name,
                    struct err *err)
{
    struct err why = { "" };

    memset(ret, 0, sizeof(*ret));
    ret->fd = -1;
    if (try_folder(ret, config->runtime_dir, name, &why) ||
        (config->runtime_dir_is_default && try_users_folders(ret, name))) {
        (void)snprintf(ret->place, sizeof(ret->place), "file %s", ret->path);
        return true;
    }
    void *memory = mmap(NULL, sizeof(struct books_file), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return err_set(err, "no memory for the books: %s", strerror(errno));
    ret->books = memory;
    forget_name(ret, why.text);
    return true;
}

void live_file_publish(struct live_file *live)
{
    struct err why;

    if (live->path[0] == '\0' || rename(live->tmp, live->path) == 0)
        return;
    (void)err_set(&why, "cannot rename '%s': %s", live->tmp, strerror(errno));
    (void)unlink(live->tmp);
    forget_name(live, why.text);
}

void live_file_close(struct live_file *live)
{
    if (live->books != NULL)
        (void)munmap(live->books, sizeof(*live->books));
    live->books = NULL;
    auto_close(&live->fd);
}
