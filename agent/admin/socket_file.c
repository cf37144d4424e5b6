/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/socket_file.h"

#include "base/auto.h"
#include "base/file.h"
#include "ledger/live_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { FOLDER_MODE = 0755, HASH_DIGITS = 16 };

bool socket_file_path(const char *folder, const char *state_dir, char ret_path[PATH_MAX])
{
    char resolved[PATH_MAX], name[NAME_MAX];

    if (realpath(state_dir, resolved) == NULL)
        (void)snprintf(resolved, sizeof(resolved), "%s", state_dir);
    live_file_name(resolved, name);
    /* The hash alone: the path of a unix socket has room for about 100 bytes. */
    return snprintf(ret_path, PATH_MAX, "%s/%.*s.sock", folder, HASH_DIGITS, name) < PATH_MAX;
}

static bool lock_name(struct socket_file *file, struct err *err)
{
    char path[PATH_MAX];

    if (snprintf(path, sizeof(path), "%s.lock", file->path) >= (int)sizeof(path))
        return err_set(err, "the path of runtime_dir is too long");
    file->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (file->lock_fd < 0)
        return err_set(err, "cannot open '%s': %s", path, strerror(errno));
    if (flock(file->lock_fd, LOCK_EX | LOCK_NB) != 0)
        return err_set(err, "'%s' belongs to an agent that runs", file->path);
    return true;
}

/* Of a dead agent: the lock is ours. What is no socket is not ours to remove. */
static bool remove_stale(const char *path, struct err *err)
{
    struct stat info;

    if (lstat(path, &info) != 0)
        return errno == ENOENT || err_set(err, "cannot look at '%s': %s", path, strerror(errno));
    if (!S_ISSOCK(info.st_mode))
        return err_set(err, "'%s' is there and is no socket", path);
    if (unlink(path) != 0)
        return err_set(err, "cannot remove '%s': %s", path, strerror(errno));
    return true;
}

/* By way of the folder's descriptor, so that a long path has room. */
static bool fill_address(struct sockaddr_un *ret, int folder_fd, const char *path)
{
    const char *name = strrchr(path, '/') + 1;
    int bytes =
        snprintf(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d/%s", folder_fd, name);

    ret->sun_family = AF_UNIX;
    return bytes < (int)sizeof(ret->sun_path);
}

static bool bind_socket(struct socket_file *file, const char *folder, int backlog, struct err *err)
{
    AUTO(auto_close) int folder_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    if (folder_fd < 0 || !fill_address(&address, folder_fd, file->path))
        return err_set(err, "cannot open '%s': %s", folder, strerror(errno));
    file->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* The mode before the name: there is no moment in which others may connect. */
    if (file->fd < 0 || fchmod(file->fd, 0600) != 0 ||
        bind(file->fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(file->fd, backlog) != 0)
        return err_set(err, "cannot listen on '%s': %s", file->path, strerror(errno));
    return true;
}

bool socket_file_open(struct socket_file *ret, const char *folder, const char *state_dir,
                      int backlog, struct err *err)
{
    *ret = (struct socket_file){ .fd = -1, .lock_fd = -1 };
    if (!socket_file_path(folder, state_dir, ret->path))
        return err_set(err, "the path of runtime_dir is too long");
    if (file_make_dirs(folder, FOLDER_MODE, err) && lock_name(ret, err) &&
        remove_stale(ret->path, err) && bind_socket(ret, folder, backlog, err))
        return true;
    auto_close(&ret->fd);
    auto_close(&ret->lock_fd);
    ret->path[0] = '\0';
    return false;
}

void socket_file_close(struct socket_file *file)
{
    if (file->lock_fd >= 0 && file->path[0] != '\0')
        (void)unlink(file->path); /* the lock file stays: removing it would race with a new start */
    auto_close(&file->fd);
    auto_close(&file->lock_fd);
    file->path[0] = '\0';
}
