/* SPDX-License-Identifier: Apache-2.0 */
/* host_spool: the spool of an output. What delivery/spooler and spools do: the look at the disk
 * before the books are opened, then one job after the other. Doing a job and telling what came of
 * it are two steps: others act, and crashes happen, between them. */
#include "host.h"

#include "delivery/spool_segment.h"

#include <errno.h>
#include <stdlib.h>

enum { SPOOLER_REST_MS = 60 * 1000, GRACE_JOBS = 100000 };
static const unsigned char boot[SPOOL_BOOT_BYTES] = "simulated";

static struct spool_stamp stamp_now(const struct sim *host)
{
    return (struct spool_stamp){ .boot_ms = host->boot_ms, .real_ms = host->now_ms };
}

static unsigned find_source(const struct outlet *outlet, struct slice input)
{
    for (unsigned i = 0; i < outlet->source_count; i++) {
        if (slice_equals(slice_of(outlet->sources[i].name), input))
            return i;
    }
    host_fail(outlet->host, "%s: a record of a lane that was never there", outlet->name);
}

/* ---- what lies on disk, by another way than the agent's ---- */

static bool has_key(const struct batch_list *list, const struct spool_record *record)
{
    for (const struct batch *batch = list->head; batch != NULL; batch = batch->next) {
        if (batch->sequence == record->sequence && batch->pin == NULL &&
            slice_equals(slice_of(batch->key), record->key))
            return true;
    }
    return false;
}

static bool is_in_memory(const struct holding *held, const struct spool_record *record)
{
    return has_key(&held->ready, record) || has_key(&held->in_flight, record) ||
           has_key(&held->to_split, record) || has_key(&held->to_spool, record) ||
           has_key(&held->refused, record) || has_key(&held->burying, record);
}

/* What is there but for what a failed write left behind; 0: it is no segment. */
static uint64_t end_of(const struct outlet *outlet, const struct sim_file *file)
{
    struct spool_place left = spool_left(outlet->spool);
    struct spool_segment_head head;
    uint64_t id, end = file->bytes;

    CHECK(spool_name_is_ours(file->name, &id));
    if (id == left.segment && left.at < end)
        end = left.at;
    if (spool_read_segment_head((struct slice){ file->data, end }, &head) != SPOOL_READ)
        return 0;
    return end;
}

static void walk_file(const struct outlet *outlet, const struct sim_file *file,
                      struct spool_walk *ret)
{
    uint64_t at = SPOOL_SEGMENT_HEAD, end = end_of(outlet, file);
    struct spool_record record;
    size_t need;

    ret->bytes += end;
    while (at < end) {
        struct slice bytes = { file->data + at, end - at };
        if (spool_read_record_head(bytes, &record, &need) != SPOOL_READ ||
            spool_record_bytes(&record) > bytes.bytes)
            return;
        for (size_t i = 0; i < record.run_count && !record.is_done; i++) {
            unsigned lane;
            struct amount amount = spool_record_run(&record, i, &lane);
            unsigned source = find_source(outlet, record.lanes[lane]);
            ret->live[source].events += amount.events;
            ret->live[source].bytes += amount.bytes;
        }
        ret->doubles += !record.is_done && outlet->delivery != NULL &&
                        is_in_memory(&outlet->delivery->held, &record);
        at += spool_record_bytes(&record);
    }
}

void spool_walk(const struct outlet *outlet, struct spool_walk *ret)
{
    *ret = (struct spool_walk){ .bytes = 0 };
    for (unsigned i = 0; i < DISK_FILES; i++) {
        if (outlet->disk.files[i].name[0] != '\0')
            walk_file(outlet, &outlet->disk.files[i], ret);
    }
}

static bool is_moving(const struct outlet *outlet)
{
    enum spool_job_kind kind = outlet->spooler.job.kind;

    return outlet->spooler.has_job && kind != SPOOL_PEEK && kind != SPOOL_LOAD &&
           kind != SPOOL_LOOK && kind != SPOOL_SYNC && kind != SPOOL_REWRITE;
}

/* What is done on disk, but for its mark, is in no account any more. */
static struct amount unmarked(const struct source *source)
{
    const struct numbers *numbers = &source->books->numbers;

    return (struct amount){ numbers_get(numbers, NUMBER_spool_unmarked_events),
                            numbers_get(numbers, NUMBER_spool_unmarked_bytes) };
}

struct amount spool_counted(const struct source *source, const struct spool_walk *walk)
{
    const struct amount *live = &walk->live[source - source->outlet->sources];
    struct amount over = unmarked(source);

    /* A removal that nobody was told of took them along: the books have them still. */
    if (is_moving(source->outlet))
        return (struct amount){ live->events > over.events ? live->events - over.events : 0,
                                live->bytes > over.bytes ? live->bytes - over.bytes : 0 };
    if (over.events > live->events || over.bytes > live->bytes)
        host_fail(source->host, "%s: %llu events without a mark, %llu are on disk", source->name,
                  (unsigned long long)over.events, (unsigned long long)live->events);
    return (struct amount){ live->events - over.events, live->bytes - over.bytes };
}

