/* SPDX-License-Identifier: Apache-2.0 */
/* aside: the lines that starts before this one died of, passed over without a look into them.
 * Threads: the reading's. */
#pragma once

#include "table.h"

/* What a file is called for base/in_hand.h; its records are stretches of bytes. */
uint64_t tail_aside_name(const struct tail_file *file);

/* How many of the bytes at file->read are before such lines; 0 if they begin with one. */
size_t tail_aside_clear(const struct sink *sink, const struct tail_file *file, size_t bytes);
/* Sets aside what of the bytes at file->read belongs to them. Returns how many bytes these are; 0:
 * they are not there any more. */
size_t tail_aside_take(struct sink *sink, const struct tail_file *file, const char *data,
                       size_t bytes);
