/* SPDX-License-Identifier: Apache-2.0 */
/* command_list: which processes the agent may start, fixed at its start.
 * Promise: without a command in the configuration there is no way to start any. With agent.sandbox
 * only these can be started, word for word, with this environment. Threads: main. */
#pragma once

#include "children/starter.h"
#include "config/settings.h"

struct command_list {
    struct buf requests; /* one after the other, as the starter knows them */
    size_t *ends;        /* of each */
    size_t count;
};

/* Forks the starter if the configuration has a command; else *ret_starter is none. Call it before
 * the first thread. false: err says why. */
bool command_list_start(struct command_list *ret, const struct settings *settings,
                        struct starter *ret_starter, struct err *err);
void command_list_fini(struct command_list *commands);

/* Can all that this configuration wants to run be run? Appends a line for each that cannot. */
bool command_list_cover(const struct command_list *commands, const struct settings *settings,
                        struct buf *ret_problems);