void spool_audit_disk(const struct outlet *outlet)
{
    const struct sim *host = outlet->host;
    const struct spool_index *index;
    struct spool_walk walk;

    if (outlet->spool == NULL || is_moving(outlet))
        return;
    index = spool_index_of(outlet->spool);
    spool_walk(outlet, &walk);
    if (walk.bytes != index->bytes)
        host_fail(host, "%s: %llu bytes on disk, %llu in the index", outlet->name,
                  (unsigned long long)walk.bytes, (unsigned long long)index->bytes);
    if (walk.doubles > 0)
        host_fail(host, "%s: a batch is in memory and on disk", outlet->name);
    for (unsigned i = 0; i < outlet->source_count; i++) {
        struct amount stock = ledger_stock(outlet->sources[i].books, ACCOUNT_spool);
        struct amount counted = spool_counted(&outlet->sources[i], &walk);
        if (stock.events != counted.events || stock.bytes != counted.bytes)
            host_fail(host, "%s: %llu events on disk, %llu in the books", outlet->sources[i].name,
                      (unsigned long long)counted.events, (unsigned long long)stock.events);
    }
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

/* Before the books begin. */
void spool_find(struct outlet *outlet)
{
    struct spool_stamp now = stamp_now(outlet->host);
    struct spool_disk *disk = &outlet->disk.disk;
    struct spool_scan scan;

    if (outlet->spool_config.max_bytes == 0)
        return;
    memcpy(outlet->spool_config.boot, boot, sizeof(boot));
    outlet->disk.is_scanned = true;
    outlet->spool = spool_new(&outlet->spool_config);
    outlet->spool_files = spool_files_new(&disk);
    CHECK(outlet->spool != NULL && outlet->spool_files != NULL);
    spool_set_left(outlet->spool, left_before(outlet));
    spool_files_scan(outlet->spool_files, outlet->spool, boot, &now, &scan);
    outlet->disk.is_scanned = false;
    if (scan.error != 0)
        host_fail(outlet->host, "%s: the spool was not read: %s", outlet->name, scan.note);
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
    for (unsigned i = 0; i < index->lane_count; i++) {
        unsigned source = find_source(outlet, slice_of(index->lanes[i].input));
        index->lanes[i].books = outlet->sources[source].books;
    }
    spool_carry(outlet->spool, outlet->numbers);
    spool_files_use_pool(outlet->spool_files, &outlet->bodies);
    delivery_use_spool(outlet->delivery, outlet->spool);
    spool_audit_disk(outlet);
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

static void note_written(struct outlet *outlet, const struct spool_job *job, uint64_t bytes)
{
    static struct sim_request request;

    request.batch = job->batch;
    endpoint_read_body(outlet, &request);
    for (unsigned i = 0; i < request.count; i++) {
        struct unsynced_item at = { job->place.segment, job->place.at + bytes, request.items[i] };
        if (outlet->spool_config.fsync != SPOOL_FSYNC_INTERVAL) {
            note_safe(outlet, &at);
            continue;
        }
        if (outlet->unsynced_count == outlet->unsynced_room) {
            outlet->unsynced_room = 2 * outlet->unsynced_room + 256;
            outlet->unsynced =
                realloc(outlet->unsynced, outlet->unsynced_room * sizeof(*outlet->unsynced));
            CHECK(outlet->unsynced != NULL);
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
        if (file == NULL || file->synced_bytes >= at->end)
            note_safe(outlet, at);
        else
            outlet->unsynced[left++] = *at;
    }
    outlet->unsynced_count = left;
}

/* ---- jobs ---- */

static const char *const kinds[] = { "write",  "seal", "peek", "load", "mark",
                                     "remove", "sync", "look", "undo" };

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
            spooler->job_events[find_source(outlet, input)] += part->runs[i].events;
        }
    }
    if (job->kind != SPOOL_REMOVE)
        return;
    const struct spool_segment *segment = spool_index_find(index, job->place.segment);
    for (unsigned i = 0; i < segment->row_count; i++) {
        struct slice input = slice_of(index->lanes[segment->rows[i].lane].input);
        spooler->job_events[find_source(outlet, input)] +=
            segment->rows[i].amount.events + segment->rows[i].unmarked.events;
    }
}

static void do_job(struct outlet *outlet)
{
    struct sim_spooler *spooler = &outlet->spooler;

    note_events(outlet);
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

    if (job->kind == SPOOL_WRITE && spooler->result.error == 0 && !outlet->host->is_torn_down) {
        if (outlet->spool_config.fsync == SPOOL_FSYNC_ALWAYS && !job->sync)
            host_fail(outlet->host, "%s: a write without a sync", outlet->name);
        note_written(outlet, job, spooler->result.bytes);
    }
    if ((job->kind == SPOOL_SYNC || job->kind == SPOOL_REWRITE) && spooler->result.error == 0)
        note_synced(outlet);
    if ((job->kind == SPOOL_PEEK || job->kind == SPOOL_LOAD) && spooler->result.error != 0)
        spooler->any_unread = true;
    if (job->kind == SPOOL_WRITE)
        outlet->was_over = false;
    spooler->has_job = false;
    delivery_spool_done(outlet->delivery, job, &spooler->result, &now, outlet->host->now_ms);
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

/* A clean stop: what is in memory goes to disk, for as long as the grace is. */
void spool_stop(struct outlet *outlet)
{
    struct sim *host = outlet->host;
    uint64_t jobs = percent(host, 20) ? between(host, 0, 20) : GRACE_JOBS;
    int64_t due_ms;

    if (outlet->spool == NULL)
        return;
    if (outlet->spooler.has_job)
        tell_job(outlet);
    delivery_spill_all(outlet->delivery, host->now_ms);
    delivery_audit(outlet->delivery);
    while (jobs-- > 0 && begin_job(outlet, &due_ms)) {
        tell_job(outlet);
        delivery_audit(outlet->delivery);
        if (jobs == 0 && due_ms != INT64_MAX)
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
