/* SPDX-License-Identifier: Apache-2.0 */
/* holding: one function for each move, so that no batch changes its list without its entry. */
#include "delivery/holding.h"

#include "base/check.h"

/* A batch from the spool stays in that account while it is sent. */
static void count(const struct batch *batch, enum flow flow)
{
    struct tally tally;

    if (batch->pin != NULL)
        return;
    tally.count = 0;
    tally_add_batch(&tally, batch);
    tally_move(&tally, flow, 0);
}

/* Called when permits come and go: spare bodies may take what they leave. */
static void allow_spares(struct body_pool *pool, const struct share *share)
{
    if (pool != NULL && share != NULL)
        body_pool_allow(pool, share_room(share));
}

static void forget(struct batch *batch)
{
    const struct share *share = batch->permit.share;

    permit_release(&batch->permit);
    allow_spares(batch->pool, share);
    batch_free(&batch);
}

void holding_seal(struct holding *holding, struct batch *batch)
{
    struct amount sum = { 0, 0 };
    struct tally tally;

    tally.count = 0;
    tally_add_batch(&tally, batch);
    for (unsigned i = 0; i < tally.count; i++) {
        (void)tally_row(&holding->lanes, tally.rows[i].books);
        sum.events += tally.rows[i].amount.events;
        sum.bytes += tally.rows[i].amount.bytes;
    }
    CHECK(sum.events > 0 && sum.events == batch->events && sum.bytes == batch->bytes);
    tally_move(&tally, FLOW_seal, batch->worker);
    allow_spares(batch->pool, batch->permit.share);
    batch_list_push_back(&holding->ready, batch);
}

void holding_launch(struct holding *holding, struct batch *batch)
{
    batch_list_remove(&holding->ready, batch);
    batch_list_push_back(&holding->in_flight, batch);
    count(batch, FLOW_launch);
}

/* To the front, but behind one that it went past. */
static void put_back(struct holding *holding, struct batch *batch)
{
    struct batch *head = holding->ready.head;

    batch_list_insert(&holding->ready, head != NULL && head->was_passed ? head : NULL, batch);
}

void holding_return(struct holding *holding, struct batch *batch, enum end end)
{
    batch_list_remove(&holding->in_flight, batch);
    count(batch, FLOW_return);
    if (end == HOLDING_FRONT)
        put_back(holding, batch);
    else
        batch_list_push_back(&holding->ready, batch);
}

void holding_return_to_split(struct holding *holding, struct batch *batch)
{
    batch_list_remove(&holding->in_flight, batch);
    count(batch, FLOW_return);
    batch_list_push_back(&holding->to_split, batch);
}

struct batch *holding_take_split(struct holding *holding)
{
    struct batch *batch = batch_list_pop(&holding->to_split);

    if (batch != NULL)
        batch_list_push_back(&holding->splitting, batch);
    return batch;
}

void holding_end_split(struct holding *holding, struct batch *parent, struct batch *halves[2])
{
    batch_list_remove(&holding->splitting, parent);
    if (halves == NULL) {
        put_back(holding, parent);
        return;
    }
    CHECK(halves[0]->events + halves[1]->events == parent->events);
    CHECK(halves[0]->bytes + halves[1]->bytes == parent->bytes);
    pins_share(parent, halves);
    put_back(holding, halves[1]);
    put_back(holding, halves[0]);
    forget(parent);
}

void holding_refuse(struct holding *holding, struct batch *batch)
{
    CHECK(batch->refusal != NULL);
    batch_list_remove(&holding->in_flight, batch);
    batch_list_push_back(&holding->refused, batch);
}

struct batch *holding_take_refused(struct holding *holding)
{
    struct batch *batch = holding->burying.count > 0 ? NULL : batch_list_pop(&holding->refused);

    if (batch != NULL)
        batch_list_push_back(&holding->burying, batch);
    return batch;
}

void holding_finish(struct batch_list *list, struct batch *batch, enum flow flow)
{
    batch_list_remove(list, batch);
    if (batch->pin != NULL) {
        pins_finish(batch, flow);
        return;
    }
    count(batch, flow);
    if (flow_infos[flow].to == ACCOUNT_dropped)
        batch_note_dropped(batch);
    batch_settle(batch);
    forget(batch);
}

