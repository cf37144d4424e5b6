/* SPDX-License-Identifier: Apache-2.0 */
/* sink: where a plugin's events go: through the processors of the reading, into its lanes. The
 * plugin's side of it is in plugins/plugin.h; this is the reading's side.
 * Threads: the reading's only, but for the two flags and the bell. */
#pragma once

#include "base/gate.h"
#include "flow/lane_parcel.h"
#include "flow/tap.h"
#include "input/set_aside.h"
#include "plugins/plugin.h"

enum { SINK_EVENTS = 512, SINK_SCRATCH = 256 * 1024 };

struct processor_instance {
    const struct processor *plugin;
    void *state;
};

struct sink {
    uint32_t magic;
    /* constant after start */
    const char *input;
    struct lane **lanes;
    const char **lane_outputs; /* names, for the log */
    size_t lane_count;
    struct processor_instance *processors;
    size_t processor_count;
    struct resource *resource; /* for events that bring none */
    bool rereadable;
    int64_t block_for_ms; /* 0: wait without end */
    int bell;
    int64_t (*on_wait)(void *context); /* settles meanwhile; when to call again, 0: no matter */
    void *on_wait_context;
    struct receipts *receipts; /* NULL: the input takes none */
    /* reading's thread only */
    struct receipt *receipt; /* of the read in progress; NULL: none open */
    struct event *events;
    size_t count;
    struct scratch scratch;
    int64_t waited_ms; /* in their source, the events of this read */
    struct set_aside aside;
    struct fatal {
        struct fatal_place place; /* from == to: none */
        struct set_aside aside;
        bool is_done;   /* it was passed over */
        bool is_behind; /* and a position behind it was taken */
    } fatal;
    struct left_out {
        struct amount filtered, malformed;
    } left_out;               /* by processors, of the part in hand; not counted yet */
    struct tap_view filtered; /* for who looks at what processors drop */
    bool refused;             /* stopping: events of this read were not taken */
    bool took_mark;           /* since the reading last looked */
    struct sink_parcel {
        bool is_open;
        enum parcel verdict;
        uint64_t id;
        struct receipt *receipt;
        struct amount filtered, malformed, aside; /* counted when the parcel is taken */
    } parcel;
    struct gate *gate;
    _Atomic bool is_offering; /* waits for room; of what was read a part is not in the lanes yet */
    /* set by main, which rings the bell then */
    _Atomic bool aborting;  /* the grace is over: waits end */
    _Atomic bool gives_way; /* a lane is to be taken out: waits end */
    _Atomic bool is_left;   /* behind: what it offers to is at its end */
};

enum { SINK_MAGIC = 0x51e4c0de };

/* For ever, if it is left behind: the reading's thread, where it comes back from a plugin. */
void sink_stand_if_left(struct sink *sink);
/* For sink_parcel.c: into the lanes of an open parcel. */
void sink_parcel_put(struct sink *sink);
void sink_show(const struct sink *sink, enum tap_stage stage);
/* Puts the run in parts, each as many events as the scratch has room for what processors add; for
 * `put` events and count are those of the part that are kept. */
void sink_process(struct sink *sink, struct amount *filtered, struct amount *malformed,
                  void (*put)(struct sink *sink));
void sink_count(struct sink *sink, enum flow flow, struct amount amount);

/* Of the run: see sink_aside.c. */
void sink_set_suspects_aside(struct sink *sink);
struct amount sink_take_fatal(struct sink *sink); /* of them the ones by body; not counted yet */

bool sink_init(struct sink *sink, struct err *err); /* allocates events and scratch */
void sink_fini(struct sink *sink);
