/* SPDX-License-Identifier: Apache-2.0 */
/* spilling: what goes between memory and the spool, and when. To disk: all that is ready while the
 * endpoint is away or the agent stops, and the oldest when the share for sealed batches is used up.
 * Back: as many as may be sent soon, a few while the endpoint is away, for the probe; never more
 * than half of the share, so that there is memory to seal and spill in. A full spool gives up its
 * oldest for what comes, or where all that comes can wait in its source: that waits. What is on
 * disk is older than what is ready, so it goes first (unless newest_first). Counts first, then
 * releases receipts.
 */
#include "base/check.h"
#include "delivery/delivery_state.h"

enum {
    AWAY_MS = 5000,       /* a pause of the endpoint as long as this: it is away */
    AHEAD = 2,            /* batches read beyond those that may be sent at once */
    PROBES = 4,           /* read while it is away: they take turns at the probe */
    UNSYNCED_MOST = 1024, /* batches whose receipts wait: then a sync is not put off any longer */
};

void delivery_use_spool(struct delivery *delivery, struct spool *spool)
{
    delivery->spill.spool = spool;
    spilling_audit(delivery); /* so that what was carried is seen at once */
}

/* ---- what may be sent, what is wanted ---- */

static bool is_away(const struct delivery *delivery, int64_t now_ms)
{
    return delivery->breaker.state != BREAKER_CLOSED ||
           delivery->pause_until_ms - now_ms >= AWAY_MS;
}

/* The agent stops, and what is older than all in memory stays on disk: where the order is kept all
 * goes there. */
static bool is_behind_left(const struct delivery *delivery, int64_t now_ms)
{
    return delivery->in_order && delivery->spill.has_left &&
           spool_is_usable(delivery->spill.spool, now_ms) &&
           !spool_is_newest_first(delivery->spill.spool);
}

bool spilling_may_send(const struct delivery *delivery, const struct batch *batch, int64_t now_ms)
{
    const struct spool *spool = delivery->spill.spool;

    if (batch->pin != NULL)
        return !delivery->draining; /* it is safe on disk */
    if (is_behind_left(delivery, now_ms))
        return false;
    return spool == NULL || spool_is_newest_first(spool) ||
           (!spool_may_read(spool, now_ms) && delivery->spill.loading.share == NULL &&
            delivery->held.to_spool.count == 0);
}

/* A full spool gives up its oldest only for an endpoint that is away. */
bool spilling_wants_batches(const struct delivery *delivery, int64_t now_ms)
{
    const struct spool *spool = delivery->spill.spool;

    if (spool == NULL || spool_is_closing(spool) || !spool_is_usable(spool, now_ms) ||
        spool_asks_to_wait(spool))
        return false;
    return is_away(delivery, now_ms) ||
           (spool_may_read(spool, now_ms) && !spool_is_nearly_full(spool));
}

int64_t spilling_due_ms(const struct delivery *delivery, int64_t now_ms)
{
    int64_t due_ms =
        delivery->spill.spool == NULL ? INT64_MAX : spool_due_ms(delivery->spill.spool, now_ms);

    return due_ms > now_ms ? due_ms : INT64_MAX;
}

/* ---- to disk ---- */

static bool has_from_memory(const struct batch_list *list)
{
    for (const struct batch *batch = list->head; batch != NULL; batch = batch->next) {
        if (batch->pin == NULL)
            return true;
    }
    return false;
}

/* With one request at a time the order is kept: what is out may come back, and is older. */
static bool must_wait_for_older(const struct delivery *delivery)
{
    const struct holding *held = &delivery->held;

    return delivery->in_order &&
           (has_from_memory(&held->in_flight) || has_from_memory(&held->to_split) ||
            has_from_memory(&held->splitting));
}

static uint64_t bytes_wanted(const struct delivery *delivery, int64_t now_ms)
{
    const struct spool *spool = delivery->spill.spool;

    if (is_away(delivery, now_ms) || delivery->spill.is_closing ||
        (delivery->draining && spool_may_read(spool, now_ms)) || is_behind_left(delivery, now_ms))
        return UINT64_MAX;
    return delivery->spill.wants_memory ? share_limit(&delivery->held.share) / 4 : 0;
}

