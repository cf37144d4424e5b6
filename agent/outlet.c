/* SPDX-License-Identifier: Apache-2.0 */
#include "outlet.h"

#include "base/auto.h"
#include "base/clock.h"
#include "base/random.h"
#include "batch/codec.h"
#include "input/shed_lines.h"

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
        .concurrency_min = (unsigned)(options->concurrency__min < settings->connections[output]
                                          ? options->concurrency__min
                                          : settings->connections[output]),
        .concurrency_max = (unsigned)settings->connections[output],
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

static enum encoding encoding_of(const struct settings_part *part)
{
    const struct output *plugin = (const struct output *)(const void *)part->type;
    enum encoding encoding = ENCODE_NDJSON;

    if (plugin->format != NULL)
        plugin->format(part->config, &encoding);
    return encoding;
}

static bool expand(const struct batch *batch, struct buf *ret)
{
    return codec_expand(batch->compression, (struct slice){ batch->body, batch->body_bytes }, ret);
}

struct sender_config outlet_sender_config(const struct outlet *outlet,
                                          const struct settings *settings, size_t index,
                                          const struct output *plugin, void *state)
{
    struct delivery_config delivery = delivery_config_of(settings, index);

    delivery.kept_bytes = &outlet->feed.kept_bytes;
    return (struct sender_config){ .name = outlet->name,
                                   .plugin = plugin,
                                   .state = state,
                                   .agent_id = ledger_agent_id(outlet->ledger),
                                   .delivery = delivery,
                                   .numbers = outlet->numbers,
                                   .workers = (struct wake *)&outlet->feed.wake,
                                   .expand = expand };
}

static bool open_outlet(struct outlet *outlet, size_t index, struct err *err)
{
    const struct settings_part *part = outlet->part;
    struct err why = { "" };

    outlet->state = calloc(1, part->type->state_bytes + 1);
    outlet->numbers = ledger_output_numbers(outlet->ledger, part->name);
    if (outlet->state == NULL)
        return err_set(err, "out of memory for output '%s'", part->name);
    if (outlet->numbers == NULL)
        return err_set(err,
                       "output '%s': the books have room for %d outputs in one start, those that "
                       "were taken out included: restart the agent",
                       part->name, LEDGER_OUTPUTS);
    if (!outlet->plugin->open(outlet->state, part->config, &outlet->host, &why))
        return err_set(err, "output '%s': %s", part->name, why.text);
    outlet->is_open = true;
    struct sender_config config =
        outlet_sender_config(outlet, &outlet->from->settings, index, outlet->plugin, outlet->state);
    outlet->sender = sender_start(&config, &why);
    return outlet->sender != NULL || err_set(err, "output '%s': %s", part->name, why.text);
}

struct outlet *outlet_open(struct generation *generation, size_t index, struct ledger *ledger,
                           struct lock *list_lock, struct err *err)
{
    const struct settings_part *part = &generation->settings.outputs[index];
    AUTO(outlet_free) struct outlet *outlet = calloc(1, sizeof(*outlet));

    if (outlet == NULL) {
        (void)err_set(err, "out of memory for output '%s'", part->name);
        return NULL;
    }
    (void)snprintf(outlet->name, sizeof(outlet->name), "%s", part->name);
    outlet->is_wanted = true;
    outlet->from = generation_hold(generation);
    outlet->part = part;
    outlet->ledger = ledger;
    outlet->list_lock = list_lock;
    outlet->plugin = (const struct output *)(const void *)part->type;
    outlet->feed.full_bytes = part->output.batch__max_bytes;
    outlet->feed.full_events = part->output.batch__max_events;
    outlet->feed.max_wait_ms = part->output.batch__max_wait;
    outlet->feed.kept_most_bytes = generation->settings.sealed_bytes[index] / 2;
    outlet->host = (struct host){ .name = outlet->name };
    if (!open_outlet(outlet, index, err)) {
        if (outlet->sender != NULL) {
            (void)sender_begin_stop(outlet->sender, INT64_MAX, clock_now_ms());
            (void)sender_end_stop(outlet->sender, INT64_MAX);
        }
        return NULL;
    }
    struct outlet *made = outlet;
    outlet = NULL;
    return made;
}

/* The books of a lane whose input is not in the configuration any more are new ones, or where there
 * is no room for these, those of the first lane: then it is the sum that is right. */
static struct books *books_of(struct outlet *outlet, const char *input)
{
    struct books *books;

    for (size_t i = 0; i < outlet->lane_count; i++) {
        books = lane_books(outlet->lanes[i]);
        if (strcmp(ledger_input_name(books), input) == 0)
            return books;
    }
    books = ledger_lane(outlet->ledger, input, outlet->name, false);
    return books != NULL ? books : lane_books(outlet->lanes[0]);
}

/* Lanes that the books have on disk, of which nothing could be read there. */
static void expect_unread(struct outlet *outlet, struct spool *spool)
{
    struct lane_snapshot lane;

    for (unsigned i = 0; i < ledger_lane_count(outlet->ledger); i++) {
        ledger_snapshot(outlet->ledger, i, &lane);
        if (strcmp(lane.output, outlet->name) == 0 &&
            (lane.numbers[NUMBER_spool_unread_events] > 0 ||
             ledger_stock(ledger_books(outlet->ledger, i), ACCOUNT_spool).events > 0))
            (void)spool_expect_unread(spool, slice_of(lane.input));
    }
}

