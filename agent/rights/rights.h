/* SPDX-License-Identifier: Apache-2.0 */
/* rights: what the agent may do, from its start to its end: only ever less.
 * Life: begin (before anything is opened) → end. Threads: main. */
#pragma once

#include "rights/command_list.h"

struct rights {
    struct command_list commands;
    struct starter starter;
};

/* Forks the process that starts children, if the configuration has a command. false: err says why.
 */
bool rights_begin(struct rights *ret, const struct settings *settings, struct err *err);
/* Is what is left enough for this configuration? Appends a line for each thing that is missing. */
bool rights_cover(const struct rights *rights, const struct settings *settings,
                  struct buf *ret_problems);
/* NULL: no child can be started. */
const struct starter *rights_starter(const struct rights *rights);
/* Ends the children that are left. */
void rights_end(struct rights *rights);
