/* SPDX-License-Identifier: Apache-2.0 */
/* stage: a real sender with its books, before an endpoint or a pipe. */
#pragma once

#include "base/clock.h"
#include "delivery/rig.h"
#include "delivery/script_server.h"
#include "delivery/sender.h"

enum { PATIENCE_MS = 60000, STOP_MS = 400 };

struct stage {
    struct rig rig;
    struct script_server server;
    struct wake workers;
    struct sender *sender;
    char url[64];
    int64_t timeout_ms;
    int fds[2]; /* of the pipe */
};

static const struct delivery_config stage_delivery = {
    .memory_bytes = 10000000,
    .concurrency_min = 1,
    .concurrency_max = 1,
    .retry_base_ms = 1,
    .retry_cap_ms = 1,
    .breaker_failures = 5,
    .breaker_rest_ms = 3600000,
    .breaker_rest_max_ms = 3600000,
    .timeout_ms = 1,
    .seed = 1,
};

static inline void start_sender_with(struct stage *stage, const struct output *plugin,
                                     const struct delivery_config *delivery)
{
    struct sender_config config = { .name = "main",
                                    .plugin = plugin,
                                    .state = stage,
                                    .agent_id = "agent",
                                    .numbers = stage->rig.numbers,
                                    .workers = &stage->workers,
                                    .delivery = *delivery };
    struct err err;

    stage->sender = sender_start(&config, &err);
    assert_non_null(stage->sender);
}

static inline void start_sender(struct stage *stage, const struct output *plugin)
{
    start_sender_with(stage, plugin, &stage_delivery);
}

static inline void close_stage(struct stage *stage)
{
    assert_true(sender_begin_stop(stage->sender, INT64_MAX, clock_now_ms() + STOP_MS));
    assert_true(sender_end_stop(stage->sender, INT64_MAX));
    sender_audit(stage->sender);
    assert_int_equal(rig_difference(&stage->rig), 0);
    assert_true(sender_is_empty(stage->sender));
    sender_free(&stage->sender);
    if (stage->server.port != 0)
        server_stop(&stage->server);
    rig_close(&stage->rig);
}

static inline void put_aged(struct stage *stage, const char *body, uint64_t events,
                            int64_t oldest_boot_ms)
{
    struct batch *batch = rig_empty_batch(&stage->rig, body);

    rig_add_run(&stage->rig, batch, 0, NULL, events);
    batch->oldest_boot_ms = oldest_boot_ms;
    batch->compression = stage->fds[1] == 0 ? COMPRESS_GZIP : COMPRESS_NONE;
    assert_true(sender_reserve(stage->sender, 0, batch->body_bytes, &batch->permit));
    sender_put(stage->sender, &batch);
}

static inline void put(struct stage *stage, const char *body, uint64_t events)
{
    put_aged(stage, body, events, 0);
}

/* The sender bumps the word after each answer. */
static inline void wait_for(struct stage *stage, enum number number, uint64_t least)
{
    int64_t until_ms = clock_now_ms() + PATIENCE_MS;

    for (;;) {
        uint32_t seen = wake_read(&stage->workers);
        if (numbers_get(stage->rig.numbers, number) >= least)
            return;
        if (clock_now_ms() >= until_ms)
            fail_msg("%s stayed at %llu, wanted %llu", number_infos[number].name,
                     (unsigned long long)numbers_get(stage->rig.numbers, number),
                     (unsigned long long)least);
        wake_wait(&stage->workers, seen, 10);
    }
}

static inline void wait_until_empty(struct stage *stage)
{
    int64_t until_ms = clock_now_ms() + PATIENCE_MS;

    while (!sender_is_empty(stage->sender)) {
        uint32_t seen = wake_read(&stage->workers);
        if (sender_is_empty(stage->sender))
            return;
        assert_true(clock_now_ms() < until_ms);
        wake_wait(&stage->workers, seen, 10);
    }
}
