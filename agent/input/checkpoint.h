/* SPDX-License-Identifier: Apache-2.0 */
/* checkpoint: the settled positions of one reading, as a file: a head line with version, CRC-32 and
 * length, then the plugin's own text. Damage is found, and the previous copy is used instead.
 * Positions are of one type of input: where another type has its own under the names of input and
 * output, a type has a file beside, so each goes on where it was when it comes back. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

/* state_dir/checkpoints/INPUT@OUTPUT. false: the path is too long. */
bool checkpoint_path(const char *state_dir, const char *input, const char *output, char *ret_path,
                     size_t room);
/* The same for that type of input: what another type wrote there is left to it, and
 * INPUT@OUTPUT@TYPE is used instead. */
bool checkpoint_path_of(const char *state_dir, const char *input, const char *output,
                        const char *type, char *ret_path, size_t room);
/* "tail" of a text that begins with "spillway-tail "; empty: it does not say. */
struct slice checkpoint_type(struct slice text);
bool checkpoint_wrap(struct slice text, struct buf *ret);
/* The plugin's text in a wrapped one. false: damaged, err says how. */
bool checkpoint_unwrap(struct slice file, struct slice *ret_text, struct err *err);

enum checkpoint_found {
    CHECKPOINT_NONE,
    CHECKPOINT_READ,
    CHECKPOINT_PREVIOUS,
    CHECKPOINT_DAMAGED,
    CHECKPOINT_UNREAD, /* for want of memory or descriptors: it may well be whole */
};
/* Reads path, else path.previous. ret_text points into ret_file. err: what was wrong with the
 * first. */
enum checkpoint_found checkpoint_read(const char *path, struct buf *ret_file,
                                      struct slice *ret_text, struct err *err);
