/* SPDX-License-Identifier: Apache-2.0 */
/* host_plan: what a seed decides beforehand: how the agent is configured, what its sources are
 * like, and when it is stopped. Small numbers everywhere, so that every bound is met often. */
#include "host.h"

#include <stdlib.h>

static void plan_classes(struct source *source)
{
    static const struct class_weight weights[] = { { "t0", 3 }, { "error", 4 } };
    struct sim *host = source->host;

    if (percent(host, 30))
        source->classes =
            (struct classes_config){ .by = percent(host, 50) ? CLASS_BY_SEVERITY : CLASS_BY_FIELD,
                                     .field = "tenant",
                                     .max = (size_t)between(host, 1, 6),
                                     .weights = weights,
                                     .weight_count = 2 };
    size_t least = 2 * classes_count(&source->classes);
    if (source->classes.by != CLASS_BY_NOTHING && source->pieces < least)
        source->pieces = least; /* as a pipeline does */
}

static void plan_shedding(struct source *source)
{
    struct sim *host = source->host;
    enum shed_mode last = source->classes.by == CLASS_BY_NOTHING ? SHED_LARGEST : SHED_NOISIEST;

    source->shed = (struct shedder_config){ .high = 1 };
    if (percent(host, 65))
        return;
    source->shed = (struct shedder_config){
        .high = 0.8,
        .low = 0.1 * (double)between(host, 1, 6),
        .keep = 0.1 * (double)between(host, 0, 9),
        .is_adaptive = percent(host, 40),
        .mode = (enum shed_mode)between(host, SHED_UNIFORM, (uint64_t)last),
        .severity_keep = { 0.05, 0.1, 0.2, 0.5, 0.9, 1 },
        .capacity_bytes = source->pieces * source->piece_bytes,
        .batch_bytes = source->outlet->max_bytes_most,
    };
    if (source->shed.is_adaptive)
        source->shed.keep = 1;
}

static void plan_source(struct source *source)
{
    struct sim *host = source->host;
    bool block;

    source->rereadable = percent(host, 60);
    source->has_resource = percent(host, 30);
    source->has_fields = percent(host, 50);
    source->piece_bytes = (size_t)between(host, 2, 8) * 1024;
    source->pieces = (size_t)(percent(host, 20) ? between(host, 1, 2) : between(host, 3, 24));
    block = percent(host, source->rereadable ? 60 : 25);
    source->overflow = block ? LANE_BLOCK : percent(host, 60) ? LANE_DROP_OLDEST : LANE_DROP_NEWEST;
    source->block_for_ms = block && percent(host, 40) ? (int64_t)between(host, 50, 3000) : 0;
    plan_classes(source);
    plan_shedding(source);
    source->read_events = percent(host, 20) ? 1 : (unsigned)between(host, 2, READ_EVENTS);
    source->gap_ms = (int64_t)between(host, 5, percent(host, 30) ? 2000 : 120);
    source->size_seed = random_next(&host->random);
    source->next_arrival_ms = host->now_ms;
}

static void plan_delivery(struct outlet *outlet)
{
    struct sim *host = outlet->host;

    outlet->delivery_config = (struct delivery_config){
        .memory_bytes = outlet->max_bytes_most * between(host, 1, 12),
        .concurrency_min = (unsigned)between(host, 0, 1),
        .retry_base_ms = (int64_t)between(host, 50, 1000),
        .retry_cap_ms = (int64_t)between(host, 1000, 30000),
        .max_age_ms = percent(host, 60) ? 0 : (int64_t)between(host, 2000, 60000),
        .breaker_failures = (unsigned)between(host, 2, 8),
        .breaker_rest_ms = (int64_t)between(host, 100, 2000),
        .breaker_rest_max_ms = (int64_t)between(host, 2000, 30000),
        .keeps_refused = percent(host, 40),
    };
}

/* Those that a reload may change; what sizes a lane is not among them, nor what outlives a batch.
 */