/* What is on disk stays there; the next start sends it. */
static void drop_pinned(struct delivery *delivery)
{
    struct batch_list *ready = &delivery->held.ready;

    for (struct batch *batch = ready->head, *next; batch != NULL; batch = next) {
        next = batch->next;
        if (batch->pin == NULL)
            continue;
        batch_list_remove(ready, batch);
        pins_drop(batch);
        delivery->spill.has_left = true;
    }
}

void spilling_choose(struct delivery *delivery, int64_t now_ms)
{
    struct spool *spool = delivery->spill.spool;
    struct holding *held = &delivery->held;
    uint64_t wanted, chosen = 0;

    if (spool == NULL)
        return;
    if (delivery->draining)
        drop_pinned(delivery);
    if (!spool_is_usable(spool, now_ms) || must_wait_for_older(delivery))
        return;
    wanted = bytes_wanted(delivery, now_ms);
    delivery->spill.wants_memory = false; /* if that was too little, the worker asks again */
    for (const struct batch *batch = held->to_spool.head; batch != NULL; batch = batch->next)
        chosen += batch->body_bytes;
    for (struct batch *batch = held->ready.head, *next; batch != NULL && chosen < wanted;
         batch = next) {
        next = batch->next;
        if (batch->pin != NULL)
            continue;
        if (!spool_takes(spool, batch)) {
            if (delivery->in_order)
                return; /* what is on disk goes first, so those behind it stay here as well */
            continue;
        }
        if (!spool_has_room(spool, &held->to_spool, batch, now_ms))
            return; /* nor those behind it, for the order's sake */
        chosen += batch->body_bytes;
        batch_list_remove(&held->ready, batch);
        batch_list_push_back(&held->to_spool, batch);
    }
}

/* Those read from the disk are older than all that is to go there. */
static struct batch *last_from_disk(const struct batch_list *ready)
{
    struct batch *last = NULL;

    for (struct batch *at = ready->head; at != NULL && at->pin != NULL; at = at->next)
        last = at;
    return last;
}

/* The disk fails: but for what was read from it they are the oldest of what is ready. */
static void take_back(struct delivery *delivery)
{
    struct batch_list *list = &delivery->held.to_spool;
    struct batch *after = last_from_disk(&delivery->held.ready), *batch;

    while ((batch = batch_list_pop(list)) != NULL) {
        batch_list_insert(&delivery->held.ready, after, batch);
        after = batch;
    }
}

void delivery_spill_all(struct delivery *delivery, int64_t now_ms)
{
    struct holding *held = &delivery->held;

    if (delivery->spill.spool == NULL)
        return;
    delivery->draining = delivery->spill.is_closing = true;
    delivery->probe = NULL;
    while (held->in_flight.tail != NULL)
        holding_return(held, held->in_flight.tail, HOLDING_FRONT);
    while (held->to_split.tail != NULL) {
        struct batch *batch = held->to_split.tail;
        batch_list_remove(&held->to_split, batch);
        batch_list_push_front(&held->ready, batch);
    }
    spilling_choose(delivery, now_ms);
    delivery_publish(delivery);
}

static void end_write(struct delivery *delivery, const struct spool_job *job)
{
    struct batch *batch = batch_list_pop(&delivery->held.to_spool);
    struct tally tally;

    CHECK(batch == job->batch);
    tally.count = 0;
    tally_add_batch(&tally, batch);
    tally_move(&tally, FLOW_spill, 0);
    permit_release(&batch->permit);
    if (job->sync || spool_never_syncs(delivery->spill.spool)) {
        batch_settle(batch);
        batch_free(&batch);
        return;
    }
    body_pool_give(batch->pool, batch->body);
    batch->body = NULL;
    batch_list_push_back(&delivery->held.unsynced, batch);
}

static void end_sync(struct delivery *delivery)
{
    struct batch *batch;

    while ((batch = batch_list_pop(&delivery->held.unsynced)) != NULL) {
        batch_settle(batch);
        batch_free(&batch);
    }
}

/* ---- back ---- */

struct from_disk {
    unsigned ready, all;
    uint64_t bytes;
};

