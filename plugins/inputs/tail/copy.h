/* SPDX-License-Identifier: Apache-2.0 */
/* copy: rotation that copies a file to app.log.1 and then cuts app.log off (copytruncate), where
 * the globs match the copy too. A newcomer under a rotated name of a live file is compared with it,
 * by content: while it is the begin of that file it is not read; once the file is cut off it goes
 * on where the file was, so what was read does not come twice and what was not is not lost. In
 * doubt a file is read; so is a copy of content that was replaced twice between two looks.
 * Threads: none; the reading's. */
#pragma once

#include "state.h"

enum tail_copy {
    TAIL_COPY_NOT,  /* a file of its own, as far as anyone can tell */
    TAIL_COPY_WAIT, /* may be one: not to be read now */
    TAIL_COPY_TAKEN /* was one: takes the place of what its file was */
};
/* For a file of which nothing was read. Not while the live file is being read. */
enum tail_copy tail_copy_judge(struct tail *tail, struct sink *sink, struct tail_file *file);
/* In a round of the reader: is the file to be left alone? ret_again: only for a moment. */
bool tail_copy_is_held(struct tail *tail, struct sink *sink, struct tail_file *file,
                       bool *ret_again);
/* The file was cut off, its last positions are in `cut`. Returns how many bytes behind them are in
 * copies, and will come from there. */
uint64_t tail_copy_take_over(struct tail *tail, struct sink *sink, struct tail_file *file);
/* The file has become shorter before anything of it was read, which a cursor cannot tell from a
 * cut. Was it copied? Then it is renewed, and what it was comes from the copy. */
bool tail_copy_take_unread(struct tail *tail, struct sink *sink, struct tail_file *live);