void plan_outlet_options(struct outlet *outlet)
{
    struct sim *host = outlet->host;
    struct delivery_config *config = &outlet->delivery_config;

    outlet->encoding = percent(host, 50) ? ENCODE_NDJSON : ENCODE_JSON_ARRAY;
    outlet->compression = percent(host, 12) ? COMPRESS_GZIP : COMPRESS_NONE;
    outlet->max_bytes = between(host, 1024, outlet->max_bytes_most);
    outlet->max_events = between(host, 1, BATCH_EVENTS);
    outlet->max_wait_ms = (int64_t)between(host, 50, 2000);
    config->batch_max_bytes = outlet->max_bytes;
    config->concurrency_max = percent(host, 25) ? 1 : (unsigned)between(host, 2, REQUESTS_MAX);
    config->timeout_ms = (int64_t)between(host, 500, 10000);
    outlet->was_parallel |= config->concurrency_max > 1;
}

/* The same of its spool. */
void plan_spool_options(struct outlet *outlet)
{
    struct sim *host = outlet->host;
    struct spool_config *config = &outlet->spool_config;

    config->min_free_bytes = percent(host, 30) ? between(host, 1, 60) * 1024 : 0;
    config->fsync = (enum spool_fsync)between(host, SPOOL_FSYNC_NEVER, SPOOL_FSYNC_ALWAYS);
    config->fsync_interval_ms = (int64_t)between(host, 10, 3000);
    config->newest_first = percent(host, 25);
    outlet->was_unsynced |= config->fsync == SPOOL_FSYNC_NEVER;
    outlet->was_newest_first |= config->newest_first;
}

static void plan_spool(struct outlet *outlet)
{
    struct sim *host = outlet->host;

    outlet->disk.host = host;
    disk_make(&outlet->disk);
    if (percent(host, 45))
        return;
    outlet->spool_config = (struct spool_config){
        .max_bytes = between(host, 24, percent(host, 50) ? 100 : 600) * 1024,
        .max_age_ms = outlet->delivery_config.max_age_ms,
    };
    plan_spool_options(outlet);
    outlet->disk.capacity = between(host, 64, 1000) * 1024;
}

static void plan_outlet(struct outlet *outlet)
{
    struct sim *host = outlet->host;
    bool all_wait = true;

    (void)snprintf(outlet->name, sizeof(outlet->name), "out%u", outlet->number);
    outlet->source_count = (unsigned)between(host, 1, OUTLET_SOURCES);
    outlet->worker_count = (unsigned)between(host, 1, OUTLET_WORKERS);
    outlet->max_bytes_most = (size_t)between(host, 1, 16) * 1024;
    outlet->latency_ms = (int64_t)between(host, 2, 150);
    plan_delivery(outlet);
    plan_outlet_options(outlet);
    outlet->is_reloaded = percent(host, 40);
    plan_spool(outlet);
    for (unsigned i = 0; i < outlet->source_count; i++) {
        struct source *source = &outlet->sources[i];
        source->host = host;
        source->outlet = outlet;
        source->number = outlet->number * OUTLET_SOURCES + i;
        (void)snprintf(source->name, sizeof(source->name), "in%u", source->number);
        plan_source(source);
        all_wait = all_wait && source->rereadable && source->overflow == LANE_BLOCK &&
                   source->block_for_ms == 0;
    }
    outlet->spool_config.waits_when_full = all_wait;
}

/* One stop in each part of the run; of nine four are crashes, two more are power losses. */
static void plan_stops(struct sim *host)
{
    uint64_t part = host->steps / STOPS;

    for (unsigned i = 0; i < STOPS; i++) {
        host->stops[i] = i % 3 == 2 ? STOP_DRAIN : i % 4 == 3 ? STOP_POWER : STOP_CRASH;
        host->stop_steps[i] = i * part + random_below(&host->random, part);
    }
    for (unsigned i = STOPS; i > 1; i--) {
        unsigned other = (unsigned)random_below(&host->random, i);
        enum stop_kind kind = host->stops[i - 1];
        host->stops[i - 1] = host->stops[other];
        host->stops[other] = kind;
    }
}

void plan_host(struct sim *host)
{
    host->now_ms = HOST_EPOCH_MS;
    host->boot_ms = host->now_ms + (int64_t)between(host, 0, 1000000);
    plan_stops(host);
    host->has_scarce_memory = percent(host, 30);
    host->outlet_count = percent(host, 60) ? 1 : HOST_OUTLETS;
    for (unsigned i = 0; i < host->outlet_count; i++) {
        host->outlets[i].host = host;
        host->outlets[i].number = i;
        plan_outlet(&host->outlets[i]);
    }
}
