/* SPDX-License-Identifier: Apache-2.0 */
/* pipeline: its life; how it gets from one configuration to another is in pipeline_change.c. */
#include "base/auto.h"
#include "base/bell.h"
#include "class_lines.h"
#include "input/sources.h"
#include "outlet_end.h"
#include "pipeline_state.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STUCK_MS = 90 * 1000, CALM_MOST_MS = 10 * 1000, COME_BACK_MS = 5000 };
enum { LOOK_MS = 20, COME_BACK_LEAST_MS = 300, STANDS_MS = 700 };
/* Of the half second that an end has after its grace, for who waits for a disk: the dead letters,
 * then the spools, all at the same time; what is left is for the disk of the state. */
enum { LETTERS_MS = 150, SENDERS_MS = 250, SPILL_MS = 330, SPOOLS_MS = 440, SPOOLS_LEAST_MS = 50 };
enum { AT_ONCE_MS = 10 }; /* is how soon a sender ends that does not hang */

static void note_source_end(void *context)
{
    struct pipeline *pipeline = context;
    bell_ring(pipeline->bell);
}

/* Beside the live books, for the same reason on tmpfs; only sockets that were handed over need it.
 */
static void open_kept_counts(struct pipeline *pipeline)
{
    const char *books = ledger_live_path(pipeline->ledger);
    char path[PATH_MAX];
    struct err err = { "" };

    if (getenv("LISTEN_FDS") == NULL || books[0] == '\0' ||
        snprintf(path, sizeof(path), "%s.kept", books) >= (int)sizeof(path))
        return;
    pipeline->place.kept = kept_counts_open(path, &err);
    if (pipeline->place.kept == NULL)
        LOG(LOG_WARN, "what sockets lose until the next start will not be counted",
            LS("why", err.text));
}

struct pipeline *pipeline_start(struct generation *generation, struct ledger *ledger,
                                struct disk *disk, int bell, struct spools *spools,
                                const struct starter *starter, struct err *err)
{
    AUTO(pipeline_free) struct pipeline *pipeline = calloc(1, sizeof(*pipeline));
    if (pipeline == NULL) {
        (void)err_set(err, "out of memory");
        return NULL;
    }
    pipeline->ledger = ledger;
    pipeline->disk = disk;
    pipeline->bell = bell;
    lock_init(&pipeline->lock, "pipeline");
    if (gethostname(pipeline->hostname, sizeof(pipeline->hostname) - 1) != 0)
        (void)strcpy(pipeline->hostname, "localhost");
    pipeline->place = (struct channel_place){ .ledger = ledger,
                                              .disk = disk,
                                              .hostname = pipeline->hostname,
                                              .starter = starter,
                                              .on_done = note_source_end,
                                              .context = pipeline };
    open_kept_counts(pipeline);
    if (!pipeline_follow(pipeline, generation, spools, NULL, err))
        return NULL;
    struct pipeline *started = pipeline;
    pipeline = NULL;
    return started;
}

/* ---- while it runs ---- */

static void tell_classes(const struct pipeline *pipeline)
{
    for (size_t i = 0; i < pipeline->channel_count; i++) {
        const struct channel *channel = pipeline->channels[i];
        for (size_t j = 0; j < channel->strand_count; j++)
            class_lines_write(channel->strands[j]->lane, channel->input,
                              channel->strands[j]->outlet->name);
    }
}

void pipeline_ask(struct pipeline *pipeline, struct sources_ask *question)
{
    sources_ask_begin(question, pipeline->channel_count);
    for (size_t i = 0; i < pipeline->channel_count; i++) {
        struct reading *reading = pipeline->channels[i]->reading;
        if (reading != NULL && reading_has_thread(reading) &&
            pipeline->channels[i]->state != CHANNEL_LINGERS)
            reading_ask(reading, question);
    }
    sources_ask_end(question);
}