static void add_pinned(struct from_disk *ret, const struct batch_list *list)
{
    for (const struct batch *batch = list->head; batch != NULL; batch = batch->next) {
        if (batch->pin != NULL) {
            ret->all++;
            ret->bytes += batch->permit.bytes;
        }
    }
}

static struct from_disk count_from_disk(const struct delivery *delivery)
{
    struct from_disk found = { .ready = 0 };

    add_pinned(&found, &delivery->held.ready);
    found.ready = found.all;
    add_pinned(&found, &delivery->held.in_flight);
    add_pinned(&found, &delivery->held.to_split);
    add_pinned(&found, &delivery->held.splitting);
    add_pinned(&found, &delivery->held.refused);
    add_pinned(&found, &delivery->held.burying);
    return found;
}

/* The first is older than all that holds the share, which waits for it: it may overdraw once. */
static bool may_reserve(const struct delivery *delivery, const struct from_disk *found,
                        uint64_t bytes)
{
    const struct share *share = &delivery->held.share;

    return found->all == 0 ||
           (found->bytes + bytes <= share_limit(share) / 2 && bytes <= share_room(share));
}

static bool reserve_body(struct delivery *delivery, const struct from_disk *found, uint64_t bytes)
{
    if (!may_reserve(delivery, found, bytes))
        return false;
    delivery->spill.loading = share_overdraw(&delivery->held.share, bytes);
    return true;
}

static unsigned in_order_probes(const struct delivery *delivery)
{
    const struct batch *head = delivery->held.ready.head;

    return head != NULL && (head->may_be_poisoned || head->was_passed) ? 2 : 1;
}

/* One batch that fails by itself must not hold all others; where the order is kept it must, unless
 * it may be poisoned: then the next one tells. */
static bool wants_more(const struct delivery *delivery, const struct from_disk *found,
                       int64_t now_ms)
{
    if (is_away(delivery, now_ms))
        return found->all < (delivery->in_order ? in_order_probes(delivery) : PROBES);
    return found->ready < delivery->limiter.limit + AHEAD;
}

static bool plan_read(struct delivery *delivery, const struct spool_stamp *now, int64_t now_ms,
                      struct spool_job *ret)
{
    struct from_disk found = count_from_disk(delivery);
    uint64_t body_bytes;

    if (delivery->draining || !wants_more(delivery, &found, now_ms))
        return false;
    if (!spool_plan_read(delivery->spill.spool, now, now_ms, ret, &body_bytes))
        return false;
    if (ret->kind == SPOOL_SEAL) /* not for what cannot be loaded: each batch would get a segment */
        return may_reserve(delivery, &found, body_bytes);
    if (ret->kind != SPOOL_LOAD)
        return true;
    if (!reserve_body(delivery, &found, body_bytes))
        return false;
    spool_begin_load(delivery->spill.spool);
    return true;
}

static void end_load(struct delivery *delivery, const struct spool_job *job,
                     struct spool_result *result, const struct spool_stamp *now, int64_t now_ms)
{
    struct batch *batch = spool_loaded(delivery->spill.spool, job, result, now, now_ms);
    struct permit permit = delivery->spill.loading;

    delivery->spill.loading = (struct permit){ 0 };
    if (batch == NULL) {
        permit_release(&permit);
        return;
    }
    batch->permit = permit;
    batch->due_ms = now_ms;
    pins_adopt(&delivery->held.pins, batch);
    if (batch->body == NULL) {
        pins_finish(batch, FLOW_spool_corrupt);
        return;
    }
    batch_list_insert(&delivery->held.ready, last_from_disk(&delivery->held.ready), batch);
}

/* ---- jobs ---- */

static bool plan_write(struct delivery *delivery, const struct spool_stamp *now, int64_t now_ms,
                       struct spool_job *ret)
{
    struct spool *spool = delivery->spill.spool;
    struct batch *batch = delivery->held.to_spool.head;

    if (batch == NULL)
        return false;
    if (spool_plan_write(spool, batch, now, now_ms, ret))
        return true;
    if (!spool_is_usable(spool, now_ms) || !spool_takes(spool, batch) ||
        !spool_has_room(spool, &(struct batch_list){ .count = 0 }, batch, now_ms))
        take_back(delivery);
    return false;
}

