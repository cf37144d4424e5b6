/* SPDX-License-Identifier: Apache-2.0 */
/* pipeline: the flow, built from the settings: readings, lanes, batch workers, senders.
 * Threads: main, but for pipeline_is_alive(): any. */
#pragma once

#include "base/disk.h"
#include "base/err.h"
#include "generation.h"
#include "ledger/ledger.h"
#include "spools.h"

struct pipeline;
struct starter;

/* Opens and starts everything, and takes the spools. `bell` is rung when a source came to its end.
 * starter: of the children of inputs; NULL: none has a command. NULL: err says what. */
struct pipeline *pipeline_start(struct generation *generation, struct ledger *ledger,
                                struct disk *disk, int bell, struct spools *spools,
                                const struct starter *starter, struct err *err);
/* How long a change may wait for threads to stand still. */
struct patience {
    int64_t deadline_ms;            /* clock_now_ms() */
    bool (*is_over)(void *context); /* the agent is to stop: do not wait any longer */
    void *context;
};
/* Goes over to that configuration, part by part: what is the same in both stays untouched. false:
 * nothing has changed, err says why. */
bool pipeline_change(struct pipeline *pipeline, struct generation *next,
                     const struct patience *patience, struct err *err);
/* What a change took out drains meanwhile: a step of it. Returns when to come again. */
int64_t pipeline_tend(struct pipeline *pipeline, int64_t now_ms);
/* Puts a question about their sources to all readings. */
struct sources_ask;
void pipeline_ask(struct pipeline *pipeline, struct sources_ask *question);
/* Every owner compares what it holds with the books. */
void pipeline_audit(struct pipeline *pipeline);
/* Looks at what holds each output up. Returns when to look again. */
int64_t pipeline_watch(struct pipeline *pipeline, int64_t now_ms);
/* All sources came to their end by themselves. */
bool pipeline_is_idle(const struct pipeline *pipeline); /* it has no outputs, so nothing is read */
bool pipeline_has_ended(const struct pipeline *pipeline);
/* No thread is stuck: each passed a step lately, or sleeps within its deadline. false: who is, and
 * for how long, is in ret_who. */
bool pipeline_is_alive(struct pipeline *pipeline, int64_t now_ms, struct err *ret_who);

void pipeline_drain(struct pipeline *pipeline);            /* stop reading, send what is there */
bool pipeline_is_drained(const struct pipeline *pipeline); /* nothing is held any more */
/* Ends all threads; what is left goes back to its source or is counted; positions are handed to the
 * disk thread. false: a thread is left behind, which the kernel does not let go of: nothing that it
 * may look at is to be freed. */
bool pipeline_stop(struct pipeline *pipeline);
void pipeline_free(struct pipeline **pipelinep);