bool outlet_use_spool(struct outlet *outlet, struct opened_spool *spool, bool at_start,
                      struct err *err)
{
    struct spool_index *index = spool_index_of(spool->spool);
    struct err why = { "" };

    expect_unread(outlet, spool->spool);
    for (unsigned i = 0; i < index->lane_count; i++)
        index->lanes[i].books = books_of(outlet, index->lanes[i].input);
    if (at_start)
        spool_carry(spool->spool, outlet->numbers);
    else
        spool_carry_again(spool->spool, outlet->numbers);
    if (at_start)
        spools_set_aside(spool, outlet->part->name, outlet->numbers);
    spool_files_use_pool(spool->files, &outlet->bodies);
    (void)snprintf(outlet->spool_path, sizeof(outlet->spool_path), "%s", spool->path);
    if (sender_use_spool(outlet->sender, outlet->spool_path, &spool->spool, &spool->files, &why))
        return true;
    outlet->spool_path[0] = '\0';
    return err_set(err, "output '%s': %s", outlet->part->name, why.text);
}

struct worker_config outlet_worker_config(struct outlet *outlet, size_t worker,
                                          const struct settings_part *part)
{
    const struct output_options *options = &part->output;

    return (struct worker_config){
        .batcher = { .index = (unsigned)worker,
                     .lanes = outlet->lanes,
                     .lane_count = outlet->lane_count,
                     .feed = &outlet->feed,
                     .bodies = &outlet->bodies,
                     .numbers = outlet->numbers,
                     .output = outlet->name,
                     .agent_id = ledger_agent_id(outlet->ledger),
                     .start_id = ledger_start_id(outlet->ledger),
                     .sequence = &outlet->sequence,
                     .encoding = encoding_of(part),
                     .compression = compression_of(options),
                     .compression_level = (unsigned)options->compression_level,
                     .max_bytes = options->batch__max_bytes,
                     .max_events = options->batch__max_events,
                     .max_wait_ms = options->batch__max_wait },
        .sender = outlet->sender,
        .letters = &outlet->letters,
    };
}

struct dead_letter outlet_letters(const struct outlet *outlet, const struct settings_part *part)
{
    return (struct dead_letter){ .path = part->output.dead_letter__path,
                                 .output = outlet->name,
                                 .max_bytes = part->output.dead_letter__max_bytes,
                                 .numbers = outlet->numbers };
}

void outlet_list_worker(struct outlet *outlet, struct worker *worker)
{
    lock_take(outlet->list_lock);
    outlet->workers[outlet->worker_count++] = worker;
    lock_drop(outlet->list_lock);
}

bool outlet_start_workers(struct outlet *outlet, struct err *err)
{
    outlet->letters = outlet_letters(outlet, outlet->part);
    while (outlet->worker_count < outlet->part->output.workers) {
        struct worker_config config =
            outlet_worker_config(outlet, outlet->worker_count, outlet->part);
        struct err why = { "" };
        struct worker *worker = worker_start(&config, &why);
        if (worker == NULL)
            return err_set(err, "output '%s': %s", outlet->name, why.text);
        outlet_list_worker(outlet, worker);
    }
    return true;
}

void outlet_audit(struct outlet *outlet)
{
    for (size_t i = 0; i < outlet->lane_count; i++) {
        struct lane *lane = outlet->lanes[i];
        struct lane_news news = { .shed = SHED_SAME };
        lane_tell_time(lane, clock_boot_ms(), &news);
        shed_lines_write(ledger_input_name(lane_books(lane)), outlet->name, &news);
        lane_audit(lane);
    }
    for (size_t worker = 0; worker < outlet->worker_count; worker++)
        worker_request_audit(outlet->workers[worker]);
    if (outlet->sender == NULL)
        return;
    sender_audit(outlet->sender);
    if (sender_is_empty(outlet->sender))
        body_pool_trim(&outlet->bodies);
}

bool outlet_is_alive(const struct outlet *outlet, int64_t now_ms, int64_t stuck_ms,
                     struct err *ret_who)
{
    int64_t last_ms = sender_last_step_ms(outlet->sender);

    if (last_ms != 0 && now_ms - last_ms >= stuck_ms)
        return err_set(ret_who, "the sender of output '%s', for %lld s", outlet->name,
                       (long long)(now_ms - last_ms) / 1000);
    for (size_t worker = 0; worker < outlet->worker_count; worker++) {
        last_ms = worker_last_step_ms(outlet->workers[worker]);
        if (last_ms != 0 && now_ms - last_ms >= stuck_ms)
            return err_set(ret_who, "a batch worker of output '%s', for %lld s", outlet->name,
                           (long long)(now_ms - last_ms) / 1000);
    }
    return true;
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

void outlet_free(struct outlet **outletp)
{
    struct outlet *outlet = *outletp;

    *outletp = NULL;
    if (outlet == NULL)
        return;
    outlet_forget_change(outlet);
    for (size_t worker = 0; worker < outlet->worker_count; worker++)
        worker_free(&outlet->workers[worker]);
    if (outlet->sender != NULL)
        sender_free(&outlet->sender);
    body_pool_trim(&outlet->bodies);
    if (outlet->is_open && outlet->plugin->close != NULL)
        outlet->plugin->close(outlet->state);
    free(outlet->state);
    generation_release(&outlet->from);
    free(outlet);
}
