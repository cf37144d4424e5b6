/* SPDX-License-Identifier: Apache-2.0 */
/* reading_state: what a reading is made of, for the files reading*.c of this folder alone. */
#pragma once

#include "base/wake.h"
#include "input/reading.h"
#include "input/sink.h"
#include "ledger/fatal_record.h"

#include <pthread.h>

enum { READING_MAGIC = 0x4ead19e5 };

struct reading {
    uint32_t magic;
    /* constant after start */
    struct disk_file *file;
    bool is_open;
    bool has_thread;
    pthread_t thread;
    /* constant between two changes; the reading's thread's */
    struct reading_config config;
    void *state;
    struct host *host;
    struct gate gate;
    /* Prepared, and taken up by the reading's thread between two reads; NULL: nothing. Set by main
     * while it stands at its gate. */
    _Atomic(struct reading_change *) pending;
    /* reading's thread only, after start */
    struct sink sink;
    bool done;                 /* the plugin is at its end */
    bool has_ended;            /* stopping, and its last() has nothing more */
    unsigned rounds_with_more; /* in a row: a backlog */
    bool has_settled;          /* a read of this start: what is saved is progress */
    int64_t saved_ms;          /* when positions were saved last */
    int64_t save_due_ms;       /* 0: nothing has changed since */
    int64_t save_rest_ms;      /* between two saves, by the size of the last one */
    int64_t next_collect_ms;   /* 0: no matter */
    bool is_resting;           /* until then, whatever rings: there is no descriptor to tell news */
    int64_t retry_change_ms;   /* of a pending change that found no memory */
    uint64_t seen_disk_errors;
    /* any thread */
    _Atomic size_t open_receipts;
    _Atomic bool stopping, stopped, finished_source, finishing;
    _Atomic int64_t last_step_ms;
    struct wake stop_wake;                /* bumped once `stopped` is set */
    struct sources_ask *_Atomic question; /* about its sources; NULL: none */
};

enum receipts_way reading_way_back(const struct reading *reading); /* of what was read */
/* Receipts, and for an input that can be read again its checkpoint. */
bool reading_open_positions(struct reading *reading, struct err *err);
/* Opens the processors of the config into *ret_processors; *ret_count: how many are open, also when
 * it fails. */
bool reading_open_processors(const struct reading_config *config,
                             struct processor_instance **ret_processors, size_t *ret_count,
                             struct err *err);
/* The reading's thread, between two reads. */
void reading_take_pending(struct reading *reading);
void reading_close_processors(struct processor_instance **processorsp, size_t count);
/* For its plugin, which keeps the pointer. NULL: out of memory. */
struct host *reading_make_host(const struct reading_config *config);
/* Those that tell what it died of, should it; NULL: it has no lane. */
struct numbers *reading_suspect_numbers(const struct reading *reading);
void reading_set_suspects_aside(struct reading *reading); /* before its thread starts */
/* Once positions behind it are saved, that is over. */
void reading_forget_record(struct reading *reading);