static bool plan_job(struct delivery *delivery, const struct spool_stamp *now, int64_t now_ms,
                     struct spool_job *ret, int64_t *ret_due_ms)
{
    struct spilling *spill = &delivery->spill;
    struct spool_pin *pin = pins_first(&delivery->held.pins);

    *ret_due_ms = INT64_MAX;
    if (spill->spool == NULL) /* its thread is there a moment before it */
        return false;
    if (spool_never_syncs(spill->spool)) /* since a reload: those that wait for a sync need none */
        end_sync(delivery);
    spilling_choose(delivery, now_ms);
    if (pin != NULL) {
        spool_plan_mark(spill->spool, pin->done, ret);
        return true;
    }
    if (spool_plan_tidy(spill->spool, now_ms, now->boot_ms, ret))
        return true;
    for (int turn = 0; turn < 2; turn++) {
        spill->was_write = !spill->was_write;
        if (spill->was_write ? plan_write(delivery, now, now_ms, ret)
                             : plan_read(delivery, now, now_ms, ret))
            return true;
    }
    if (spool_plan_sync(spill->spool, now_ms,
                        spill->is_closing || delivery->draining ||
                            delivery->held.unsynced.count >= UNSYNCED_MOST,
                        ret))
        return true;
    if (spill->is_closing && spool_plan_close(spill->spool, now, ret))
        return true;
    *ret_due_ms = spool_due_ms(spill->spool, now_ms);
    return false;
}

bool delivery_spool_job(struct delivery *delivery, const struct spool_stamp *now, int64_t now_ms,
                        struct spool_job *ret, int64_t *ret_due_ms)
{
    bool has_job = plan_job(delivery, now, now_ms, ret, ret_due_ms);

    delivery->spill.is_writing = has_job && ret->kind == SPOOL_WRITE;
    return has_job;
}

void delivery_spool_done(struct delivery *delivery, const struct spool_job *job,
                         struct spool_result *result, const struct spool_stamp *now, int64_t now_ms)
{
    struct spool *spool = delivery->spill.spool;

    delivery->spill.is_writing = false;
    switch (job->kind) {
    case SPOOL_WRITE:
        if (spool_wrote(spool, job, result, now_ms))
            end_write(delivery, job);
        else
            take_back(delivery);
        break;
    case SPOOL_SEAL:
        spool_sealed(spool, job, result, now_ms);
        break;
    case SPOOL_PEEK:
        spool_peeked(spool, job, result, now_ms);
        break;
    case SPOOL_LOAD:
        end_load(delivery, job, result, now, now_ms);
        break;
    case SPOOL_MARK:
        spool_marked(spool, job, result, now_ms);
        pins_count_first(&delivery->held.pins);
        break;
    case SPOOL_REMOVE:
        spool_removed(spool, job, result, now_ms);
        break;
    case SPOOL_SYNC:
    case SPOOL_REWRITE:
        if (spool_synced(spool, job, result, now_ms))
            end_sync(delivery);
        break;
    case SPOOL_UNDO:
        spool_undone(spool, job, result, now_ms);
        break;
    case SPOOL_LOOK:
        spool_looked(spool, result, now_ms);
        break;
    }
    spilling_choose(delivery, now_ms);
    delivery_publish(delivery);
}

/* ---- the account spool ---- */

/* A record that is being sent is in memory, and still in the spool. */
int64_t spilling_oldest_boot_ms(const struct delivery *delivery)
{
    if (delivery->spill.spool == NULL)
        return INT64_MAX;
    return least_ms(spool_index_oldest_boot_ms(spool_index_of(delivery->spill.spool)),
                    holding_oldest_pinned_boot_ms(&delivery->held));
}

void spilling_audit(struct delivery *delivery)
{
    const struct spool_index *index;
    struct tally held;

    if (delivery->spill.spool == NULL)
        return;
    index = spool_index_of(delivery->spill.spool);
    held.count = 0;
    for (unsigned i = 0; i < index->lane_count; i++) {
        struct amount live = spool_index_live(index, i);
        struct tally_row *row = tally_row(&held, index->lanes[i].books);
        row->amount.events += live.events;
        row->amount.bytes += live.bytes;
    }
    tally_audit(&held, ACCOUNT_spool);
}
