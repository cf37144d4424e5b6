/* SPDX-License-Identifier: Apache-2.0 */
/* host_power: what a power loss and a disk that forgets bits may do to a spool. By the policy of
 * fsync: nothing whose receipt was let go is gone, and what is gone was told to be at risk. */
#include "host.h"

#include <stdlib.h>

/* OWN: in a record that this start wrote; others may have the same event, read again since, and are
 * not what was synced. */
enum { BEFORE = 1, AFTER = 2, OWN_BEFORE = 4, OWN_AFTER = 8 };

/* ---- a power loss ---- */

struct look {
    struct outlet *outlet;
    uint8_t when;
    uint64_t bytes; /* of records that are whole, in segments that the agent knows */
};

/* Whose they are only their head says. Where nothing is synced they may go before they are read,
 * and so be counted by nobody. */
static void note_damaged(const struct look *look, const struct found_record *found)
{
    struct outlet *outlet = look->outlet;

    if (look->when != BEFORE || !outlet->was_unsynced)
        return;
    for (size_t i = 0; i < found->head.run_count; i++) {
        unsigned lane;
        uint64_t events = spool_record_run(&found->head, i, &lane).events;
        outlet->sources[walk_source(outlet, found->head.lanes[lane])].dropped_before += events;
    }
}

static bool is_of_this_start(const struct look *look, const struct found_record *found)
{
    const char *start = ledger_start_id(look->outlet->host->ledger);

    return memmem(found->head.key.data, found->head.key.bytes, start, strlen(start)) != NULL;
}

static void look_at(void *context, struct found_record *found)
{
    static struct sim_request request;
    struct look *look = context;
    uint8_t own = look->when == BEFORE ? OWN_BEFORE : OWN_AFTER;
    uint8_t seen = (uint8_t)(look->when | (is_of_this_start(look, found) ? own : 0));
    struct batch batch = { .body = found->file->data + found->at + found->head.head_bytes,
                           .body_bytes = found->head.body_bytes,
                           .raw_bytes = found->head.raw_bytes,
                           .encoding = found->head.encoding,
                           .compression = found->head.compression };

    if (!walk_has_whole_body(found)) {
        note_damaged(look, found);
        return;
    }
    look->bytes += found->is_known ? spool_record_bytes(&found->head) : 0;
    request.batch = &batch;
    request.is_old = true;
    endpoint_read_body(look->outlet, &request);
    for (unsigned i = 0; i < request.count; i++) {
        const struct item *item = &request.items[i];
        look->outlet->sources[item->source].fates[item->id].on_plates |= seen;
    }
}

/* A damaged one is done with when its mark is told; with that on disk it is not met any more. Nor
 * is what was in a segment that is removed: too old, or evicted. */
static void note_untold_job(struct outlet *outlet)
{
    const struct sim_spooler *spooler = &outlet->spooler;

    if (!spooler->has_job || !outlet->was_unsynced ||
        (spooler->job.kind != SPOOL_MARK && spooler->job.kind != SPOOL_REMOVE))
        return;
    for (unsigned i = 0; i < outlet->source_count; i++)
        outlet->sources[i].dropped_before += spooler->job_events[i];
}

void power_note_before(struct outlet *outlet)
{
    struct look look = { .outlet = outlet, .when = BEFORE };

    for (unsigned i = 0; i < outlet->source_count; i++) {
        for (uint32_t id = 0; id < outlet->sources[i].written; id++)
            outlet->sources[i].fates[id].on_plates = 0;
    }
    walk_records(outlet, look_at, &look);
    note_untold_job(outlet);
    outlet->at_risk_bytes = numbers_get(outlet->numbers, NUMBER_spool_unsynced_bytes);
    if (outlet->spooler.has_job && outlet->spooler.job.kind == SPOOL_WRITE) /* not told yet */
        outlet->at_risk_bytes += outlet->spooler.result.bytes;
    outlet->whole_bytes = look.bytes;
}

void power_check_after(struct outlet *outlet)
{
    struct look look = { .outlet = outlet, .when = AFTER };
    bool may_lose = outlet->was_unsynced;

    walk_records(outlet, look_at, &look);
    if (look.bytes + outlet->at_risk_bytes < outlet->whole_bytes)
        host_fail(outlet->host, "%s: %llu bytes are gone, %llu were at risk", outlet->name,
                  (unsigned long long)(outlet->whole_bytes - look.bytes),
                  (unsigned long long)outlet->at_risk_bytes);
    for (unsigned i = 0; i < outlet->source_count; i++) {
        struct source *source = &outlet->sources[i];
        for (uint32_t id = 0; id < source->written; id++) {
            const struct fate *fate = &source->fates[id];
            bool is_own_gone = (fate->on_plates & (OWN_BEFORE | OWN_AFTER)) == OWN_BEFORE;
            bool is_gone = (fate->on_plates & (BEFORE | AFTER)) == BEFORE;
            if (is_own_gone && !may_lose && fate->safe_in == outlet->host->start)
                host_fail(outlet->host, "%s: event %u was synced, and is gone", source->name, id);
            source->dropped_before += is_gone && may_lose && !fate->was_acked;
        }
    }
}

/* ---- bits ---- */

struct aim {
    struct sim *host;
    unsigned seen;
    struct sim_file *file;
    uint64_t at;
};

static void take_aim(void *context, struct found_record *found)
{
    struct aim *aim = context;

    if (random_below(&aim->host->random, ++aim->seen) != 0)
        return;
    aim->file = found->file;
    aim->at = found->at + found->head.head_bytes +
              random_below(&aim->host->random, found->head.body_bytes);
}

void power_flip_bit(struct outlet *outlet)
{
    struct aim aim = { .host = outlet->host };

    if (outlet->spool == NULL || outlet->spooler.has_job)
        return;
    walk_records(outlet, take_aim, &aim);
    if (aim.seen == 0)
        return;
    disk_flip_bit(aim.file, aim.at, (unsigned)between(outlet->host, 0, 7));
    outlet->host->flips++;
    outlet->host->faults++;
    TRACE(outlet->host, "%s: a bit of %s flips at %llu", outlet->name, aim.file->name,
          (unsigned long long)aim.at);
}
