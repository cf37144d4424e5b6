/* SPDX-License-Identifier: Apache-2.0 */
/* host_spool: the spool of an output. What delivery/spooler and spools do: the look at the disk
 * before the books are opened, then one job after the other. Doing a job and telling what came of
 * it are two steps: others act, and crashes happen, between them. */
#include "host.h"

#include "delivery/spool_segment.h"

#include <errno.h>
#include <stdlib.h>

enum { SPOOLER_REST_MS = 60 * 1000, GRACE_JOBS = 100000 };

static struct spool_stamp stamp_now(const struct sim *host)
{
    return (struct spool_stamp){ .boot_ms = host->boot_ms,
                                 .real_ms = host->boots_ms + host->boot_ms };
}

void spool_audit_bounds(const struct outlet *outlet)
{
    if (outlet->spool == NULL || outlet->was_over)
        return;
    if (spool_index_of(outlet->spool)->bytes > outlet->spool_config.max_bytes)
        host_fail(outlet->host, "%s: %llu bytes in the spool, at most %llu", outlet->name,
                  (unsigned long long)spool_index_of(outlet->spool)->bytes,
                  (unsigned long long)outlet->spool_config.max_bytes);
}

bool spool_is_over(const struct outlet *outlet)
{
    return outlet->spool == NULL ||
           (spool_index_of(outlet->spool)->oldest == NULL && !outlet->spooler.has_job);
}

/* ---- start and end ---- */

static struct spool_place left_before(const struct outlet *outlet)
{
    const struct ledger *ledger = outlet->host->ledger;

    return (struct spool_place){ ledger_before(ledger, outlet->name, NUMBER_spool_left_segment),
                                 ledger_before(ledger, outlet->name, NUMBER_spool_left_at) };
}

/* What the books are to be closed by. What cannot be read must have been told. */
static void note_found(struct outlet *outlet, const struct spool_scan *scan)
{
    struct sim *host = outlet->host;
    bool is_partial = spool_index_of(outlet->spool)->is_partial;
    struct spool_walk walk;

    walk_hidden(outlet);
    walk_spool(outlet, &walk);
    host->faults += is_partial;
    host->blind_starts += is_partial;
    if (is_partial != (scan->error != 0 || scan->unread > 0) ||
        (is_partial && outlet->disk.scan_sickness == 0))
        host_fail(host, "%s: %u segments could not be read: %s", outlet->name, scan->unread,
                  scan->unread_note);
    for (unsigned i = 0; i < outlet->source_count; i++) {
        unsigned number = outlet->sources[i].number;
        struct amount over = host->unmarked[number], live = walk.live[i];
        host->unseen[number] = walk.unseen[i];
        host->on_disk[number] =
            (struct amount){ live.events > over.events ? live.events - over.events : 0,
                             live.bytes > over.bytes ? live.bytes - over.bytes : 0 };
        if (walk.unseen[i].events > 0 && !is_partial)
            host_fail(host, "%s: %llu events on disk were not found", outlet->sources[i].name,
                      (unsigned long long)walk.unseen[i].events);
    }
    TRACE(host, "%s: %u segments found, %u unread, error %d", outlet->name, scan->segments,
          scan->unread, scan->error);
}

/* Before the books begin. */
void spool_find(struct outlet *outlet)
{
    struct spool_stamp now = stamp_now(outlet->host);
    struct spool_disk *disk = &outlet->disk.disk;
    struct spool_scan scan;

    if (outlet->spool_config.max_bytes == 0)
        return;
    memset(outlet->spool_config.boot, 0, SPOOL_BOOT_BYTES);
    (void)snprintf((char *)outlet->spool_config.boot, SPOOL_BOOT_BYTES, "boot %u",
                   outlet->host->boot);
    outlet->disk.is_scanned = true;
    outlet->disk.scan_sickness = 0;
    if (!outlet->host->is_calm && percent(outlet->host, 12))
        outlet->disk.scan_sickness = (unsigned)between(outlet->host, 1, 50);
    outlet->spool = spool_new(&outlet->spool_config);
    outlet->spool_files = spool_files_new(&disk);
    CHECK(outlet->spool != NULL && outlet->spool_files != NULL);
    spool_set_left(outlet->spool, left_before(outlet));
    spool_files_scan(outlet->spool_files, outlet->spool, outlet->spool_config.boot, &now, &scan);
    outlet->disk.is_scanned = false;
    note_found(outlet, &scan);
    /* What a failed write left, that nobody was told of, may be more than the bound until the next
     * write. */
    outlet->was_over = spool_index_of(outlet->spool)->bytes > outlet->spool_config.max_bytes;
}

