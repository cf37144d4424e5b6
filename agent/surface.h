/* SPDX-License-Identifier: Apache-2.0 */
/* surface: what the admin endpoint is told of the agent: its configuration, its version, in which
 * part of its life it is, and whether it is alive by the same measure as for the watchdog.
 * Threads: main, but for surface_is_alive(): any. */
#pragma once

#include "admin/admin.h"
#include "base/lock.h"
#include "config/settings.h"

struct pipeline;
struct reload;
struct surface {
    struct admin *admin; /* NULL: not started */
    struct history *history;
    struct buf version_page;
    struct lock lock;
    struct buf config_page; /* under lock */
    struct reload *reload;
    struct pipeline *_Atomic pipeline;    /* NULL: none yet */
    _Atomic int64_t stepped_ms;           /* of the main thread; 0: it does not run yet */
    int bell;                             /* of the main thread */
    struct admin_change *change;          /* main: prepared, not committed; NULL: none */
    struct sources_ask *_Atomic question; /* for it to put to the readings; NULL: none */
};

bool surface_start(struct surface *surface, const struct settings *settings,
                   const struct ledger *ledger, struct reload *reload, struct err *err);
void surface_show(struct surface *surface, const struct settings *settings); /* from now on */
/* For a reload: false: err says why that port cannot be had, and nothing has changed. */
bool surface_prepare(struct surface *surface, const struct settings *settings, struct err *err);
void surface_commit(struct surface *surface);
void surface_forget_change(struct surface *surface);
void surface_run(struct surface *surface, struct pipeline *pipeline); /* started or changed */
void surface_step(struct surface *surface, int64_t now_ms);           /* the main thread moves */
void surface_pass_questions(
    struct surface *surface); /* on to the pipeline: not in a change of it */
void surface_drain(struct surface *surface);
bool surface_is_alive(struct surface *surface, int64_t now_ms, struct err *ret_who);
void surface_stop(struct surface *surface); /* before the pipeline is freed */
