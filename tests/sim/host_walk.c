/* SPDX-License-Identifier: Apache-2.0 */
/* host_walk: what lies in the spool of an output, record by record, by another way than the
 * agent's; and that its books and its index say the same. Of the agent it asks which segments it
 * knows, and where what a failed write left behind begins. */
#include "host.h"

#include "base/crc32c.h"
#include "delivery/spool_segment.h"

unsigned walk_source(const struct outlet *outlet, struct slice input)
{
    for (unsigned i = 0; i < outlet->source_count; i++) {
        if (slice_equals(slice_of(outlet->sources[i].name), input))
            return i;
    }
    host_fail(outlet->host, "%s: a record of a lane that was never there", outlet->name);
}

/* ---- records ---- */

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

static bool read_head(const struct sim_file *file, uint64_t at, uint64_t end,
                      struct spool_record *ret)
{
    struct slice bytes = { file->data + at, end - at };
    size_t need;

    return spool_read_record_head(bytes, ret, &need) == SPOOL_READ &&
           spool_record_bytes(ret) <= bytes.bytes;
}

bool walk_has_whole_body(const struct found_record *found)
{
    const char *body = found->file->data + found->at + found->head.head_bytes;

    return crc32c(0, body, found->head.body_bytes) == found->head.body_crc;
}

/* Where the sum of a segment begins that was never marked; 0: there is none. */
static uint64_t find_sum(const struct outlet *outlet, const struct sim_file *file,
                         struct spool_sum *ret)
{
    uint64_t at, end = end_of(outlet, file);
    struct spool_segment_head head;

    if (end < SPOOL_SEGMENT_HEAD + SPOOL_TAIL ||
        spool_read_segment_head((struct slice){ file->data, end }, &head) != SPOOL_READ ||
        head.is_touched ||
        spool_read_tail((struct slice){ file->data + end - SPOOL_TAIL, SPOOL_TAIL }, &at) !=
            SPOOL_READ ||
        at < SPOOL_SEGMENT_HEAD || at > end - SPOOL_TAIL ||
        spool_read_sum((struct slice){ file->data + at, end - SPOOL_TAIL - at }, ret) != SPOOL_READ)
        return 0;
    return at;
}

/* Behind what is damaged the next head is looked for. */
static void walk_file(const struct outlet *outlet, struct sim_file *file,
                      void (*take)(void *context, struct found_record *), void *context)
{
    uint64_t at = SPOOL_SEGMENT_HEAD, end = end_of(outlet, file);
    struct found_record found = { .file = file };

    CHECK(spool_name_is_ours(file->name, &found.segment));
    found.is_known = outlet->spool == NULL ||
                     spool_index_find(spool_index_of(outlet->spool), found.segment) != NULL;
    while (at < end) {
        if (!read_head(file, at, end, &found.head)) {
            at += 8;
            continue;
        }
        found.at = at;
        if (!found.head.is_done)
            take(context, &found);
        at += spool_record_bytes(&found.head);
    }
}

void walk_records(const struct outlet *outlet, void (*take)(void *context, struct found_record *),
                  void *context)
{
    for (unsigned i = 0; i < DISK_FILES; i++) {
        if (outlet->disk.files[i].name[0] != '\0')
            walk_file(outlet, (struct sim_file *)(uintptr_t)&outlet->disk.files[i], take, context);
    }
}

bool walk_is_whole(const struct outlet *outlet, uint64_t segment, uint64_t at)
{
    struct found_record found = { .at = at };
    char name[SPOOL_NAME_BYTES];

    spool_name(segment, name);
    found.file = disk_find((struct sim_disk *)(uintptr_t)&outlet->disk, name);
    return found.file != NULL && read_head(found.file, at, found.file->bytes, &found.head) &&
           walk_has_whole_body(&found);
}

/* ---- sums ---- */

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

struct walking {
    const struct outlet *outlet;
    struct spool_walk *ret;
};

static void add_amount(struct amount *to, struct amount amount)
{
    to->events += amount.events;
    to->bytes += amount.bytes;
}

static void add_record(void *context, struct found_record *found)
{
    const struct walking *walking = context;
    const struct outlet *outlet = walking->outlet;
    struct spool_walk *ret = walking->ret;

    for (size_t i = 0; i < found->head.run_count; i++) {
        unsigned lane;
        struct amount amount = spool_record_run(&found->head, i, &lane);
        unsigned source = walk_source(outlet, found->head.lanes[lane]);
        add_amount(found->is_known ? &ret->live[source] : &ret->unseen[source], amount);
    }
    ret->doubles += found->is_known && outlet->delivery != NULL &&
                    is_in_memory(&outlet->delivery->held, &found->head);
}