void spool_start(struct outlet *outlet)
{
    struct spool_index *index;

    outlet->spooler = (struct sim_spooler){ .is_awake = true, .result = outlet->spooler.result };
    outlet->unsynced_count = 0;
    for (unsigned i = 0; i < outlet->source_count; i++)
        outlet->sources[i].acked_from_disk = 0;
    if (outlet->spool == NULL)
        return;
    index = spool_index_of(outlet->spool);
    for (unsigned i = 0; i < outlet->source_count; i++) {
        if (numbers_get(&outlet->sources[i].books->numbers, NUMBER_spool_unread_events) > 0 &&
            !spool_expect_unread(outlet->spool, slice_of(outlet->sources[i].name)))
            host_fail(outlet->host, "%s: no lane for what is unread", outlet->name);
    }
    for (unsigned i = 0; i < index->lane_count; i++) {
        unsigned source = walk_source(outlet, slice_of(index->lanes[i].input));
        index->lanes[i].books = outlet->sources[source].books;
    }
    spool_carry(outlet->spool, outlet->numbers);
    spool_files_use_pool(outlet->spool_files, &outlet->bodies);
    delivery_use_spool(outlet->delivery, outlet->spool);
    walk_audit(outlet);
}

void spool_end(struct outlet *outlet)
{
    spool_files_free(&outlet->spool_files);
    spool_free(&outlet->spool);
}

/* ---- what the world knows: whose receipts may go ---- */

static void note_safe(struct outlet *outlet, const struct unsynced_item *at)
{
    outlet->sources[at->item.source].fates[at->item.id].safe_in = (uint8_t)outlet->host->start;
}

static void expect_kept(struct outlet *outlet, const struct unsynced_item *at)
{
    char name[SPOOL_NAME_BYTES];
    const struct sim_file *file;

    spool_name(at->segment, name);
    file = disk_find(&outlet->disk, name);
    if (file == NULL || !disk_is_kept(file, at->at, at->end))
        host_fail(outlet->host, "%s: written and synced, and not on the plates", outlet->name);
}

static void note_written(struct outlet *outlet, const struct spool_job *job, uint64_t bytes)
{
    static struct sim_request request;

    request.batch = job->batch;
    endpoint_read_body(outlet, &request);
    for (unsigned i = 0; i < request.count; i++) {
        struct unsynced_item at = { job->place.segment, job->place.at, job->place.at + bytes,
                                    request.items[i] };
        if (job->sync && i == 0)
            expect_kept(outlet, &at);
        if (job->sync || outlet->spool_config.fsync == SPOOL_FSYNC_NEVER) {
            note_safe(outlet, &at);
            continue;
        }
        if (outlet->unsynced_count == outlet->unsynced_room) {
            outlet->unsynced_room = 2 * outlet->unsynced_room + 256;
            struct sim *before = memory_is_for(NULL);
            outlet->unsynced =
                realloc(outlet->unsynced, outlet->unsynced_room * sizeof(*outlet->unsynced));
            CHECK(outlet->unsynced != NULL);
            (void)memory_is_for(before);
        }
        outlet->unsynced[outlet->unsynced_count++] = at;
    }
}

/* What the disk has synced in fact, or what was evicted meanwhile and counted. */
static void note_synced(struct outlet *outlet)
{
    const struct sim_file *file = NULL;
    uint64_t segment = 0;
    size_t left = 0;

    for (size_t i = 0; i < outlet->unsynced_count; i++) {
        const struct unsynced_item *at = &outlet->unsynced[i];
        char name[SPOOL_NAME_BYTES];
        if (at->segment != segment) {
            segment = at->segment;
            spool_name(segment, name);
            file = disk_find(&outlet->disk, name);
        }
        if (file == NULL || disk_is_kept(file, at->at, at->end))
            note_safe(outlet, at);
        else
            outlet->unsynced[left++] = *at;
    }
    outlet->unsynced_count = left;
}