int64_t holding_time_left_ms(const struct batch *batch, int64_t max_age_ms, int64_t boot_ms)
{
    if (max_age_ms == 0)
        return INT64_MAX;
    return batch->oldest_boot_ms + max_age_ms - boot_ms;
}

static int64_t expire_list(struct batch_list *list, int64_t max_age_ms, int64_t boot_ms)
{
    int64_t next_ms = INT64_MAX;

    for (struct batch *batch = list->head, *next; batch != NULL; batch = next) {
        int64_t left_ms = holding_time_left_ms(batch, max_age_ms, boot_ms);
        next = batch->next;
        if (left_ms <= 0)
            holding_finish(list, batch, FLOW_expire);
        else if (left_ms < next_ms)
            next_ms = left_ms;
    }
    return next_ms;
}

int64_t holding_expire(struct holding *holding, int64_t max_age_ms, int64_t boot_ms)
{
    int64_t ready_ms = expire_list(&holding->ready, max_age_ms, boot_ms);
    int64_t split_ms = expire_list(&holding->to_split, max_age_ms, boot_ms);

    return ready_ms < split_ms ? ready_ms : split_ms;
}

static bool goes_back(const struct batch_run *run)
{
    return receipt_goes_back(run->receipt, ledger_is_rereadable(run->books));
}

static void count_back(const struct batch *batch, enum flow replay, enum flow drop)
{
    struct tally replayed, dropped;

    replayed.count = dropped.count = 0;
    for (size_t i = 0; i < batch->run_count; i++) {
        const struct batch_run *run = &batch->runs[i];
        tally_add_run(goes_back(run) ? &replayed : &dropped, run);
    }
    tally_move(&replayed, replay, 0);
    tally_move(&dropped, drop, 0);
    for (size_t i = 0; i < batch->run_count; i++) {
        const struct batch_run *run = &batch->runs[i];
        if (!goes_back(run))
            receipt_drop(run->receipt, run->events);
    }
}

static void give_back(struct batch *batch, enum flow replay, enum flow drop)
{
    if (batch->pin != NULL) {
        pins_drop(batch);
        return;
    }
    count_back(batch, replay, drop);
    forget(batch);
}

static uint64_t leave_burying(struct holding *holding)
{
    struct batch *batch;
    uint64_t unburied = 0;

    while (holding->is_burying_left && (batch = batch_list_pop(&holding->burying)) != NULL) {
        if (batch->pin == NULL) {
            unburied += batch->events;
            count_back(batch, FLOW_replay_in_flight, batch->refusal->flow);
        }
        batch_list_push_back(&holding->left, batch);
    }
    return unburied;
}

static enum flow in_flight_drop(const struct holding *holding)
{
    return holding->leaves_by_reload ? FLOW_reload_drop_in_flight : FLOW_drain_timeout_in_flight;
}

void holding_leave_sending(struct holding *holding)
{
    struct batch *batch;

    while ((batch = batch_list_pop(&holding->in_flight)) != NULL) {
        if (batch->pin == NULL)
            count_back(batch, FLOW_replay_in_flight, in_flight_drop(holding));
        batch_list_push_back(&holding->left, batch);
    }
}

