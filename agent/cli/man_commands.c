/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/man_commands.h"

#include "base/auto.h"
#include "base/man.h"
#include "commands.h"

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

static bool take_help(const struct command *command, struct buf *ret, struct err *err)
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

static void add_names(struct buf *ret)
{
    (void)buf_add_text(ret, ".TH SPILLWAY 1 \"\" \"Spillway " SPILLWAY_VERSION "\" \"Spillway\"\n"
                            ".SH NAME\nspillway \\- ships this host's logs and metrics, and says "
                            "where every event went\n"
                            ".SH SYNOPSIS\n\\fBspillway\\fR \\fICOMMAND\\fR [\\fIoptions\\fR]\n"
                            ".SH COMMANDS\n");
    for (const struct command *command = commands; command->name != NULL; command++) {
        (void)buf_printf(ret, ".TP\n\\fB%s\\fR\n", command->name);
        man_add(ret, slice_of(command->doc));
        (void)buf_add_text(ret, "\n");
    }
}

bool man_commands(struct buf *ret, struct err *err)
{
    add_names(ret);
    for (const struct command *command = commands; command->name != NULL; command++) {
        AUTO(buf_fini) struct buf help = { 0 };
        if (!take_help(command, &help, err))
            return false;
        (void)buf_printf(ret, ".SH \"SPILLWAY %s\"\n", command->name);
        man_add_help(ret, buf_slice(&help));
    }
    (void)buf_add_text(ret, ".SH \"SEE ALSO\"\nspillway.yaml(5)\n");
    return !ret->failed || err_set(err, "out of memory");
}