/* ---- a reload ---- */

/* What may change while it runs. Where once nothing was synced, or the newest went first, that
 * stays so for what is on disk from then. */
void spool_reload(struct outlet *outlet)
{
    struct spool_config *config = &outlet->spool_config;

    if (outlet->spool == NULL)
        return;
    plan_spool_options(outlet);
    spool_change(outlet->spool, config);
    for (size_t i = 0; config->fsync == SPOOL_FSYNC_NEVER && i < outlet->unsynced_count; i++)
        note_safe(outlet, &outlet->unsynced[i]);
    if (config->fsync == SPOOL_FSYNC_NEVER)
        outlet->unsynced_count = 0;
    outlet->host->reloads++;
    outlet->spooler.is_awake = outlet->sender_is_awake = true;
    wake_bump(&outlet->feed.wake);
    TRACE(outlet->host, "%s: reload: fsync %d, newest first %d, to be free %llu", outlet->name,
          config->fsync, config->newest_first, (unsigned long long)config->min_free_bytes);
}

/* ---- jobs ---- */

static const char *const kinds[] = { "write",  "seal", "peek",    "load", "mark",
                                     "remove", "sync", "rewrite", "look", "undo" };

/* What a mark or a removal takes off the disk, or a write puts there. */
static void note_events(struct outlet *outlet)
{
    struct sim_spooler *spooler = &outlet->spooler;
    const struct spool_job *job = &spooler->job;
    const struct spool_index *index = spool_index_of(outlet->spool);

    memset(spooler->job_events, 0, sizeof(spooler->job_events));
    for (const struct batch *part = job->batch; part != NULL;
         part = job->kind == SPOOL_MARK ? part->next : NULL) {
        for (size_t i = 0; i < part->run_count; i++) {
            struct slice input = slice_of(ledger_input_name(part->runs[i].books));
            spooler->job_events[walk_source(outlet, input)] += part->runs[i].events;
        }
    }
    if (job->kind != SPOOL_REMOVE)
        return;
    const struct spool_segment *segment = spool_index_find(index, job->place.segment);
    for (unsigned i = 0; i < segment->row_count; i++) {
        struct slice input = slice_of(index->lanes[segment->rows[i].lane].input);
        spooler->job_events[walk_source(outlet, input)] +=
            segment->rows[i].amount.events + segment->rows[i].unmarked.events;
    }
}

/* A body is damaged if, and only if, it is not what its head says. Without memory for its batch it
 * is loaded again. */
static void note_loaded(struct outlet *outlet, const struct spool_job *job, bool is_taken)
{
    const struct spool_result *result = &outlet->spooler.result;
    bool is_whole = walk_is_whole(outlet, job->place.segment, job->place.at);
    struct spool_record head;
    size_t need;

    if (result->error != 0 ||
        spool_read_record_head(buf_slice(&result->head), &head, &need) != SPOOL_READ)
        return;
    if (is_whole != (result->found == SPOOL_READ))
        host_fail(outlet->host, "%s: a body that is %s was taken for one that is not", outlet->name,
                  is_whole ? "whole" : "damaged");
    for (size_t i = 0; i < head.run_count && !is_whole && is_taken; i++) {
        unsigned lane;
        uint64_t events = spool_record_run(&head, i, &lane).events;
        outlet->spooler.corrupt[walk_source(outlet, head.lanes[lane])] += events;
        outlet->host->corrupt += events;
    }
}

static void note_removed(struct outlet *outlet, const struct spool_job *job)
{
    const struct spool_index *index = spool_index_of(outlet->spool);
    const struct spool_segment *segment = spool_index_find(index, job->place.segment);

    if (job->flow != FLOW_spool_corrupt ||
        (outlet->spooler.result.error != 0 && outlet->spooler.result.error != ENOENT))
        return;
    for (unsigned i = 0; i < segment->row_count; i++)
        outlet->spooler
            .corrupt[walk_source(outlet, slice_of(index->lanes[segment->rows[i].lane].input))] +=
            segment->rows[i].amount.events;
}

