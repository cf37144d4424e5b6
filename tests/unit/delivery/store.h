/* SPDX-License-Identifier: Apache-2.0 */
/* store: a spool over a fake disk, run by hand at a simulated time. start_store() is what a start
 * of the agent does, stop_store() leaves the disk as it is. */
#pragma once

#include "delivery/fake_disk.h"
#include "delivery/rig.h"
#include "delivery/spool_files.h"

struct store {
    struct rig rig;
    struct fake_disk fake;
    struct spool_config config;
    struct spool *spool;
    struct spool_files *files;
    struct spool_result result;
    struct spool_scan scan;
    struct spool_stamp now;
};

static inline void start_store(struct store *store)
{
    struct spool_disk *disk = &store->fake.disk;

    store->spool = spool_new(&store->config);
    store->files = spool_files_new(&disk);
    assert_true(store->spool != NULL && store->files != NULL);
    spool_set_left(store->spool, (struct spool_place){
                                     numbers_get(store->rig.numbers, NUMBER_spool_left_segment),
                                     numbers_get(store->rig.numbers, NUMBER_spool_left_at),
                                 });
    spool_files_scan(store->files, store->spool, store->config.boot, &store->now, &store->scan);
    struct spool_index *index = spool_index_of(store->spool);
    for (unsigned i = 0; i < index->lane_count; i++) {
        for (int j = 0; j < RIG_LANES; j++) {
            if (strcmp(index->lanes[i].input, ledger_input_name(store->rig.lanes[j])) == 0)
                index->lanes[i].books = store->rig.lanes[j];
        }
    }
    spool_carry(store->spool, store->rig.numbers);
}

static inline void stop_store(struct store *store)
{
    spool_free(&store->spool);
    spool_files_free(&store->files);
}

static inline void restart_store(struct store *store)
{
    stop_store(store);
    start_store(store);
}

static inline void open_store(struct store *store, uint64_t max_bytes)
{
    *store = (struct store){ .config = { .max_bytes = max_bytes, .boot = "this boot" },
                             .now = { .boot_ms = 1000000, .real_ms = 1700000000000 } };
    rig_open(&store->rig);
    fake_open_disk(&store->fake);
    start_store(store);
}

static inline void close_store(struct store *store)
{
    stop_store(store);
    spool_result_fini(&store->result);
    fake_close_disk(&store->fake);
    rig_close(&store->rig);
}

static inline void do_job(struct store *store, const struct spool_job *job)
{
    spool_files_do(store->files, job, &store->result);
}

static inline void do_remove_job(struct store *store, const struct spool_job *job)
{
    assert_int_equal(job->kind, SPOOL_REMOVE);
    do_job(store, job);
    spool_removed(store->spool, job, &store->result, store->now.boot_ms);
}

/* As the delivery would: looks, seals and evicts until the batch is on disk. false: it cannot be.
 */
static inline bool write_batch(struct store *store, struct batch *batch)
{
    struct spool_job job;

    while (spool_plan_write(store->spool, batch, &store->now, store->now.boot_ms, &job)) {
        do_job(store, &job);
        if (job.kind == SPOOL_LOOK)
            spool_looked(store->spool, &store->result, store->now.boot_ms);
        else if (job.kind == SPOOL_SEAL)
            spool_sealed(store->spool, &job, &store->result, store->now.boot_ms);
        else if (job.kind == SPOOL_UNDO)
            spool_undone(store->spool, &job, &store->result, store->now.boot_ms);
        else if (job.kind == SPOOL_REMOVE)
            spool_removed(store->spool, &job, &store->result, store->now.boot_ms);
        else
            return spool_wrote(store->spool, &job, &store->result, store->now.boot_ms);
    }
    return false;
}

/* A batch of that many events in lane 0, with a body of its own; counted as in the spool. */
static inline bool spill(struct store *store, uint64_t events, size_t body_bytes)
{
    char *body = malloc(body_bytes + 1);

    assert_non_null(body);
    memset(body, 'a' + (int)(store->rig.sequence % 26), body_bytes);
    body[body_bytes] = '\0';
    struct batch *batch = rig_empty_batch(&store->rig, body);
    rig_add_run(&store->rig, batch, 0, NULL, events);
    batch->oldest_boot_ms = store->now.boot_ms;
    bool ok = write_batch(store, batch);
    if (ok)
        ledger_move(store->rig.lanes[0], FLOW_spill, events, 10 * events);
    batch_free(&batch);
    free(body);
    return ok;
}

/* One of the jobs of spool_plan_read(); returns the batch, if it was a LOAD. */
static inline struct batch *do_read_job(struct store *store, const struct spool_job *job)
{
    struct batch *batch = NULL;

    do_job(store, job);
    if (job->kind == SPOOL_SEAL)
        spool_sealed(store->spool, job, &store->result, store->now.boot_ms);
    else if (job->kind == SPOOL_PEEK)
        spool_peeked(store->spool, job, &store->result, store->now.boot_ms);
    else
        batch = spool_loaded(store->spool, job, &store->result, &store->now, store->now.boot_ms);
    body_pool_give(NULL, store->result.body);
    store->result.body = NULL;
    return batch;
}

/* The next batch that is read; NULL: there is none, or it was damaged (then *ret_damaged has it).
 */
static inline struct batch *read_batch(struct store *store, struct batch **ret_damaged)
{
    struct spool_job job;
    uint64_t body_bytes;

    while (spool_plan_read(store->spool, &store->now, store->now.boot_ms, &job, &body_bytes)) {
        struct batch *batch = do_read_job(store, &job);
        if (job.kind != SPOOL_LOAD)
            continue;
        if (batch == NULL || batch->body != NULL)
            return batch;
        *ret_damaged = batch;
        return NULL;
    }
    return NULL;
}

static inline void finish_batch(struct store *store, struct batch **batchp, enum flow flow)
{
    struct batch *batch = *batchp;
    struct spool_job job;

    *batchp = NULL;
    spool_plan_mark(store->spool, batch, &job);
    do_job(store, &job);
    spool_marked(store->spool, &job, &store->result, store->now.boot_ms);
    for (size_t i = 0; i < batch->run_count; i++)
        ledger_move(batch->runs[i].books, flow, batch->runs[i].events, batch->runs[i].bytes);
    free(batch->pin);
    batch_free(&batch);
}

static inline void tidy(struct store *store)
{
    struct spool_job job;

    while (spool_plan_tidy(store->spool, store->now.boot_ms, store->now.boot_ms, &job))
        do_remove_job(store, &job);
}

/* Reads and delivers all; returns the events, checking that damaged ones are counted. */
static inline uint64_t drain_store(struct store *store)
{
    uint64_t events = 0;

    for (;;) {
        struct batch *damaged = NULL;
        struct batch *batch = read_batch(store, &damaged);
        if (batch == NULL && damaged == NULL)
            break;
        if (batch != NULL) {
            events += batch->events;
            finish_batch(store, &batch, FLOW_spool_deliver);
        } else {
            finish_batch(store, &damaged, FLOW_spool_corrupt);
        }
    }
    tidy(store);
    return events;
}

static inline uint64_t live_events(const struct store *store)
{
    struct spool_index *index = spool_index_of(store->spool);
    uint64_t events = 0;

    for (unsigned i = 0; i < index->lane_count; i++)
        events += spool_index_live(index, i).events;
    return events;
}
