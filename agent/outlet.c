/* SPDX-License-Identifier: Apache-2.0 */
#include "outlet.h"

#include "base/clock.h"
#include "base/random.h"

static enum compression compression_of(const struct output_options *options)
{
    switch ((enum compression_option)options->compression) {
    case COMPRESSION_GZIP:
        return COMPRESS_GZIP;
    case COMPRESSION_ZSTD:
        return COMPRESS_ZSTD;
    case COMPRESSION_AUTO:
    case COMPRESSION_NONE:
        break;
    }
    return COMPRESS_NONE;
}

static struct delivery_config delivery_config_of(const struct settings *settings, size_t output)
{
    const struct output_options *options = &settings->outputs[output].output;
    uint64_t seed;

    random_bytes(&seed, sizeof(seed));
    return (struct delivery_config){
        .memory_bytes = settings->sealed_bytes[output],
        .batch_max_bytes = options->batch__max_bytes,
        .concurrency_min = (unsigned)options->concurrency__min,
        .concurrency_max = (unsigned)options->concurrency__max,
        .retry_base_ms = options->retry__base,
        .retry_cap_ms = options->retry__cap,
        .max_age_ms = options->retry__max_age,
        .breaker_failures = (unsigned)options->breaker__failures,
        .breaker_rest_ms = options->breaker__rest,
        .breaker_rest_max_ms = options->breaker__rest_max,
        .timeout_ms = 30 * MS_PER_S,
        .keeps_refused = options->dead_letter__path[0] != '\0',
        .seed = seed,
    };
}

static enum encoding encoding_of(const struct outlet *outlet)
{
    enum encoding encoding = ENCODE_NDJSON;
    if (outlet->plugin->format != NULL)
        outlet->plugin->format(outlet->part->config, &encoding);
    return encoding;
}

bool outlet_open(struct outlet *outlet, const struct settings *settings, size_t index,
                 struct ledger *ledger, struct err *err)
{
    const struct settings_part *part = &settings->outputs[index];
    struct err why = { "" };

    outlet->part = part;
    outlet->plugin = (const struct output *)(const void *)part->type;
    outlet->feed.full_bytes = part->output.batch__max_bytes;
    outlet->feed.full_events = part->output.batch__max_events;
    outlet->host = (struct host){ .name = part->name };
    outlet->state = calloc(1, part->type->state_bytes + 1);
    outlet->numbers = ledger_output_numbers(ledger, part->name);
    if (outlet->state == NULL)
        return err_set(err, "out of memory for output '%s'", part->name);
    if (outlet->numbers == NULL)
        return err_set(err, "output '%s': the books have room for %d outputs", part->name,
                       LEDGER_OUTPUTS);
    if (!outlet->plugin->open(outlet->state, part->config, &outlet->host, &why))
        return err_set(err, "output '%s': %s", part->name, why.text);
    outlet->is_open = true;
    struct sender_config config = { .name = part->name,
                                    .plugin = outlet->plugin,
                                    .state = outlet->state,
                                    .agent_id = ledger_agent_id(ledger),
                                    .encoding = encoding_of(outlet),
                                    .compression = compression_of(&part->output),
                                    .delivery = delivery_config_of(settings, index),
                                    .numbers = outlet->numbers,
                                    .workers = &outlet->feed.wake };
    outlet->sender = sender_start(&config, &why);
    return outlet->sender != NULL || err_set(err, "output '%s': %s", part->name, why.text);
}

/* The books of a lane whose input is not in the configuration any more are new ones, or where there
 * is no room for these, those of the first lane: then it is the sum that is right. */
static struct books *books_of(struct outlet *outlet, struct ledger *ledger, const char *input)
{
    struct books *books;

    for (size_t i = 0; i < outlet->lane_count; i++) {
        books = lane_books(outlet->lanes[i]);
        if (strcmp(ledger_input_name(books), input) == 0)
            return books;
    }
    books = ledger_lane(ledger, input, outlet->part->name, false);
    return books != NULL ? books : lane_books(outlet->lanes[0]);
}

bool outlet_use_spool(struct outlet *outlet, struct ledger *ledger, struct opened_spool *spool,
                      struct err *err)
{
    struct spool_index *index = spool_index_of(spool->spool);
    struct err why = { "" };

    for (unsigned i = 0; i < index->lane_count; i++)
        index->lanes[i].books = books_of(outlet, ledger, index->lanes[i].input);
    spool_carry(spool->spool, outlet->numbers);
    spools_set_aside(spool, outlet->part->name, outlet->numbers);
    spool_files_use_pool(spool->files, &outlet->bodies);
    return sender_use_spool(outlet->sender, &spool->spool, &spool->files, &why) ||
           err_set(err, "output '%s': %s", outlet->part->name, why.text);
}

