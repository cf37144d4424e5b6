/* SPDX-License-Identifier: Apache-2.0 */
/* host_audit: what must hold after every step. The owners of the accounts say what they hold, as
 * they do at a report; beside that stand sums that the agent knows nothing of: what was offered to
 * each lane, and what the endpoint acknowledged, event by event. */
#include "host.h"

enum { ALL_EVERY = 16, DISK_EVERY = 64 };

/* What is asked after every step is asked of the cells, and inlined for each question, so that only
 * the flows concerned are left in it. */
static inline __attribute__((always_inline)) uint64_t
events_if(bool is_asked, const struct books *books, unsigned first, unsigned last)
{
    uint64_t events = 0;

    for (unsigned i = first; is_asked && i <= last; i++)
        events += atomic_load_explicit(&books->cells[i].events, memory_order_relaxed);
    return events;
}

uint64_t audit_flows(const struct books *books, enum account from, enum account to)
{
    uint64_t events = 0;

#define FLOW(name, out_of, into, doc)                                                              \
    events += events_if(ACCOUNT_##out_of == from && ACCOUNT_##into == to, books, CELL_##name,      \
                        CELL_LAST_##name);
#include "ledger/flows.def"
    return events;
}

uint64_t audit_dropped(const struct books *books)
{
    uint64_t events = 0;

#define FLOW(name, from, to, doc)                                                                  \
    events += events_if(ACCOUNT_##to == ACCOUNT_dropped, books, CELL_##name, CELL_LAST_##name);
#include "ledger/flows.def"
    return events;
}

uint64_t audit_dropped_from_memory(const struct books *books)
{
    return audit_dropped(books) - audit_flows(books, ACCOUNT_spool, ACCOUNT_dropped);
}

static uint64_t left_world(const struct books *books)
{
    uint64_t events = 0;

#define FLOW(name, from, to, doc)                                                                  \
    events += events_if(ACCOUNT_##from == ACCOUNT_world && FLOW_##name != FLOW_carry, books,       \
                        CELL_##name, CELL_LAST_##name);
#include "ledger/flows.def"
    return events;
}

/* ---- after each step ---- */

static void audit_books(const struct source *source)
{
    for (unsigned i = 0; i < BOOKS_MEASURED; i++) {
        const struct measured *measured = &source->books->measured[i];
        int64_t events = atomic_load_explicit(&measured->differing_events, memory_order_relaxed);
        int64_t bytes = atomic_load_explicit(&measured->differing_bytes, memory_order_relaxed);
        if (events != 0 || bytes != 0)
            host_fail(source->host,
                      "%s: the books do not balance: %lld events, %lld bytes more held than "
                      "counted (account %u)",
                      source->name, (long long)events, (long long)bytes, i);
    }
}

static void audit_source(const struct source *source)
{
    const struct sim *host = source->host;
    const struct books *books = source->books;
    uint64_t offered = source->handled - source->first, counted = left_world(books);

    audit_books(source);
    if (counted != offered)
        host_fail(host, "%s: %llu events were offered, %llu counted", source->name,
                  (unsigned long long)offered, (unsigned long long)counted);
    uint64_t delivered = ledger_flow(books, FLOW_deliver).events;
    if (delivered != source->acked)
        host_fail(host, "%s: %llu events were acknowledged, %llu counted as delivered",
                  source->name, (unsigned long long)source->acked, (unsigned long long)delivered);
    uint64_t from_disk = ledger_flow(books, FLOW_spool_deliver).events;
    if (from_disk > source->acked_from_disk ||
        (from_disk != source->acked_from_disk && !host->is_draining &&
         delivery_is_empty(source->outlet->delivery)))
        host_fail(host, "%s: %llu events from disk were acknowledged, %llu counted", source->name,
                  (unsigned long long)source->acked_from_disk, (unsigned long long)from_disk);
    const struct numbers *numbers = &books->numbers;
    if (numbers_get(numbers, NUMBER_lane_used_bytes) > source->pieces * source->piece_bytes)
        host_fail(host, "%s: the lane is larger than its capacity", source->name);
    /* Nothing under way: what was settled and not delivered is what was dropped, exactly. */
    if (source->receipts != NULL && receipts_count(source->receipts) == 0 && !source->is_reading) {
        uint64_t dropped = audit_dropped_from_memory(books);
        if (dropped != source->popped_unacked)
            host_fail(host, "%s: %llu events are gone, %llu are counted as dropped", source->name,
                      (unsigned long long)source->popped_unacked, (unsigned long long)dropped);
    }
}

static uint64_t sum_permits(const struct batch_list *list)
{
    uint64_t bytes = 0;

    for (const struct batch *batch = list->head; batch != NULL; batch = batch->next)
        bytes += batch->permit.bytes;
    return bytes;
}

static void audit_memory(const struct outlet *outlet)
{
    const struct holding *held = &outlet->delivery->held;
    uint64_t bytes = sum_permits(&held->ready) + sum_permits(&held->to_split) +
                     sum_permits(&held->splitting) + sum_permits(&held->in_flight) +
                     sum_permits(&held->to_spool) + sum_permits(&held->refused) +
                     sum_permits(&held->burying) + sum_permits(&held->left) +
                     outlet->delivery->spill.loading.bytes;
    /* One batch may be larger than the share, and one from disk; halves of a split may have a
     * little more. */
    uint64_t bound = outlet->delivery_config.memory_bytes + 3 * outlet->largest_body + 4096;

    if (bytes != held->share.used_bytes)
        host_fail(outlet->host, "%s: permits for %llu bytes, the share says %llu", outlet->name,
                  (unsigned long long)bytes, (unsigned long long)held->share.used_bytes);
    if (bytes > bound)
        host_fail(outlet->host, "%s: %llu bytes of sealed batches, the share has %llu",
                  outlet->name, (unsigned long long)bytes,
                  (unsigned long long)outlet->delivery_config.memory_bytes);
    if (held->in_flight.count != outlet->request_count)
        host_fail(outlet->host, "%s: %u batches in flight, %u requests", outlet->name,
                  held->in_flight.count, outlet->request_count);
}

/* A half-open breaker waits for the verdict of its probe: without one it would for ever. */
static void audit_probe(const struct outlet *outlet)
{
    bool waits = numbers_get(outlet->numbers, NUMBER_breaker_state) == BREAKER_HALF_OPEN;

    if (waits && outlet->probes != 1 && !outlet->host->is_aborting)
        host_fail(outlet->host, "%s: a half-open breaker with %u probes under way", outlet->name,
                  outlet->probes);
}

static void audit_outlet(struct outlet *outlet)
{
    delivery_audit(outlet->delivery);
    for (unsigned i = 0; i < outlet->worker_count; i++)
        batcher_audit(outlet->workers[i].batcher);
    for (unsigned i = 0; i < outlet->source_count; i++) {
        if (outlet->host->step % ALL_EVERY == 0)
            lane_tell_time(outlet->sources[i].lane, outlet->host->boot_ms, NULL);
        lane_audit(outlet->sources[i].lane);
    }
    audit_memory(outlet);
    audit_probe(outlet);
    spool_audit_bounds(outlet);
    if (outlet->host->step % DISK_EVERY == 0)
        walk_audit(outlet);
    spool_audit_damage(outlet);
    for (unsigned i = 0; i < outlet->source_count; i++)
        audit_source(&outlet->sources[i]);
}

/* Outputs share nothing but the ledger: the ones that a step did not touch are looked at now and
 * then. */
void audit_step(struct sim *host)
{
    for (unsigned i = 0; i < host->outlet_count; i++) {
        if (host->touched == &host->outlets[i] || host->step % ALL_EVERY == 0)
            audit_outlet(&host->outlets[i]);
    }
}

/* ---- when all rest ---- */

static bool may_seal(const struct outlet *outlet)
{
    for (unsigned i = 0; i < outlet->worker_count; i++) {
        if (outlet->workers[i].lacks_memory)
            return false;
    }
    return delivery_wants_batches(outlet->delivery, outlet->host->now_ms);
}

/* Will a worker look within max_wait? */
static bool will_look(const struct outlet *outlet)
{
    for (unsigned i = 0; i < outlet->worker_count; i++) {
        int64_t until_boot_ms = outlet->workers[i].until_boot_ms;
        if (until_boot_ms > 0 && until_boot_ms <= outlet->host->boot_ms + outlet->max_wait_ms)
            return true;
    }
    return false;
}

/* Nobody was forgotten to be woken: events that may be sealed are, after max_wait at most. */
void audit_rest(const struct sim *host)
{
    for (unsigned i = 0; i < host->outlet_count; i++) {
        const struct outlet *outlet = &host->outlets[i];
        if (!may_seal(outlet) || (will_look(outlet) && !host->is_draining))
            continue;
        for (unsigned j = 0; j < outlet->source_count; j++) {
            struct lane_level level = lane_level(outlet->sources[j].lane);
            if (level.events > 0)
                host_fail(host, "%s: %llu events wait, and no worker will look",
                          outlet->sources[j].name, (unsigned long long)level.events);
        }
    }
}

/* ---- when a read is settled ---- */

/* Called in the very moment: the position may be on disk before the next instruction. */
void audit_settled(struct source *source, uint32_t from, uint32_t to)
{
    const struct sim *host = source->host;
    uint64_t delivered = ledger_flow(source->books, FLOW_deliver).events;
    uint64_t dropped = audit_dropped_from_memory(source->books);
    uint64_t spilled = ledger_flow(source->books, FLOW_spill).events;

    for (uint32_t id = from; id < to; id++)
        source->popped_unacked +=
            source->fates[id].acked_in != host->start && source->fates[id].safe_in != host->start;
    if (source->popped_unacked > dropped)
        host_fail(
            host,
            "%s: settled up to %u, %llu events of it neither delivered, nor on disk, nor counted",
            source->name, to, (unsigned long long)(source->popped_unacked - dropped));
    if (to - source->first > delivered + dropped + spilled)
        host_fail(host, "%s: settled up to %u before it was counted", source->name, to);
}

/* ---- when the agent has stopped ---- */

static struct amount rest_of(struct amount all, struct amount part)
{
    return (struct amount){ all.events > part.events ? all.events - part.events : 0,
                            all.bytes > part.bytes ? all.bytes - part.bytes : 0 };
}

/* Of what nobody could read the books have what they had: that may be more than there is, or less
 * by a write that nobody was told of. */
static void note_unread(struct sim *host, unsigned number, bool is_partial)
{
    struct amount stock = host->left[number][ACCOUNT_spool], found = host->on_disk[number];
    uint64_t unseen = host->unseen[number].events, all = found.events + unseen;
    uint64_t known = host->has_lost_power ? 0 : stock.events;

    host->unread[number] = (struct amount){ 0, 0 };
    host->unread_excess[number] = host->unread_write[number] = 0;
    if (!is_partial)
        return;
    host->unread[number] = rest_of(stock, found);
    if (host->unread[number].events > unseen)
        host->unread_excess[number] = host->unread[number].events - unseen;
    if (all > known)
        host->unread_write[number] = all - known;
}

/* R is what was on disk, S the stock of the spool: the lesser of both is handed over. S over R, and
 * R over S, is the one job that nobody was told of. */
static void audit_handed_over(struct source *source, const struct amount *closing)
{
    struct sim *host = source->host;
    unsigned number = source->number;
    uint64_t found = host->on_disk[number].events;
    uint64_t stock = host->left[number][ACCOUNT_spool].events;
    uint64_t ready = host->left[number][ACCOUNT_ready].events;
    uint64_t handed = closing[FLOW_hand_over].events, lost = closing[FLOW_crash_spool].events;
    uint64_t over = found > stock ? found - stock : 0;
    bool is_partial =
        source->outlet->spool != NULL && spool_index_of(source->outlet->spool)->is_partial;

    if (over > host->untold_write[number] + host->unread_write[number] && !host->has_lost_power)
        host_fail(host,
                  "%s: %llu events were on disk, %llu in the books, and no write was under way",
                  source->name, (unsigned long long)found, (unsigned long long)stock);
    if (handed != (found < stock && !is_partial ? found : stock) || lost != stock - handed ||
        closing[FLOW_hand_over_ready].events != (over < ready ? over : ready))
        host_fail(host,
                  "%s: %llu events were on disk, %llu in the books: %llu handed over, %llu lost",
                  source->name, (unsigned long long)found, (unsigned long long)stock,
                  (unsigned long long)handed, (unsigned long long)lost);
    if (lost > host->untold[number] + host->unhidden[number] + host->unread_excess[number] &&
        !host->has_lost_power)
        host_fail(host, "%s: %llu events are gone from the disk", source->name,
                  (unsigned long long)lost);
    source->dropped_before += lost; /* marked, or removed: it is counted as lost */
    note_unread(host, number, is_partial);
}

/* closing: by flow, what the next start entered; NULL after a clean stop: nothing was left. */
void audit_stop(struct source *source, const struct amount *closing)
{
    struct sim *host = source->host;
    const struct amount *left = host->left[source->number];
    uint64_t lost = 0;

    for (unsigned account = 0; account < ACCOUNTS && closing != NULL; account++) {
        uint64_t events = 0, bytes = 0;
        for (unsigned flow = 0; flow < FLOWS; flow++) {
            if (flow_infos[flow].from != account)
                continue;
            if (account != ACCOUNT_spool && flow_infos[flow].to != ACCOUNT_carried &&
                source->rereadable != (flow_infos[flow].to == ACCOUNT_world) &&
                closing[flow].events > 0)
                host_fail(host, "%s: closed by %s", source->name, flow_infos[flow].name);
            events += closing[flow].events;
            bytes += closing[flow].bytes;
        }
        if (account != ACCOUNT_spool)
            lost += events;
        if (account_infos[account].held &&
            (events != left[account].events || bytes != left[account].bytes))
            host_fail(host, "%s: the crash left %llu events in %s, %llu were found", source->name,
                      (unsigned long long)left[account].events, account_infos[account].name,
                      (unsigned long long)events);
    }
    if (!source->rereadable)
        host->lost += lost;
    if (closing != NULL)
        audit_handed_over(source, closing);
}

/* ---- at the end of a seed ---- */

static void audit_fates(struct source *source)
{
    struct sim *host = source->host;
    uint64_t never = 0;

    for (uint32_t id = 0; id < source->written; id++)
        never += !source->fates[id].was_acked;
    if (source->rereadable && never > source->dropped_before)
        host_fail(host, "%s: %llu of %u events never arrived, %llu are counted as dropped",
                  source->name, (unsigned long long)never, source->written,
                  (unsigned long long)source->dropped_before);
    if (source->rereadable && source->durable != source->written)
        host_fail(host, "%s: the last checkpoint is %u, not %u", source->name, source->durable,
                  source->written);
}

void audit_end(struct sim *host)
{
    for (unsigned i = 0; i < host->outlet_count; i++) {
        for (unsigned j = 0; j < host->outlets[i].source_count; j++)
            audit_fates(&host->outlets[i].sources[j]);
    }
}