struct whole {
    const struct outlet *outlet;
    uint64_t segment, events[OUTLET_SOURCES];
};

static void add_whole(void *context, struct found_record *found)
{
    struct whole *whole = context;

    if (found->segment != whole->segment || !walk_has_whole_body(found))
        return;
    for (size_t i = 0; i < found->head.run_count; i++) {
        unsigned lane;
        uint64_t events = spool_record_run(&found->head, i, &lane).events;
        whole->events[walk_source(whole->outlet, found->head.lanes[lane])] += events;
    }
}

/* What goes as damaged has nothing whole in it, but what was sent and could not be marked. */
static void expect_nothing_whole(const struct outlet *outlet, const struct spool_job *job)
{
    const struct spool_index *index = spool_index_of(outlet->spool);
    const struct spool_segment *segment = spool_index_find(index, job->place.segment);
    struct whole whole = { .outlet = outlet, .segment = job->place.segment };

    walk_records(outlet, add_whole, &whole);
    for (unsigned i = 0; i < segment->row_count; i++) {
        struct slice input = slice_of(index->lanes[segment->rows[i].lane].input);
        unsigned source = walk_source(outlet, input);
        if (whole.events[source] > segment->rows[i].unmarked.events)
            host_fail(
                outlet->host, "%s: %llu events go as damaged, and lie there whole",
                outlet->sources[source].name,
                (unsigned long long)(whole.events[source] - segment->rows[i].unmarked.events));
    }
}

void spool_audit_damage(const struct outlet *outlet)
{
    if (outlet->spool == NULL || outlet->host->is_torn_down)
        return;
    for (unsigned i = 0; i < outlet->source_count; i++) {
        const struct source *source = &outlet->sources[i];
        uint64_t counted = ledger_flow(source->books, FLOW_spool_corrupt).events;
        uint64_t damaged = outlet->spooler.corrupt[i];
        /* Its mark comes first. */
        if (counted > damaged || (counted < damaged && !outlet->host->is_draining &&
                                  pins_first(&outlet->delivery->held.pins) == NULL))
            host_fail(outlet->host, "%s: %llu events were damaged, %llu are counted so",
                      source->name, (unsigned long long)damaged, (unsigned long long)counted);
    }
}

static void do_job(struct outlet *outlet)
{
    struct sim_spooler *spooler = &outlet->spooler;

    if (spooler->job.kind == SPOOL_WRITE && !spooler->job.sync &&
        outlet->spool_config.fsync == SPOOL_FSYNC_ALWAYS)
        host_fail(outlet->host, "%s: a write without a sync", outlet->name);
    if (spooler->job.kind == SPOOL_REMOVE && spooler->job.flow == FLOW_spool_corrupt)
        expect_nothing_whole(outlet, &spooler->job);
    note_events(outlet);
    if (spooler->is_void)
        spooler->result.error = EIO;
    else
        spool_files_do(outlet->spool_files, &spooler->job, &spooler->result);
    spooler->has_job = true;
    TRACE(outlet->host, "%s: disk: %s %llu at %llu, error %d", outlet->name,
          kinds[spooler->job.kind], (unsigned long long)spooler->job.place.segment,
          (unsigned long long)spooler->job.place.at, spooler->result.error);
}

static void tell_others(struct outlet *outlet)
{
    wake_bump(&outlet->feed.wake);
    outlet->sender_is_awake = true;
}

static void tell_job(struct outlet *outlet)
{
    struct sim_spooler *spooler = &outlet->spooler;
    const struct spool_job *job = &spooler->job;
    struct spool_stamp now = stamp_now(outlet->host);
    struct spool_news news;

    if (job->kind == SPOOL_WRITE && spooler->result.error == 0 && !outlet->host->is_torn_down)
        note_written(outlet, job, spooler->result.bytes);
    if ((job->kind == SPOOL_SYNC || job->kind == SPOOL_REWRITE) && spooler->result.error == 0)
        note_synced(outlet);
    if ((job->kind == SPOOL_PEEK || job->kind == SPOOL_LOAD) && spooler->result.error != 0)
        spooler->any_unread = true;
    if (job->kind == SPOOL_REMOVE && !outlet->host->is_torn_down)
        note_removed(outlet, job);
    if (job->kind == SPOOL_WRITE)
        outlet->was_over = false;
    spooler->has_job = false;
    uint64_t damaged = numbers_get(outlet->numbers, NUMBER_spool_damaged);
    delivery_spool_done(outlet->delivery, job, &spooler->result, &now, outlet->host->now_ms);
    if (job->kind == SPOOL_LOAD && !outlet->host->is_torn_down)
        note_loaded(outlet, job, numbers_get(outlet->numbers, NUMBER_spool_damaged) > damaged);
    (void)spool_take_news(outlet->spool, &news);
    body_pool_give(spooler->result.pool, spooler->result.body);
    spooler->result.body = NULL;
    if (job->kind != SPOOL_PEEK)
        tell_others(outlet);
}

