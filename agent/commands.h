/* SPDX-License-Identifier: Apache-2.0 */
/* commands: the table of subcommands, for main and for the man page. */
#pragma once

struct command {
    const char *name; /* NULL: the end of the table */
    int (*run)(int argc, char **argv);
    const char *doc;
};
extern const struct command commands[];