uint64_t holding_abandon(struct holding *holding)
{
    enum flow ready = holding->leaves_by_reload ? FLOW_reload_drop_ready : FLOW_drain_timeout_ready;
    struct batch *batch, *writing = NULL;
    uint64_t unburied = leave_burying(holding);

    if (holding->is_writing_left)
        writing = batch_list_pop(&holding->to_spool);
    while ((batch = batch_list_pop(&holding->ready)) != NULL)
        give_back(batch, FLOW_replay_ready, ready);
    while ((batch = batch_list_pop(&holding->to_split)) != NULL)
        give_back(batch, FLOW_replay_ready, ready);
    while ((batch = batch_list_pop(&holding->to_spool)) != NULL)
        give_back(batch, FLOW_replay_ready, ready);
    while ((batch = batch_list_pop(&holding->in_flight)) != NULL)
        give_back(batch, FLOW_replay_in_flight, in_flight_drop(holding));
    while ((batch = batch_list_pop(&holding->refused)) != NULL) {
        unburied += batch->events;
        give_back(batch, FLOW_replay_in_flight, batch->refusal->flow);
    }
    /* On disk, but a sync failed: read again by their source, rather twice than never. */
    while ((batch = batch_list_pop(&holding->unsynced)) != NULL)
        forget(batch);
    if (!holding->is_spool_left)
        pins_forget_all(&holding->pins);
    if (writing != NULL)
        batch_list_push_back(&holding->to_spool, writing);
    return unburied;
}

bool holding_is_empty(const struct holding *holding)
{
    return holding->ready.count + holding->to_split.count + holding->splitting.count +
                   holding->in_flight.count + holding->refused.count + holding->burying.count +
                   holding->to_spool.count + holding->unsynced.count + holding->left.count ==
               0 &&
           pins_first(&holding->pins) == NULL;
}

static bool has_receipt(const struct batch_list *list, const struct receipts *receipts)
{
    for (const struct batch *batch = list->head; batch != NULL; batch = batch->next) {
        for (size_t i = 0; i < batch->run_count; i++) {
            if (receipt_is_of(batch->runs[i].receipt, receipts))
                return true;
        }
    }
    return false;
}

bool holding_has_receipts(const struct holding *holding, const struct receipts *receipts)
{
    const struct batch_list *lists[] = { &holding->ready,     &holding->to_split,
                                         &holding->splitting, &holding->in_flight,
                                         &holding->to_spool,  &holding->unsynced,
                                         &holding->refused,   &holding->burying };

    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        if (has_receipt(lists[i], receipts))
            return true;
    }
    return false;
}

static int64_t oldest_of(const struct batch_list *list, bool pinned_alone, int64_t oldest_ms)
{
    for (const struct batch *batch = list->head; batch != NULL; batch = batch->next) {
        if (batch->oldest_boot_ms < oldest_ms && (batch->pin != NULL || !pinned_alone))
            oldest_ms = batch->oldest_boot_ms;
    }
    return oldest_ms;
}

static int64_t oldest_of_all(const struct holding *holding, bool pinned_alone)
{
    const struct batch_list *lists[] = { &holding->ready,     &holding->to_split,
                                         &holding->splitting, &holding->to_spool,
                                         &holding->in_flight, &holding->refused,
                                         &holding->burying };
    int64_t oldest_ms = INT64_MAX;

    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        oldest_ms = oldest_of(lists[i], pinned_alone, oldest_ms);
    return oldest_ms;
}

int64_t holding_oldest_boot_ms(const struct holding *holding)
{
    return oldest_of_all(holding, false);
}

int64_t holding_oldest_pinned_boot_ms(const struct holding *holding)
{
    return oldest_of_all(holding, true);
}

/* A lane of which nothing is held is compared too: its stock must be zero. */
static void begin_audit(struct tally *ret, const struct tally *lanes)
{
    ret->count = 0;
    for (unsigned i = 0; i < lanes->count; i++)
        (void)tally_row(ret, lanes->rows[i].books);
}

static void add_list(struct tally *tally, const struct batch_list *list)
{
    for (const struct batch *batch = list->head; batch != NULL; batch = batch->next) {
        if (batch->pin == NULL)
            tally_add_batch(tally, batch);
    }
}

void holding_audit(const struct holding *holding)
{
    struct tally held;

    begin_audit(&held, &holding->lanes);
    add_list(&held, &holding->ready);
    add_list(&held, &holding->to_split);
    add_list(&held, &holding->splitting);
    add_list(&held, &holding->to_spool);
    tally_audit(&held, ACCOUNT_ready);

    begin_audit(&held, &holding->lanes);
    add_list(&held, &holding->in_flight);
    add_list(&held, &holding->refused);
    add_list(&held, &holding->burying);
    tally_audit(&held, ACCOUNT_in_flight);
}
