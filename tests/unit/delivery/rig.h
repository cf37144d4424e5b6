/* SPDX-License-Identifier: Apache-2.0 */
/* rig: books in a temporary folder, lanes and batches, for the tests of the delivery. */
#pragma once

#include "base/check.h"
#include "delivery/batch.h"
#include "folder.h"
#include "ledger/ledger.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RIG_LANES = 3 };

struct rig {
    char folder[32];
    struct ledger *ledger;
    struct books *lanes[RIG_LANES]; /* the last one cannot be read again */
    struct numbers *numbers;
    uint64_t sequence;
};

static inline void rig_open(struct rig *rig)
{
    static const char *const names[RIG_LANES] = { "files", "journal", "socket" };
    struct err err;

    *rig = (struct rig){ .folder = "/tmp/spillway-test-XXXXXX" };
    assert_non_null(mkdtemp(rig->folder));
    struct ledger_config config = { .state_dir = rig->folder, .runtime_dir = rig->folder };
    rig->ledger = ledger_open(&config, &err);
    assert_non_null(rig->ledger);
    for (int i = 0; i < RIG_LANES; i++) {
        rig->lanes[i] = ledger_lane(rig->ledger, names[i], "main", i < RIG_LANES - 1);
        assert_non_null(rig->lanes[i]);
    }
    rig->numbers = ledger_output_numbers(rig->ledger, "main");
    assert_non_null(rig->numbers);
}

static inline void rig_close(struct rig *rig)
{
    ledger_close(&rig->ledger);
    (void)folder_remove(rig->folder);
}

/* Ten bytes an event, one run; the events are entered as gathered by the worker. */
static inline void rig_add_run(struct rig *rig, struct batch *batch, int lane,
                               struct receipt *receipt, uint64_t events)
{
    size_t room = (batch->run_count + 1) * sizeof(*batch->runs);

    batch->runs = realloc(batch->runs, room);
    assert_non_null(batch->runs);
    batch->runs[batch->run_count++] = (struct batch_run){
        .books = rig->lanes[lane], .receipt = receipt, .events = events, .bytes = 10 * events
    };
    batch->events += events;
    batch->bytes += 10 * events;
    ledger_move(rig->lanes[lane], FLOW_admit, events, 10 * events);
    ledger_move_cell(rig->lanes[lane], FLOW_gather, batch->worker, events, 10 * events);
    receipt_add(receipt, events);
}

static inline struct batch *rig_empty_batch(struct rig *rig, const char *body)
{
    struct batch *batch = batch_new();

    assert_non_null(batch);
    batch->body = strdup(body);
    assert_non_null(batch->body);
    batch->body_bytes = batch->raw_bytes = strlen(body);
    batch->sequence = ++rig->sequence;
    (void)snprintf(batch->key, sizeof(batch->key), "agent-start-%llu",
                   (unsigned long long)batch->sequence);
    return batch;
}

static inline struct batch *rig_batch(struct rig *rig, uint64_t events)
{
    struct batch *batch = rig_empty_batch(rig, "{\"body\":\"hello\"}\n");

    rig_add_run(rig, batch, 0, NULL, events);
    return batch;
}

static inline struct batch *rig_half(const struct batch *parent, uint64_t from, uint64_t events)
{
    struct batch *half = batch_new();
    uint64_t at = 0;

    assert_non_null(half);
    half->runs = calloc(parent->run_count, sizeof(*half->runs));
    half->body = strdup("half\n");
    assert_true(half->runs != NULL && half->body != NULL);
    half->body_bytes = half->raw_bytes = 5;
    half->sequence = parent->sequence;
    half->oldest_boot_ms = parent->oldest_boot_ms;
    (void)snprintf(half->key, sizeof(half->key), "%.100s/%d", parent->key, from > 0);
    for (size_t i = 0; i < parent->run_count; at += parent->runs[i++].events) {
        struct batch_run run = parent->runs[i];
        uint64_t begin = at > from ? at : from;
        uint64_t end = at + run.events < from + events ? at + run.events : from + events;
        if (begin >= end)
            continue;
        run.events = end - begin;
        run.bytes = 10 * run.events;
        half->runs[half->run_count++] = run;
        half->events += run.events;
        half->bytes += run.bytes;
    }
    return half;
}

static inline void rig_cut(const struct batch *parent, struct batch *ret_halves[2])
{
    uint64_t first = parent->events / 2;

    ret_halves[0] = rig_half(parent, 0, first);
    ret_halves[1] = rig_half(parent, first, parent->events - first);
}

static inline uint64_t rig_flow(const struct rig *rig, enum flow flow)
{
    uint64_t events = 0;

    for (int i = 0; i < RIG_LANES; i++)
        events += ledger_flow(rig->lanes[i], flow).events;
    return events;
}

static inline uint64_t rig_stock(const struct rig *rig, enum account account)
{
    uint64_t events = 0;

    for (int i = 0; i < RIG_LANES; i++)
        events += ledger_stock(rig->lanes[i], account).events;
    return events;
}

/* Sum of the differences that the audits found so far. */
static inline int64_t rig_difference(const struct rig *rig)
{
    int64_t difference = 0;

    for (unsigned i = 0; i < RIG_LANES; i++) {
        struct lane_snapshot lane;
        ledger_snapshot(rig->ledger, i, &lane);
        difference += lane.difference_events < 0 ? -lane.difference_events : lane.difference_events;
        difference += lane.differences; /* those of two accounts may cancel each other */
    }
    return difference;
}
