/* SPDX-License-Identifier: Apache-2.0 */
#include "children/starter.h"

#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { END_MOST_MS = 2000 };

bool starter_start(struct starter *ret, const struct starter_config *config, struct err *err)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return err_set(err, "cannot make a pair of sockets: %s", strerror(errno));
    pid_t pid = fork();
    if (pid == 0)
        starter_loop(ends[1], config);
    int error = errno;
    (void)close(ends[1]);
    if (pid < 0) {
        (void)close(ends[0]);
        return err_set(err, "cannot fork the process that starts children: %s", strerror(error));
    }
    *ret = (struct starter){ .fd = ends[0], .pid = pid };
    return true;
}

void starter_stop(struct starter *starter)
{
    if (starter->pid == 0)
        return;
    (void)close(starter->fd);
    int pidfd = (int)syscall(SYS_pidfd_open, starter->pid, 0);
    if (pidfd >= 0) {
        struct pollfd end = { .fd = pidfd, .events = POLLIN };
        (void)poll(&end, 1, END_MOST_MS);
        (void)close(pidfd);
    }
    (void)waitpid(starter->pid, NULL, pidfd >= 0 ? WNOHANG : 0);
    *starter = (struct starter){ .fd = -1 };
}
