/* SPDX-License-Identifier: Apache-2.0 */
/* run: one run of a command: what it writes, how long it may, and how it ended. */
#pragma once

#include "options.h"

enum { RUN_READ_BYTES = 64 * 1024, RUN_ERROR_BYTES = 4096, RUN_EVENT_EXTRA = 1024 };

struct run {
    struct child *child;       /* NULL: none runs */
    struct resource *resource; /* of its events; until the next run */
    struct line_buffer output, errors;
    int64_t began_ms;
    int64_t blocked_ms;  /* of that, the agent did not read */
    int64_t told_ms;     /* SIGTERM was sent; 0: not yet */
    int64_t ended_ms;    /* the process has ended; its output may not have; 0: not yet */
    uint64_t late_bytes; /* read since ended_ms and its rest */
    bool is_killed;      /* SIGKILL was sent */
    bool has_timed_out;
    bool is_unwanted; /* it was told to end because the agent, or its configuration, wants it so */
    uint64_t lines, cut; /* of this collect */
};

bool run_init(struct run *run, const struct exec_config *config);
bool run_change(struct run *run, const struct exec_config *config); /* false: out of memory */
void run_fini(struct run *run);

/* false: there is no child; it is told and counted. */
bool run_start(struct run *run, const struct exec_config *config, const struct host *host,
               struct slice request, struct sink *sink);
/* Takes what there is. A run that is over has no child any more. */
enum collected run_step(struct run *run, const struct exec_config *config, const struct host *host,
                        struct sink *sink);
void run_tell_to_end(struct run *run); /* it is not wanted any more */
/* What to wait for. Returns by when to look again; 0: no limit. */
int64_t run_wait(const struct run *run, const struct exec_config *config, struct waits *waits);
