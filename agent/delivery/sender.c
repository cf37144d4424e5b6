/* SPDX-License-Identifier: Apache-2.0 */
/* sender: a loop of asking the delivery and moving the transport. The lock is held only around the
 * calls into the delivery: these never wait. The thread sleeps in the transport, until the
 * delivery's next due time; whoever changes something from outside wakes it there. */
#include "delivery/sender_state.h"

#include "base/auto.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "delivery/verdict.h"

#include <unistd.h>

enum { REST_MAX_MS = 60 * 1000 };

/* ---- the log ---- */

/* A failure is said when it is another than the one before; its repetitions are in the numbers. */
static void tell_credentials(const struct sender *sender, const struct outcome *outcome)
{
    struct numbers *numbers = sender->config.numbers;

    switch (outcome->credentials) {
    case CREDENTIALS_SAME:
        return;
    case CREDENTIALS_TAKEN:
        numbers_add(numbers, NUMBER_credential_changes, 1);
        LOG(LOG_INFO, "changed credentials are in use", LS("output", sender->config.name));
        return;
    case CREDENTIALS_REFUSED:
        numbers_add(numbers, NUMBER_credential_failures, 1);
        LOG(LOG_WARN, "changed credentials are of no use, the old ones are kept",
            LS("output", sender->config.name), LS("why", outcome->credentials_why));
    }
}

static void log_outcome(struct sender *sender, const struct outcome *outcome)
{
    enum verdict verdict = (enum verdict)outcome->summary.verdict;

    if (verdict == VERDICT_SENT) {
        sender->last_failure[0] = '\0';
        return;
    }
    if (strcmp(sender->last_failure, outcome->what) == 0)
        return;
    memcpy(sender->last_failure, outcome->what, sizeof(sender->last_failure));
    LOG(LOG_WARN, "request failed", LS("output", sender->config.name), LS("reason", outcome->what),
        LS("verdict", verdict_name(verdict)), LF("answer", outcome->answer));
}

void sender_log_news(const struct sender *sender, const struct delivery_news *news)
{
    LOG(news->rest_ms > 0 ? LOG_WARN : LOG_INFO, news->msg, LS("output", sender->config.name),
        LS("reason", news->reason), LI("rest_ms", news->rest_ms));
}

/* The sender's thread may ask before, and after, there is one. */
static void wake_spooler(struct sender *sender)
{
    struct spooler *spooler = atomic_load(&sender->spooler);

    if (spooler != NULL)
        spooler_wake(spooler);
}

/* ---- the thread ---- */

static void note_lag(struct sender *sender, const struct batch *batch)
{
    int64_t lag_ms = clock_boot_ms() - batch->oldest_boot_ms;

    wait_times_add(&sender->waits, lag_ms, batch->events);
    numbers_observe(sender->config.numbers, HISTOGRAM_delivery_lag, lag_ms, batch->events);
}

/* Takes the lock. Whoever was left behind goes no further: what it sends was counted otherwise. */
static void enter(struct sender *sender) TAKES_LOCK(&sender->lock)
{
    lock_take(&sender->lock);
    if (!sender->is_left)
        return;
    lock_drop(&sender->lock);
    for (;;)
        (void)pause(); /* until the process ends */
}

static void answer(struct sender *sender, const struct outcome *outcome)
{
    struct answer_summary summary = outcome->summary;
    struct delivery_news news;
    bool has_news;

    summary.what = outcome->what;
    summary.text = outcome->answer;
    enter(sender);
    if (summary.verdict == VERDICT_SENT)
        note_lag(sender, outcome->batch);
    delivery_answer(sender->delivery, outcome->batch, &summary, clock_now_ms());
    has_news = delivery_take_news(sender->delivery, &news);
    lock_drop(&sender->lock);
    numbers_add(sender->config.numbers, NUMBER_connections, outcome->connections);
    tell_credentials(sender, outcome);
    log_outcome(sender, outcome);
    if (has_news)
        sender_log_news(sender, &news);
}

