/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/man_commands.h"

#include "base/auto.h"
#include "base/man.h"
#include "cli/help_of.h"

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
        if (!help_of(command, &help, err))
            return false;
        (void)buf_printf(ret, ".SH \"SPILLWAY %s\"\n", command->name);
        man_add_help(ret, buf_slice(&help));
    }
    (void)buf_add_text(ret, ".SH \"SEE ALSO\"\nspillway.yaml(5), spillway\\-ledger(7)\n");
    return !ret->failed || err_set(err, "out of memory");
}
