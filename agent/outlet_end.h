/* SPDX-License-Identifier: Apache-2.0 */
/* outlet_end: the end of an output, step by step. Each thread of it may be in a call to a disk
 * that never returns, so what waits has a deadline, and tells by false that it is to be asked
 * again. Threads: main. */
#pragma once

#include "outlet.h"

struct outlet_stop {
    bool by_reload;
    bool is_last;       /* not asked again: who does not come is left behind, and the rest ends */
    int64_t workers_ms; /* until then */
    int64_t sender_ms;  /* until then */
    int64_t spill_ms;   /* nothing is begun to be written any more */
    int64_t spool_ms;   /* until then */
};

void outlet_tell_workers(struct outlet *outlet);
/* Ends the threads but that of the spool, which writes what is left. */
bool outlet_begin_stop(struct outlet *outlet, const struct outlet_stop *stop);
/* What is left then goes back to its source or is counted: as drain_timeout_*, or reload_drop*. */
bool outlet_end_stop(struct outlet *outlet, const struct outlet_stop *stop);
/* All of it, of one that a change made and gave up. */
void outlet_stop(struct outlet *outlet);