/* What a look at the delivery has changed for the workers. */
struct prospect {
    bool may_go_on;
    bool has_freed;    /* memory, of what was too old */
    bool has_launched; /* of the batches ahead there is one less */
};

static struct step next_step(struct sender *sender, struct prospect *prospect)
{
    int64_t now_ms = clock_now_ms();
    struct step step;

    atomic_store(&sender->last_step_ms, now_ms);
    enter(sender);
    uint64_t used_bytes = delivery_share(sender->delivery)->used_bytes;
    step = delivery_next(sender->delivery, now_ms, clock_boot_ms());
    prospect->may_go_on = delivery_wants_batches(sender->delivery, now_ms);
    prospect->has_freed |= delivery_share(sender->delivery)->used_bytes < used_bytes;
    prospect->has_launched |= step.kind == STEP_SEND;
    lock_drop(&sender->lock);
    return step;
}

static void send_step(struct sender *sender, const struct step *step)
{
    struct outcome outcome = { .batch = step->batch,
                               .summary = { .verdict = VERDICT_RETRY, .retry_after_ms = -1 },
                               .what = "out of memory for a request" };

    if (!sender->transport->send(sender->transport, step->batch, step->timeout_ms))
        answer(sender, &outcome);
}

static int64_t rest_ms(const struct step *step)
{
    int64_t left_ms = step->until_ms - clock_now_ms();

    if (step->until_ms == 0 || left_ms > REST_MAX_MS)
        return REST_MAX_MS;
    return left_ms < 0 ? 0 : left_ms;
}

/* Workers are woken after every answer, because it may have made room or a batch to split; when a
 * batch has left those that wait, or was too old; and when a rest or a pause is over. Between two
 * such moments they sleep. */
static void run_step(struct sender *sender)
{
    struct prospect prospect = { 0 };
    bool any_answer = false;
    struct outcome outcome;
    struct step step;

    while (sender->transport->take(sender->transport, &outcome)) {
        numbers_observe(sender->config.numbers, HISTOGRAM_request_time, outcome.summary.took_ms, 1);
        answer(sender, &outcome);
        any_answer = true;
    }
    gate_pass(&sender->gate); /* here no answer has come that is not counted yet */
    while ((step = next_step(sender, &prospect)).kind == STEP_SEND)
        send_step(sender, &step);
    wake_spooler(sender);
    if (any_answer || prospect.has_freed ||
        (prospect.may_go_on && (prospect.has_launched || !sender->workers_may_go_on)))
        wake_bump(sender->config.workers);
    sender->workers_may_go_on = prospect.may_go_on;
    sender->transport->wait(sender->transport, rest_ms(&step));
}

static void *run_sender(void *context)
{
    struct sender *sender = context;

    CHECK(sender->magic == SENDER_MAGIC);
    while (!atomic_load(&sender->stopping))
        run_step(sender);
    ending_tell(&sender->ending);
    return NULL;
}

/* ---- start and stop ---- */

static bool build_sender(struct sender *sender, struct err *err)
{
    struct delivery_config delivery = sender->config.delivery;

    sender->transport = sender_open_transport(&sender->config, &delivery, err);
    if (sender->transport == NULL)
        return false;
    sender->delivery = delivery_new(&delivery, sender->config.numbers);
    return sender->delivery != NULL || err_set(err, "out of memory for a sender");
}

struct sender *sender_start(const struct sender_config *config, struct err *err)
{
    AUTO(sender_free)
    struct sender *sender = calloc(1, sizeof(*sender));
    struct sender *started;

    if (sender == NULL) {
        (void)err_set(err, "out of memory for a sender");
        return NULL;
    }
    sender->magic = SENDER_MAGIC;
    sender->config = *config;
    lock_init(&sender->lock, "delivery");
    lock_init(&sender->wake_lock, "transport");
    atomic_store(&sender->last_step_ms, clock_now_ms());
    if (!build_sender(sender, err) ||
        !thread_start(&sender->thread, "sender", run_sender, sender, err))
        return NULL;
    started = sender;
    sender = NULL;
    return started;
}