void walk_spool(const struct outlet *outlet, struct spool_walk *ret)
{
    struct walking walking = { outlet, ret };
    uint64_t id;

    *ret = (struct spool_walk){ .bytes = 0 };
    walk_records(outlet, add_record, &walking);
    for (unsigned i = 0; i < DISK_FILES; i++) {
        const struct sim_file *file = &outlet->disk.files[i];
        if (file->name[0] == '\0' || !spool_name_is_ours(file->name, &id))
            continue;
        bool is_known = spool_index_find(spool_index_of(outlet->spool), id) != NULL;
        ret->bytes += is_known ? end_of(outlet, file) : 0;
        for (unsigned j = 0; j < outlet->source_count; j++)
            add_amount(is_known ? &ret->live[j] : &ret->unseen[j], file->hidden[j]);
    }
}

/* Where the sum could not be read at the start, the records were: the agent knows what they say. */
static bool goes_by_records(const struct outlet *outlet, const struct sim_file *file,
                            const struct spool_walk *walk, unsigned source)
{
    const struct spool_index *index = spool_index_of(outlet->spool);
    struct amount row = { 0, 0 };
    uint64_t id;

    if (outlet->disk.scan_sickness == 0 || !spool_name_is_ours(file->name, &id))
        return false;
    const struct spool_segment *segment = spool_index_find(index, id);
    for (unsigned i = 0; segment != NULL && i < segment->row_count; i++) {
        const struct spool_lane *lane = &index->lanes[segment->rows[i].lane];
        if (walk_source(outlet, slice_of(lane->input)) == source)
            add_amount(&row, segment->rows[i].amount);
    }
    return segment != NULL && row.events == walk->live[source].events;
}

static void find_hidden(struct outlet *outlet, struct sim_file *file)
{
    struct spool_walk walk = { .bytes = 0 };
    struct walking walking = { outlet, &walk };
    struct spool_sum sum = { .records = 0 };
    struct amount all[OUTLET_SOURCES] = { { 0, 0 } };
    bool has_sum = find_sum(outlet, file, &sum) != 0;

    walk_file(outlet, file, add_record, &walking);
    for (unsigned i = 0; i < sum.row_count && has_sum; i++)
        add_amount(&all[walk_source(outlet, sum.rows[i].lane)], sum.rows[i].amount);
    for (unsigned i = 0; i < outlet->source_count; i++) {
        struct amount live = walk.live[i], before = file->hidden[i], hidden = { 0, 0 };
        add_amount(&live, walk.unseen[i]);
        if (has_sum && (all[i].events < live.events || all[i].bytes < live.bytes))
            host_fail(outlet->host, "%s: the sum of %s has %llu events, its records %llu",
                      outlet->sources[i].name, file->name, (unsigned long long)all[i].events,
                      (unsigned long long)live.events);
        if (has_sum && !goes_by_records(outlet, file, &walk, i))
            hidden = (struct amount){ all[i].events - live.events, all[i].bytes - live.bytes };
        if (before.events > hidden.events)
            outlet->host->unhidden[outlet->sources[i].number] += before.events - hidden.events;
        file->hidden[i] = hidden;
    }
}

void walk_hidden(struct outlet *outlet)
{
    for (unsigned i = 0; i < DISK_FILES; i++) {
        struct sim_file *file = &outlet->disk.files[i];
        if (file->name[0] != '\0')
            find_hidden(outlet, file);
        else
            memset(file->hidden, 0, sizeof(file->hidden));
    }
}

/* ---- the books and the index ---- */

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

struct amount walk_counted(const struct source *source, const struct spool_walk *walk)
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

void walk_audit(const struct outlet *outlet)
{
    const struct sim *host = outlet->host;
    const struct spool_index *index;
    struct spool_walk walk;

    if (outlet->spool == NULL || is_moving(outlet))
        return;
    index = spool_index_of(outlet->spool);
    walk_spool(outlet, &walk);
    if (walk.bytes != index->bytes)
        host_fail(host, "%s: %llu bytes on disk, %llu in the index", outlet->name,
                  (unsigned long long)walk.bytes, (unsigned long long)index->bytes);
    if (walk.doubles > 0)
        host_fail(host, "%s: a batch is in memory and on disk", outlet->name);
    for (unsigned i = 0; i < outlet->source_count; i++) {
        struct amount stock = ledger_stock(outlet->sources[i].books, ACCOUNT_spool);
        struct amount counted = walk_counted(&outlet->sources[i], &walk);
        add_amount(&counted, host->unread[outlet->sources[i].number]);
        if (stock.events != counted.events || stock.bytes != counted.bytes)
            host_fail(host, "%s: %llu events on disk, %llu in the books", outlet->sources[i].name,
                      (unsigned long long)counted.events, (unsigned long long)stock.events);
    }
}
