/* SPDX-License-Identifier: Apache-2.0 */
/* json_add: JSON appended to a buf, off the hot path: members of objects and items of lists, with
 * the commas where they belong. Numbers are written by hand and not with cJSON, whose numbers are
 * doubles: counters would lose their last digits. key NULL: an item of a list.
 * The buf stays failed once it is: the caller asks once, at the end. */
#pragma once

#include "base/buf.h"

void json_add_key(struct buf *ret, const char *key); /* what follows is written by the caller */
void json_add_text(struct buf *ret, const char *key, const char *text); /* at most 4 KiB of it */
void json_add_count(struct buf *ret, const char *key, uint64_t count);
void json_add_integer(struct buf *ret, const char *key, int64_t integer);
void json_add_real(struct buf *ret, const char *key, double real);
void json_add_flag(struct buf *ret, const char *key, bool flag);
void json_open(struct buf *ret, const char *key, char bracket); /* '{' or '[' */
void json_close(struct buf *ret, char bracket);                 /* '}' or ']' */
