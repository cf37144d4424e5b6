/* SPDX-License-Identifier: Apache-2.0 */
/* channel: one reading with its lanes, as it runs. An input that can be read again has one for each
 * output, so that waiting for one never holds another; others have one with a lane for each output.
 * A channel that leaves reads no more; its lanes drain. Without a reading it only has lanes that
 * drain. Without lanes, which went to another channel, it lingers for its receipts. Threads: main.
 */
#pragma once

#include "base/disk.h"
#include "generation.h"
#include "input/reading.h"
#include "outlet.h"

enum channel_state {
    CHANNEL_NEW, /* made for a change that is not committed */
    CHANNEL_READS,
    CHANNEL_LEAVES,  /* until its lanes are empty, or its deadline: may come back until then */
    CHANNEL_SETTLES, /* its lanes are taken out; batches still point to its receipts */
    CHANNEL_LINGERS, /* its lanes are in other channels; until its receipts are settled, or it comes
                        back */
};

/* A lane, and where it goes. */
struct strand {
    struct outlet *outlet;
    struct lane *lane;
    struct class_weight *weights;
    struct generation *from; /* whose options the lane has */
    bool is_new, is_wanted;  /* made for, and wanted by, the change that is being prepared */
    bool is_taken_out;       /* its outlet does not know the lane any more */
    int64_t mixed_boot_ms;   /* what was admitted until then is of an input of another type, and
                                cannot be read again; 0: nothing is */
    /* Prepared, not committed: NULL, 0: nothing. */
    struct channel *next_channel; /* which takes it over */
    struct channel *stray;        /* which it drains in, as its own loses it */
    struct lane_change *change;
    struct class_weight *next_weights;
    size_t limit_bytes;
};

struct channel_setup {       /* what the reading is made of */
    struct generation *from; /* NULL: nothing */
    struct attribute *base;
    struct reading_processor *processors;
};

struct channel {
    char input[LEDGER_NAME];
    char output[LEDGER_NAME]; /* by which its positions are named, if it can be read again */
    bool is_rereadable;
    enum channel_state state;
    int64_t deadline_ms;     /* CHANNEL_LEAVES */
    struct reading *reading; /* NULL: none any more */
    size_t part;             /* of setup.from */
    struct channel_setup setup;
    struct channel_setup before; /* in use until the reading has taken up its change */
    struct strand *strands[LEDGER_OUTPUTS];
    size_t strand_count;
    struct lane *lanes[LEDGER_OUTPUTS]; /* of the strands, for the reading */
    const char *outputs[LEDGER_OUTPUTS];
    bool is_wanted;     /* by the change that is being prepared */
    bool changes_lanes; /* strands come or go */
    bool is_stopped;    /* for the change that is being prepared */
    bool is_aborted;    /* its time to leave is over: of its last read a part may be missing */
    /* Prepared, not committed. */
    struct reading_change *change;
    size_t next_part;
    struct channel_setup next;
};

/* What all channels share. */
struct channel_place {
    struct ledger *ledger;
    struct disk *disk;
    const char *hostname;
    const struct starter *starter;  /* NULL: no input has a command */
    struct kept_counts *kept;       /* NULL: none */
    void (*on_done)(void *context); /* a source is at its end; any thread */
    void *context;
};

/* Opens the reading; `output` names the positions of one that can be read again. NULL: err set. */
struct channel *channel_open(const struct channel_place *place, struct generation *generation,
                             size_t part, const char *output, struct err *err);
/* Without a reading: for lanes that are left over. NULL: out of memory. */
struct channel *channel_of_strays(const char *input);
void channel_free(struct channel **channelp);

/* A new lane to that outlet. NULL: err set. */
struct strand *channel_add(struct channel *channel, const struct channel_place *place,
                           struct generation *generation, size_t part, struct outlet *outlet,
                           const struct settings_part *output, struct err *err);
const struct plugin_type *channel_type(const struct channel *channel); /* it has a reading */
struct strand *channel_find(const struct channel *channel, const struct outlet *outlet);
/* Hands a strand over to another channel, at its end. */
void channel_give(struct channel *from, struct strand *strand, struct channel *to);
void strand_free(struct strand **strandp); /* its lane is empty */
/* After strands were added or taken: what the reading is told. */
void channel_list_lanes(struct channel *channel);

/* What the configuration would change: prepared beside. false: err says why it cannot be. */
bool channel_prepare(struct channel *channel, const struct channel_place *place,
                     struct generation *next, size_t part, struct err *err);
bool strand_prepare(struct channel *channel, struct strand *strand, struct generation *next,
                    size_t part, const struct settings_part *output, struct err *err);
void channel_forget_change(struct channel *channel); /* nothing came of it */
void channel_forget_new(struct channel *channel);    /* and of the lanes that were added */
bool channel_must_stand(const struct channel *channel);
void channel_settle_change(struct channel *channel); /* lets go of what is not in use any more */
/* While all threads that it concerns stand. */
void channel_commit(struct channel *channel, struct generation *next);
