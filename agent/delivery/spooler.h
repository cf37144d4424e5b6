/* SPDX-License-Identifier: Apache-2.0 */
/* spooler: the thread of one spool. Asks the delivery for the next job on the disk, does it without
 * a lock, tells what came of it, logs. Threads: wake() any, the others main. */
#pragma once

#include "base/gate.h"
#include "base/lock.h"
#include "base/wake.h"
#include "delivery/delivery.h"
#include "delivery/spool_files.h"

struct spooler;

struct spooler_config {
    const char *name;  /* of the output */
    const char *path;  /* of the folder; borrowed, may change while the thread stands at its gate */
    struct lock *lock; /* of the delivery */
    struct delivery *delivery;
    struct spool *spool;
    void (*on_done)(void *context); /* after each job, without the lock */
    void *context;
};

/* Takes the files. NULL: err says why. */
struct spooler *spooler_start(const struct spooler_config *config, struct spool_files **filesp,
                              struct err *err);
struct gate *spooler_gate(struct spooler *spooler); /* between two jobs */
/* While it stands there: what is new is written to that disk. false: no memory. */
bool spooler_move(struct spooler *spooler, struct spool_disk **diskp);
void spooler_wake(struct spooler *spooler);
/* Does what is left to do; begins nothing any more at until_ms. */
void spooler_begin_stop(struct spooler *spooler, int64_t until_ms);
/* Ends the thread, which closes its files. false: it has not come back from its disk by then; to be
 * asked again, or to be left. */
bool spooler_end_stop(struct spooler *spooler, int64_t deadline_ms);
/* It does nothing any more, should it come back, and tells nothing. Nothing that its job borrows
 * may be freed: see delivery_leave_spool(). */
void spooler_leave_behind(struct spooler *spooler);
void spooler_free(struct spooler **spoolerp); /* once spooler_end_stop() was true */
