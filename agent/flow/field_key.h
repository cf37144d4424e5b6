/* SPDX-License-Identifier: Apache-2.0 */
/* field_key: the value of a field as something to tell events apart by: the text of a class, the
 * hash of a key. The hash has no seed: what is kept on one host is kept on all. */
#pragma once

#include "event/event.h"

enum { FIELD_KEY_BYTES = 40 };

/* Numbers are written into `room`, texts are borrowed; trace_id is its 16 bytes. Nothing: the event
 * has no such field, or an empty one. */
struct slice field_key_text(const struct event *event, struct slice field,
                            char room[FIELD_KEY_BYTES]);
uint64_t field_key_hash(struct slice text); /* even over all 64 bits */