void pipeline_audit(struct pipeline *pipeline)
{
    for (size_t i = 0; i < pipeline->outlet_count; i++)
        outlet_audit(pipeline->outlets[i]);
    tell_classes(pipeline);
}

int64_t pipeline_watch(struct pipeline *pipeline, int64_t now_ms)
{
    int64_t calm_ms = pipeline->generation->settings.agent.report_interval, next_ms;

    if (calm_ms > CALM_MOST_MS)
        calm_ms = CALM_MOST_MS;
    int64_t soonest_ms = now_ms + calm_ms; /* without outputs too: main must not seem stuck */
    for (size_t i = 0; i < pipeline->outlet_count; i++) {
        struct outlet *outlet = pipeline->outlets[i];
        next_ms = watch_look(&outlet->watch, outlet, now_ms, calm_ms);
        if (next_ms < soonest_ms)
            soonest_ms = next_ms;
    }
    return soonest_ms;
}

bool pipeline_is_idle(const struct pipeline *pipeline)
{
    return pipeline->generation->settings.output_count == 0;
}

bool pipeline_has_ended(const struct pipeline *pipeline)
{
    if (pipeline_is_idle(pipeline)) /* it waits for a reload */
        return false;
    for (size_t i = 0; i < pipeline->channel_count; i++) {
        const struct channel *channel = pipeline->channels[i];
        if (channel->reading != NULL && !reading_is_done(channel->reading))
            return false;
    }
    return true;
}

static bool are_readings_alive(const struct pipeline *pipeline, int64_t now_ms, struct err *ret_who)
{
    for (size_t i = 0; i < pipeline->channel_count; i++) {
        const struct channel *channel = pipeline->channels[i];
        if (channel->reading == NULL || channel->state == CHANNEL_SETTLES)
            continue;
        int64_t last_ms = reading_last_step_ms(channel->reading);
        if (last_ms != 0 && now_ms - last_ms >= STUCK_MS)
            return err_set(ret_who, "a reading of input '%s', for %lld s", channel->input,
                           (long long)(now_ms - last_ms) / 1000);
    }
    return true;
}

/* The lists do not change meanwhile, and what is taken out of them is freed after that. */
bool pipeline_is_alive(struct pipeline *pipeline, int64_t now_ms, struct err *ret_who)
{
    lock_take(&pipeline->lock);
    bool is_alive = are_readings_alive(pipeline, now_ms, ret_who);
    for (size_t i = 0; is_alive && i < pipeline->outlet_count; i++)
        is_alive = outlet_is_alive(pipeline->outlets[i], now_ms, STUCK_MS, ret_who);
    lock_drop(&pipeline->lock);
    return is_alive;
}

/* ---- the end ---- */

void pipeline_drain(struct pipeline *pipeline)
{
    for (size_t i = 0; i < pipeline->channel_count; i++) {
        if (pipeline->channels[i]->reading != NULL)
            reading_stop_input(pipeline->channels[i]->reading);
    }
    for (size_t i = 0; i < pipeline->outlet_count; i++)
        outlet_drain(pipeline->outlets[i]);
}

bool pipeline_is_drained(const struct pipeline *pipeline)
{
    for (size_t i = 0; i < pipeline->channel_count; i++) {
        struct reading *reading = pipeline->channels[i]->reading;
        if (reading != NULL && !reading_has_stopped_input(reading))
            return false;
    }
    for (size_t i = 0; i < pipeline->outlet_count; i++) {
        if (!outlet_is_drained(pipeline->outlets[i]))
            return false;
    }
    return true;
}

/* Has it made no step for long, or is its time over? One that goes on has some more of it. */
static bool is_given_up(struct reading *reading, int64_t since_ms, int64_t now_ms)
{
    bool stands = now_ms - reading_last_step_ms(reading) >= STANDS_MS;

    return now_ms - since_ms >= (stands ? COME_BACK_LEAST_MS : COME_BACK_MS);
}

