/* SPDX-License-Identifier: Apache-2.0 */
/* sources: a question to all readings, what their inputs know of their sources, and the answer as
 * JSON. Each reading answers in its own thread, between two steps or while it waits for a lane.
 * Promise: whoever asks waits at most as long as it wants to: a reading that is stuck is named in
 * the answer instead. The answer is bounded, and says how many sources were left out.
 * Threads: one asks and takes the answer; one puts the question to the readings; these answer. A
 * question lives until the last of them has let go of it. */
#pragma once

#include "plugins/plugin.h"

enum { SOURCES_FORMAT = 1, SOURCES_BYTES = 1 << 20 };

/* Which sources; zeroed: all. A source is one of them if either fits. */
struct sources_query {
    bool has_file, has_name;
    uint64_t device, inode; /* as in struct source_account */
    uint32_t name_sum;      /* CRC-32C of its name */
};

struct sources_ask;

struct sources_ask *sources_ask_new(const struct sources_query *query); /* NULL: no memory */
struct sources_ask *sources_ask_hold(struct sources_ask *ask);          /* one more owner */
void sources_ask_release(struct sources_ask **askp);

/* For who puts the question: how many readings there are, then each of them, before it gets the
 * question; then the end. false: no memory, do not ask it. */
void sources_ask_begin(struct sources_ask *ask, size_t readings);
bool sources_ask_expect(struct sources_ask *ask, const char *input, const char *output);
void sources_ask_end(struct sources_ask *ask);

/* For a reading; plugin may be one that knows of no sources. */
void sources_ask_answer(struct sources_ask *ask, const char *input, const char *output,
                        const struct input *plugin, void *state);

/* Waits until all have answered, at most so long. Appends the page. What comes later is forgotten.
 * false: ret is full, or memory is short. */
bool sources_ask_take(struct sources_ask *ask, int64_t timeout_ms, struct buf *ret);

/* A page of the same form of what the checkpoints in a state directory say; inputs: of the catalog,
 * ends with NULL. */
bool sources_recall(const char *state_dir, const struct plugin_type *const *inputs,
                    const struct sources_query *query, struct buf *ret);