static void wake_all(void *context)
{
    struct sender *sender = context;

    wake_bump(sender->config.workers);
    sender_wake_transport(sender);
}

bool sender_use_spool(struct sender *sender, const char *path, struct spool **spoolp,
                      struct spool_files **filesp, struct err *err)
{
    struct spooler_config config = { .name = sender->config.name,
                                     .path = path,
                                     .lock = &sender->lock,
                                     .delivery = sender->delivery,
                                     .spool = *spoolp,
                                     .on_done = wake_all,
                                     .context = sender };
    struct spooler *spooler = spooler_start(&config, filesp, err);

    if (spooler == NULL)
        return false;
    sender->spool = *spoolp;
    *spoolp = NULL;
    lock_take(&sender->lock);
    delivery_use_spool(sender->delivery, sender->spool);
    delivery_tell_age(sender->delivery, clock_boot_ms());
    lock_drop(&sender->lock);
    atomic_store(&sender->spooler, spooler);
    spooler_wake(spooler);
    sender_wake_transport(sender);
    return true;
}

/* What is in memory goes to disk; what cannot is left for delivery_abandon(). */
static void spill_all(struct sender *sender, int64_t until_ms)
{
    if (sender->spooler == NULL)
        return;
    lock_take(&sender->lock);
    delivery_spill_all(sender->delivery, clock_now_ms());
    lock_drop(&sender->lock);
    spooler_begin_stop(sender->spooler, until_ms);
}

void sender_drain(struct sender *sender)
{
    lock_take(&sender->lock);
    delivery_drain(sender->delivery, clock_now_ms());
    lock_drop(&sender->lock);
    sender_wake_transport(sender);
}

void sender_tell_stop(struct sender *sender)
{
    atomic_store(&sender->stopping, true);
    sender_wake_transport(sender);
}

/* Requests are broken off before their batches are given away, because they borrow the bodies. The
 * transport goes with sender_free(): until then workers may still wake it. */
bool sender_begin_stop(struct sender *sender, int64_t deadline_ms, int64_t until_ms)
{
    sender_tell_stop(sender);
    if (!ending_await(&sender->ending, deadline_ms))
        return false;
    CHECK(pthread_join(sender->thread, NULL) == 0);
    sender->transport->break_off(sender->transport);
    spill_all(sender, until_ms);
    return true;
}

void sender_leave_sending(struct sender *sender, int64_t until_ms)
{
    lock_take(&sender->lock);
    sender->is_left = true;
    unsigned requests = delivery_in_flight(sender->delivery);
    delivery_leave_sending(sender->delivery);
    lock_drop(&sender->lock);
    LOG(LOG_ERROR, "the sender does not come back from a call, ending without it",
        LS("output", sender->config.name), LU("requests_in_flight", requests),
        LS("effect", "what is in flight is counted as left, though it may arrive"));
    spill_all(sender, until_ms);
}

static void abandon(struct sender *sender)
{
    lock_take(&sender->lock);
    delivery_abandon(sender->delivery);
    lock_drop(&sender->lock);
    wake_bump(sender->config.workers);
}

bool sender_end_stop(struct sender *sender, int64_t deadline_ms)
{
    if (sender->spooler != NULL && !spooler_end_stop(sender->spooler, deadline_ms))
        return false;
    abandon(sender);
    return true;
}

void sender_leave_behind(struct sender *sender)
{
    spooler_leave_behind(sender->spooler);
    lock_take(&sender->lock);
    delivery_leave_spool(sender->delivery);
    lock_drop(&sender->lock);
    abandon(sender);
}

void sender_leave_burying(struct sender *sender)
{
    lock_take(&sender->lock);
    delivery_leave_burying(sender->delivery);
    lock_drop(&sender->lock);
}

