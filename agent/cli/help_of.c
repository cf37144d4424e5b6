/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/help_of.h"

#include "base/auto.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static bool read_all(int fd, struct buf *ret)
{
    char piece[4096];
    ssize_t bytes;

    if (lseek(fd, 0, SEEK_SET) != 0)
        return false;
    while ((bytes = read(fd, piece, sizeof(piece))) > 0)
        (void)buf_add(ret, piece, (size_t)bytes);
    return bytes == 0 && !ret->failed;
}

/* The commands read their words with getopt, which remembers where it was. */
static int run_help(const struct command *command)
{
    char name[32], option[] = "--help";
    char *words[] = { name, option, NULL };

    (void)snprintf(name, sizeof(name), "%s", command->name);
    optind = 0;
    return command->run(2, words);
}

bool help_of(const struct command *command, struct buf *ret, struct err *err)
{
    AUTO(auto_close) int file = memfd_create("help", MFD_CLOEXEC);
    AUTO(auto_close) int out = dup(STDOUT_FILENO);

    if (file < 0 || out < 0 || fflush(stdout) != 0 || dup2(file, STDOUT_FILENO) < 0)
        return err_set(err, "cannot read the help of %s: %s", command->name, strerror(errno));
    int code = run_help(command);
    bool is_written = fflush(stdout) == 0;
    if (dup2(out, STDOUT_FILENO) < 0 || !is_written || code != 0 || !read_all(file, ret))
        return err_set(err, "cannot read the help of %s: it ended with %d", command->name, code);
    return true;
}
