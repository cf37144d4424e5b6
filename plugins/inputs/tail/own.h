/* SPDX-License-Identifier: Apache-2.0 */
/* own: the file that this agent's own log or standard output goes to. To read it would feed the
 * agent with what it says of its reading. */
#pragma once

#include "table.h"

struct tail;
struct tail_stat;
struct sink;

enum { TAIL_OWN = 2 };
struct tail_own {
    struct tail_identity files[TAIL_OWN]; /* as of the last scan; inode 0: none */
    bool is_told;
};

void tail_own_look(struct tail *tail);
/* Is it such a file, and not to be read? */
bool tail_own_is(const struct tail *tail, const struct tail_identity *identity);
/* Told once. */
bool tail_own_leaves_out(struct tail *tail, struct sink *sink, const char *path,
                         const struct tail_stat *stat);