void sender_free(struct sender **senderp)
{
    struct sender *sender = *senderp;

    *senderp = NULL;
    if (sender == NULL)
        return;
    if (sender->transport != NULL)
        sender->transport->free(&sender->transport);
    delivery_free(&sender->delivery);
    struct spooler *spooler = atomic_load(&sender->spooler);
    spooler_free(&spooler);
    spool_free(&sender->spool);
    lock_fini(&sender->lock);
    lock_fini(&sender->wake_lock);
    free(sender);
}

/* ---- for the workers ---- */

bool sender_reserve(struct sender *sender, unsigned worker, uint64_t bytes, struct permit *ret)
{
    bool granted;

    lock_take(&sender->lock);
    granted = delivery_reserve(sender->delivery, worker, bytes, ret);
    lock_drop(&sender->lock);
    if (!granted)
        wake_spooler(sender);
    return granted;
}

void sender_unreserve(struct sender *sender, struct permit *permit)
{
    lock_take(&sender->lock);
    delivery_unreserve(sender->delivery, permit);
    lock_drop(&sender->lock);
}

bool sender_wants_batches(struct sender *sender)
{
    bool wants;

    lock_take(&sender->lock);
    wants = delivery_wants_batches(sender->delivery, clock_now_ms());
    lock_drop(&sender->lock);
    return wants;
}

uint64_t sender_max_bytes(struct sender *sender)
{
    uint64_t bytes;

    lock_take(&sender->lock);
    bytes = delivery_max_bytes(sender->delivery);
    lock_drop(&sender->lock);
    return bytes;
}

void sender_put(struct sender *sender, struct batch **batchp)
{
    numbers_observe(sender->config.numbers, HISTOGRAM_batch_age,
                    clock_boot_ms() - (*batchp)->oldest_boot_ms, 1);
    lock_take(&sender->lock);
    delivery_put(sender->delivery, batchp, clock_now_ms());
    lock_drop(&sender->lock);
    sender_wake_transport(sender);
}

struct batch *sender_take_split(struct sender *sender)
{
    struct batch *batch;

    lock_take(&sender->lock);
    batch = delivery_take_split(sender->delivery);
    lock_drop(&sender->lock);
    return batch;
}

void sender_put_halves(struct sender *sender, struct batch **parentp, struct batch *halves[2])
{
    lock_take(&sender->lock);
    for (unsigned i = 0; halves != NULL && i < 2 && halves[i] != NULL; i++)
        halves[i]->permit = share_overdraw(delivery_share(sender->delivery), halves[i]->body_bytes);
    delivery_put_halves(sender->delivery, parentp, halves, clock_now_ms());
    lock_drop(&sender->lock);
    sender_wake_transport(sender);
}

struct batch *sender_take_refused(struct sender *sender)
{
    struct batch *batch;

    lock_take(&sender->lock);
    batch = delivery_take_refused(sender->delivery);
    lock_drop(&sender->lock);
    return batch;
}

void sender_put_buried(struct sender *sender, struct batch **batchp)
{
    lock_take(&sender->lock);
    delivery_put_buried(sender->delivery, batchp);
    lock_drop(&sender->lock);
    wake_spooler(sender); /* it may have been the last part of a record, which is marked now */
    wake_bump(sender->config.workers); /* its memory is free, and the next one may be taken */
}

bool sender_is_empty(struct sender *sender)
{
    bool empty;

    lock_take(&sender->lock);
    empty = delivery_is_empty(sender->delivery);
    lock_drop(&sender->lock);
    return empty;
}

struct wait_times *sender_waits(struct sender *sender)
{
    return &sender->waits;
}

void sender_audit(struct sender *sender)
{
    lock_take(&sender->lock);
    delivery_audit(sender->delivery);
    delivery_tell_age(sender->delivery, clock_boot_ms());
    lock_drop(&sender->lock);
}

int64_t sender_last_step_ms(struct sender *sender)
{
    return atomic_load(&sender->last_step_ms);
}
