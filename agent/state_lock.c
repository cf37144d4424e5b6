/* SPDX-License-Identifier: Apache-2.0 */
#include "state_lock.h"

#include "base/auto.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static bool make_folders(const char *dir, struct err *err)
{
    char path[PATH_MAX];

    if (snprintf(path, sizeof(path), "%s/checkpoints", dir) >= (int)sizeof(path))
        return err_set(err, "state_dir '%s' is too long", dir);
    return file_make_dirs(path, 0750, err);
}

int state_lock(const char *dir, struct err *err)
{
    char path[PATH_MAX];
    AUTO(buf_fini) struct buf pid = { .limit = 32 };
    struct err ignored;

    if (!make_folders(dir, err))
        return -1;
    (void)snprintf(path, sizeof(path), "%s/pid", dir);
    /* The folder itself is locked: that needs no room on a full disk. */
    AUTO(auto_close) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        (void)err_set(err, "cannot open state_dir '%s': %s", dir, strerror(errno));
        return -1;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        (void)file_read(path, &pid, &ignored);
        (void)err_set(err,
                      "another agent (pid %.*s) uses state_dir '%s': stop it, or give this one "
                      "a state_dir of its own",
                      (int)strcspn(buf_slice(&pid).data, "\n"), buf_slice(&pid).data, dir);
        return -1;
    }
    (void)buf_printf(&pid, "%ld\n", (long)getpid());
    (void)file_replace(path, buf_slice(&pid), false, &ignored);
    return auto_keep_fd(&fd);
}
