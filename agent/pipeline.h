/* SPDX-License-Identifier: Apache-2.0 */
/* pipeline: the flow, built from the settings: readings, lanes, batch workers, senders.
 * Threads: main only. */
#pragma once

#include "base/disk.h"
#include "base/err.h"
#include "config/settings.h"
#include "ledger/ledger.h"
#include "spools.h"

struct pipeline;

/* Opens and starts everything, and takes the spools. `bell` is rung when a source came to its end.
 * NULL: err says what.
 */
struct pipeline *pipeline_start(const struct settings *settings, struct ledger *ledger,
                                struct disk *disk, int bell, struct spools *spools,
                                struct err *err);
/* Puts a question about their sources to all readings. */
struct sources_ask;
void pipeline_ask(struct pipeline *pipeline, struct sources_ask *question);
/* Every owner compares what it holds with the books. */
void pipeline_audit(struct pipeline *pipeline);
/* Looks at what holds each output up. Returns when to look again. */
int64_t pipeline_watch(struct pipeline *pipeline, int64_t now_ms);
/* All sources came to their end by themselves. */
bool pipeline_has_ended(const struct pipeline *pipeline);
/* No thread is stuck: each passed a step lately, or sleeps within its deadline. */
bool pipeline_is_alive(const struct pipeline *pipeline, int64_t now_ms);

void pipeline_drain(struct pipeline *pipeline);            /* stop reading, send what is there */
bool pipeline_is_drained(const struct pipeline *pipeline); /* nothing is held any more */
/* Ends all threads; what is left goes back to its source or is counted; positions are handed to the
 * disk thread. */
void pipeline_stop(struct pipeline *pipeline);
void pipeline_free(struct pipeline **pipelinep);