static bool await_reading(struct reading *reading, int64_t since_ms)
{
    while (!reading_await_stop(reading, clock_now_ms() + LOOK_MS)) {
        if (is_given_up(reading, since_ms, clock_now_ms()))
            return false;
    }
    return true;
}

/* One that is blocked in the kernel (a file server that is gone) does not keep the others from what
 * is to be done yet. */
static void await_readings(struct pipeline *pipeline)
{
    int64_t since_ms = clock_now_ms();

    for (size_t i = 0; i < pipeline->channel_count; i++) {
        struct reading *reading = pipeline->channels[i]->reading;
        if (reading == NULL || await_reading(reading, since_ms))
            continue;
        reading_leave_behind(reading);
        pipeline->has_left = true;
    }
}

static int64_t later_ms(int64_t a_ms, int64_t b_ms)
{
    return a_ms > b_ms ? a_ms : b_ms;
}

/* A reading that is left behind has used up some of the time. */
static struct outlet_stop plan_stop(const struct pipeline *pipeline, int64_t now_ms)
{
    int64_t since_ms = now_ms - (pipeline->has_left ? COME_BACK_LEAST_MS : 0);

    return (struct outlet_stop){
        .is_last = true,
        .workers_ms = since_ms + LETTERS_MS,
        .sender_ms = since_ms + SENDERS_MS,
        .spill_ms = later_ms(since_ms + SPILL_MS, now_ms + SPOOLS_LEAST_MS),
        .spool_ms = later_ms(since_ms + SPOOLS_MS, now_ms + SPOOLS_LEAST_MS),
    };
}

/* All at the same time: those that are soon ready for it have the time that is left to spill in. */
static void stop_outlets(struct pipeline *pipeline)
{
    int64_t now_ms = clock_now_ms();
    struct outlet_stop stop = plan_stop(pipeline, now_ms), soon = stop;

    soon.is_last = false;
    soon.sender_ms = now_ms + AT_ONCE_MS;
    for (size_t i = 0; i < pipeline->outlet_count; i++)
        outlet_tell_workers(pipeline->outlets[i]);
    for (size_t i = 0; i < pipeline->outlet_count; i++)
        (void)outlet_begin_stop(pipeline->outlets[i], &soon);
    for (size_t i = 0; i < pipeline->outlet_count; i++)
        (void)outlet_begin_stop(pipeline->outlets[i], &stop);
    for (size_t i = 0; i < pipeline->outlet_count; i++) {
        (void)outlet_end_stop(pipeline->outlets[i], &stop);
        pipeline->has_left |= pipeline->outlets[i]->has_left;
    }
}

bool pipeline_stop(struct pipeline *pipeline)
{
    if (pipeline->stopped)
        return !pipeline->has_left;
    pipeline->stopped = true;
    for (size_t i = 0; i < pipeline->channel_count; i++) {
        struct reading *reading = pipeline->channels[i]->reading;
        if (reading == NULL)
            continue;
        reading_abort(reading);
    }
    await_readings(pipeline);
    stop_outlets(pipeline);
    tell_classes(pipeline);
    /* Last: by now every receipt that can be settled is. */
    for (size_t i = 0; i < pipeline->channel_count; i++) {
        struct reading *reading = pipeline->channels[i]->reading;
        if (reading != NULL && !reading_is_left(reading))
            reading_finish(reading);
    }
    return !pipeline->has_left;
}

void pipeline_free(struct pipeline **pipelinep)
{
    struct pipeline *pipeline = *pipelinep;
    *pipelinep = NULL;
    if (pipeline == NULL)
        return;
    for (size_t i = 0; i < pipeline->channel_count; i++)
        channel_free(&pipeline->channels[i]);
    for (size_t i = 0; i < pipeline->outlet_count; i++)
        outlet_free(&pipeline->outlets[i]);
    generation_release(&pipeline->generation);
    kept_counts_free(&pipeline->place.kept);
    lock_fini(&pipeline->lock);
    free(pipeline);
}
