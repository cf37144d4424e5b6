/* SPDX-License-Identifier: Apache-2.0 */
/* reading: one running instance of an input: a thread, a position, its processors, its lanes.
 * Waits, collects, offers, and moves its checkpoint over reads whose events are all settled.
 * Life: new → (lanes are made, they ring its bell) → start → stop_input (reads no more, lives on
 * for its receipts) → abort (waits for lanes end) → finish (joins; the last checkpoint is handed
 * over) → free. */
#pragma once

#include "base/disk.h"
#include "base/gate.h"
#include "flow/lane.h"
#include "plugins/plugin.h"

struct reading;

struct reading_processor {
    const struct processor *plugin;
    const void *config;
    const char *name;
};

struct reading_config {
    const char *input;
    const struct input *plugin;
    const void *plugin_config;
    const struct attribute *base; /* of all its resources: host.name … */
    size_t base_count;
    const struct reading_processor *processors;
    size_t processor_count;
    const char *output; /* names the checkpoint, for inputs that can be read again */
    const char *state_dir;
    struct disk *disk;
    int64_t interval_ms, block_for_ms;
    size_t max_event_bytes, buffer_bytes;
    const struct starter *starter;  /* NULL: no input has a command */
    struct kept_counts *kept;       /* NULL: none */
    void (*on_done)(void *context); /* the source is at its end; any thread */
    void *on_done_context;
};

/* Opens plugin and processors, restores the checkpoint. NULL: err says why. */
struct reading *reading_new(const struct reading_config *config, struct err *err);
/* For lane_config.on_room. */
void reading_ring(void *reading);
/* The lanes are borrowed and outlive the reading's thread. */
bool reading_start(struct reading *reading, struct lane **lanes, const char **outputs, size_t count,
                   struct err *err);
void reading_stop_input(struct reading *reading);
bool reading_has_stopped_input(struct reading *reading); /* it has offered its last event */
bool reading_is_done(struct reading *reading);           /* the source ended by itself */
void reading_abort(struct reading *reading);
/* After reading_abort(): returns when the thread offers no more. false: clock_now_ms() is
 * deadline_ms and it does, as the kernel does not let go of it. */
bool reading_await_stop(struct reading *reading, int64_t deadline_ms);
/* Then, where the process is about to end: whenever the thread comes back it stands still. It is
 * not to be finished, and nothing that it has is to be freed. */
void reading_leave_behind(struct reading *reading);
bool reading_is_left(struct reading *reading);
void reading_end(struct reading *reading); /* what reading_finish() waits for may begin */
void reading_finish(struct reading *reading);
bool reading_has_thread(const struct reading *reading);
void reading_free(struct reading **readingp);

/* For a change: what is needed is opened beside; then the gate is shut, reading_nudge(), and while
 * the thread stands there, reading_commit(). Positions, receipts and lanes stay. NULL: err says
 * why. */
struct reading_change;
struct reading_change *reading_prepare(struct reading *reading, const struct reading_config *config,
                                       struct err *err);
void reading_change_free(struct reading_change **changep);
struct gate *reading_gate(struct reading *reading);
void reading_nudge(struct reading *reading);
/* While it stands: is it in the middle of a read, whose events wait for room? */
bool reading_is_offering(struct reading *reading);
/* It is to lose a lane: what waits for room there waits no more, and is dropped and counted. */
void reading_give_way(struct reading *reading, bool gives_way);
/* Between two reads: the plugin goes over to the change, or with false back again (that cannot
 * fail). */
bool reading_try_change(struct reading *reading, struct reading_change *change, bool forward,
                        struct err *err);
/* Returns whether it is done: in the middle of a read the thread takes it up by itself when that
 * read is over, and until then what the config before points to is in use. */
bool reading_commit(struct reading *reading, struct reading_change **changep);
bool reading_is_changing(struct reading *reading); /* a change is not taken up yet */
/* While it stands: the lanes are others. In the middle of a read those before are still there, in
 * their places. */
void reading_set_lanes(struct reading *reading, struct lane **lanes, const char **outputs,
                       size_t count);
/* While it stands and has stopped: its lanes go to another one; it lives on for its receipts. What
 * is not delivered of it in the end is dropped: the other one does not read it again. */
void reading_leave_lanes(struct reading *reading);
/* Reads on after reading_stop_input(). */
void reading_go_on(struct reading *reading);
bool reading_is_settled(struct reading *reading);           /* stopped, and no receipt is open */
struct receipts *reading_receipts(struct reading *reading); /* NULL: it takes none */
/* For the watchdog: its last step, or when its rest is over; it always has an end. */
int64_t reading_last_step_ms(struct reading *reading);
/* Puts a question about its sources to it; the answer comes in its own thread. Threads: main. */
struct sources_ask;
void reading_ask(struct reading *reading, struct sources_ask *question);