static bool begin_job(struct outlet *outlet, int64_t *ret_due_ms)
{
    struct spool_stamp now = stamp_now(outlet->host);
    bool has_job = delivery_spool_job(outlet->delivery, &now, outlet->host->now_ms,
                                      &outlet->spooler.job, ret_due_ms);

    if (outlet->spool_config.fsync == SPOOL_FSYNC_NEVER &&
        outlet->delivery->held.unsynced.count > 0)
        host_fail(outlet->host, "%s: %u batches wait for a sync that never comes", outlet->name,
                  outlet->delivery->held.unsynced.count);
    if (has_job)
        do_job(outlet);
    else if (*ret_due_ms != outlet->spooler.due_ms)
        tell_others(outlet);
    if (!has_job)
        outlet->spooler.due_ms = *ret_due_ms;
    return has_job;
}

bool spooler_may_step(const struct outlet *outlet)
{
    const struct sim_spooler *spooler = &outlet->spooler;

    return outlet->spool != NULL &&
           (spooler->is_awake || spooler->has_job || outlet->host->now_ms >= spooler->until_ms);
}

void spooler_step(struct outlet *outlet)
{
    struct sim_spooler *spooler = &outlet->spooler;
    int64_t due_ms;

    if (spooler->has_job) {
        tell_job(outlet);
        spooler->is_awake = true;
        return;
    }
    spooler->is_awake = false;
    if (begin_job(outlet, &due_ms))
        return;
    if (due_ms <= outlet->host->now_ms)
        host_fail(outlet->host, "%s: the spool waits for a time that is over", outlet->name);
    spooler->until_ms = least_ms(due_ms, outlet->host->now_ms + SPOOLER_REST_MS);
}

static void leave_behind(struct outlet *outlet)
{
    TRACE(outlet->host, "%s: and the disk never answers", outlet->name);
    outlet->spooler.is_hung = true;
    outlet->host->hangs++;
    delivery_leave_spool(outlet->delivery);
}

/* A clean stop: what is in memory goes to disk, for as long as the grace is, or until the disk does
 * not answer. */
void spool_stop(struct outlet *outlet)
{
    struct sim *host = outlet->host;
    struct sim_spooler *spooler = &outlet->spooler;
    uint64_t jobs = percent(host, 20) ? between(host, 0, 20) : GRACE_JOBS;
    uint64_t hangs_at = host->may_hang && percent(host, 50) ? between(host, 0, 3) : UINT64_MAX;
    int64_t due_ms;

    if (outlet->spool == NULL)
        return;
    if (spooler->has_job && hangs_at != 0)
        tell_job(outlet);
    delivery_spill_all(outlet->delivery, host->now_ms);
    delivery_audit(outlet->delivery);
    for (uint64_t i = 0; i < jobs; i++) {
        spooler->is_void = i == hangs_at && percent(host, 50);
        if (!spooler->has_job && !begin_job(outlet, &due_ms))
            return;
        if (i == hangs_at) {
            leave_behind(outlet);
            return;
        }
        tell_job(outlet);
        delivery_audit(outlet->delivery);
        if (i + 1 == jobs && due_ms != INT64_MAX)
            host_fail(host, "%s: the spool never ends", outlet->name);
    }
}

/* A crash: the answer of the disk reaches nobody. */
void spool_crash(struct outlet *outlet)
{
    if (outlet->spool == NULL || !outlet->spooler.has_job)
        return;
    outlet->spooler.result.error = EIO;
    tell_job(outlet);
}
