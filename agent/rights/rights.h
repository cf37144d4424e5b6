/* SPDX-License-Identifier: Apache-2.0 */
/* rights: what the agent may do, from its start to its end: only ever less.
 * Life: begin (before anything is opened) → drop (what is there from the start is open, and there
 * is one thread) → end. With agent.sandbox: no, nothing is dropped. Threads: main. */
#pragma once

#include "rights/command_list.h"
#include "rights/needs.h"

struct rights {
    struct command_list commands;
    struct starter starter;
    bool is_dropped;
    struct needs needs;                                    /* what it was dropped to */
    uint64_t held, kept;                                   /* capabilities, before and after */
    int landlock;                                          /* version; 0: the kernel has none */
    char no_capset[256], no_landlock[256], no_filter[256]; /* why not; "": it is in force */
};

/* Forks the process that starts children, if the configuration has a command. false: err says why.
 */
bool rights_begin(struct rights *ret, const struct settings *settings, struct err *err);
/* live_file: of the books; "": there is none. folders: others that are written in, and that the
 * settings do not name. Says in the log what is left. What this
 * kernel cannot do is no reason not to start. false: err says why. */
bool rights_drop(struct rights *rights, const struct settings *settings, const char *live_file,
                 const char *const *folders, size_t count, struct err *err);
/* Is what is left enough for this configuration? Appends a line for each thing that is missing. */
bool rights_cover(const struct rights *rights, const struct settings *settings,
                  struct buf *ret_problems);
/* NULL: no child can be started. */
const struct starter *rights_starter(const struct rights *rights);
/* Ends the children that are left. */
void rights_end(struct rights *rights);