bool outlet_start_workers(struct outlet *outlet, const struct ledger *ledger, struct err *err)
{
    const struct output_options *options = &outlet->part->output;

    outlet->letters = (struct dead_letter){ .path = options->dead_letter__path,
                                            .output = outlet->part->name,
                                            .max_bytes = options->dead_letter__max_bytes,
                                            .numbers = outlet->numbers };
    while (outlet->worker_count < options->workers) {
        struct worker_config config = {
            .batcher = { .index = (unsigned)outlet->worker_count,
                         .lanes = outlet->lanes,
                         .lane_count = outlet->lane_count,
                         .feed = &outlet->feed,
                         .bodies = &outlet->bodies,
                         .numbers = outlet->numbers,
                         .output = outlet->part->name,
                         .agent_id = ledger_agent_id(ledger),
                         .start_id = ledger_start_id(ledger),
                         .sequence = &outlet->sequence,
                         .encoding = encoding_of(outlet),
                         .compression = compression_of(options),
                         .compression_level = (unsigned)options->compression_level,
                         .max_bytes = options->batch__max_bytes,
                         .max_events = options->batch__max_events,
                         .max_wait_ms = options->batch__max_wait },
            .sender = outlet->sender,
            .letters = &outlet->letters,
        };
        struct err why = { "" };
        struct worker *worker = worker_start(&config, &why);
        if (worker == NULL)
            return err_set(err, "output '%s': %s", outlet->part->name, why.text);
        outlet->workers[outlet->worker_count++] = worker;
    }
    return true;
}

void outlet_audit(struct outlet *outlet)
{
    for (size_t lane = 0; lane < outlet->lane_count; lane++) {
        lane_tell_time(outlet->lanes[lane], clock_boot_ms());
        lane_audit(outlet->lanes[lane]);
    }
    for (size_t worker = 0; worker < outlet->worker_count; worker++)
        worker_request_audit(outlet->workers[worker]);
    if (outlet->sender == NULL)
        return;
    sender_audit(outlet->sender);
    if (sender_is_empty(outlet->sender))
        body_pool_trim(&outlet->bodies);
}

static bool is_fresh(int64_t last_step_ms, int64_t now_ms, int64_t stuck_ms)
{
    return last_step_ms == 0 || now_ms - last_step_ms < stuck_ms;
}

bool outlet_is_alive(const struct outlet *outlet, int64_t now_ms, int64_t stuck_ms)
{
    for (size_t worker = 0; worker < outlet->worker_count; worker++) {
        if (!is_fresh(worker_last_step_ms(outlet->workers[worker]), now_ms, stuck_ms))
            return false;
    }
    return is_fresh(sender_last_step_ms(outlet->sender), now_ms, stuck_ms);
}

void outlet_drain(struct outlet *outlet)
{
    for (size_t worker = 0; worker < outlet->worker_count; worker++)
        worker_drain(outlet->workers[worker]);
    sender_drain(outlet->sender);
}

/* The order matters: events move from lanes to workers to the sender, so what was not seen in one
 * place is seen in the next. */
bool outlet_is_drained(const struct outlet *outlet)
{
    for (size_t lane = 0; lane < outlet->lane_count; lane++) {
        if (lane_level(outlet->lanes[lane]).events > 0)
            return false;
    }
    for (size_t worker = 0; worker < outlet->worker_count; worker++) {
        if (!worker_is_idle(outlet->workers[worker]))
            return false;
    }
    return sender_is_empty(outlet->sender);
}

void outlet_stop(struct outlet *outlet)
{
    for (size_t worker = 0; worker < outlet->worker_count; worker++)
        worker_stop(outlet->workers[worker]);
    for (size_t lane = 0; lane < outlet->lane_count; lane++)
        lane_abandon(outlet->lanes[lane]);
    if (outlet->sender != NULL)
        sender_stop(outlet->sender);
    outlet_audit(outlet);
}

void outlet_fini(struct outlet *outlet)
{
    for (size_t worker = 0; worker < outlet->worker_count; worker++)
        worker_free(&outlet->workers[worker]);
    if (outlet->sender != NULL)
        sender_free(&outlet->sender);
    body_pool_trim(&outlet->bodies);
    if (outlet->is_open && outlet->plugin->close != NULL)
        outlet->plugin->close(outlet->state);
    free(outlet->state);
}
