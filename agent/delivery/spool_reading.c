/* SPDX-License-Identifier: Apache-2.0 */
/* spool_reading: which record is read next, and the pins of those that are in memory to be sent. A
 * head is read before its body, because the body needs memory of the output's share. What cannot be
 * read is passed over: what a segment still has when it was read to its end is counted then. */
#include "base/check.h"
#include "delivery/spool_state.h"

#include <errno.h>
#include <stdlib.h>

enum { READ_RETRY_MS = 10 * 1000, MEMORY_RETRY_MS = 1000 };

/* ---- what is in hand ---- */

void spool_show_in_hand(const struct spool *spool)
{
    numbers_set(spool->numbers, NUMBER_spool_in_hand,
                spool->pins + (spool->is_loading ? 1 : 0) + spool->still_aside);
}

void spool_begin_load(struct spool *spool)
{
    spool->is_loading = true;
    spool_show_in_hand(spool);
}

static void add_pin(struct spool *spool, struct spool_segment *segment)
{
    segment->pins++;
    spool->pins++;
    spool->still_aside -= spool->still_aside > 0;
}

static void drop_pin(struct spool *spool, struct spool_segment *segment)
{
    CHECK(segment != NULL && segment->pins > 0 && spool->pins > 0);
    segment->pins--;
    spool->pins--;
    spool_show_in_hand(spool);
}

/* ---- which ---- */

static bool reads_backward(const struct spool *spool, const struct spool_segment *segment)
{
    return spool->config.newest_first && segment->last_at != 0;
}

static bool may_read(const struct spool_segment *segment, int64_t now_ms)
{
    return segment != NULL && spool_segment_has_unread(segment) && segment->read_ms <= now_ms;
}

/* With newest_first the one that is written is ended to be read. That is not done while the one
 * before it has unread batches: else each batch that comes would get a segment, and as long as
 * batches come none would be read. */
static struct spool_segment *find_unread(const struct spool *spool, int64_t now_ms)
{
    bool newest_first = spool->config.newest_first;
    struct spool_segment *segment = newest_first ? spool->index.newest : spool->index.oldest;
    const struct spool_segment *waits =
        newest_first && may_read(spool_index_find(&spool->index, spool->last_ended), now_ms)
            ? spool->writing
            : NULL;

    while (segment != NULL && (segment == waits || !may_read(segment, now_ms)))
        segment = newest_first ? segment->older : segment->newer;
    return segment;
}

bool spool_may_read(const struct spool *spool, int64_t now_ms)
{
    return find_unread(spool, now_ms) != NULL;
}

bool spool_plan_read(struct spool *spool, const struct spool_stamp *now, int64_t now_ms,
                     struct spool_job *ret, uint64_t *ret_body_bytes)
{
    struct spool_segment *segment = find_unread(spool, now_ms);

    if (segment == NULL || now_ms < spool->no_memory_until_ms)
        return false;
    if (spool->has_peeked && spool->peeked.segment == segment->id) {
        *ret = (struct spool_job){ .kind = SPOOL_LOAD, .place = spool->peeked };
        *ret_body_bytes = spool->peeked_body_bytes;
        return true;
    }
    spool->has_peeked = false;
    bool is_backward = reads_backward(spool, segment);
    *ret_body_bytes = is_backward ? segment->end_at - segment->last_at : UINT64_MAX;
    /* It must not grow while it is read backward. */
    if (is_backward && segment == spool->writing && spool_plan_close(spool, now, ret))
        return true;
    *ret = (struct spool_job){ .kind = SPOOL_PEEK,
                               .place = { segment->id,
                                          is_backward ? segment->last_at : segment->front_at },
                               .stop_at = is_backward ? 0 : segment->stop_at };
    return true;
}

/* ---- how far ---- */

/* Where it was read tells in which direction: newest_first may have changed since it was planned.
 */
static void pass(struct spool *spool, struct spool_segment *segment, uint64_t at,
                 const struct spool_record *record)
{
    spool->has_peeked = false;
    if (at == segment->front_at) {
        segment->front_at = at + spool_record_bytes(record);
    } else {
        segment->stop_at = at;
        segment->last_at = record->previous_at < at ? record->previous_at : 0;
    }
}

/* Nothing whole lies between there and the end of what is unread. */
static void pass_damage(struct spool *spool, struct spool_segment *segment, uint64_t at)
{
    spool->has_peeked = false;
    numbers_add(spool->numbers, NUMBER_spool_damaged, 1);
    spool_tell(spool, "spool has a damaged part", "read", 0, segment->id);
    if (at != segment->front_at) {
        segment->stop_at = at;
        segment->last_at = 0; /* from now on from the front */
    } else {
        segment->front_at = segment->stop_at;
    }
}

void spool_give_up_segment(struct spool_segment *segment)
{
    segment->front_at = segment->stop_at;
}

static void read_failed(struct spool *spool, struct spool_segment *segment, int error,
                        int64_t now_ms)
{
    if (error == ENOMEM) {
        spool->no_memory_until_ms = now_ms + MEMORY_RETRY_MS;
        return;
    }
    numbers_add(spool->numbers, NUMBER_spool_errors, 1);
    spool->has_peeked = false;
    if (error == ENOENT) {
        spool_tell(spool, "spool misses a segment", "open", error, segment->id);
        spool_give_up_segment(segment);
        return;
    }
    if (!segment->is_unreadable)
        spool_tell(spool, "spool cannot read a segment, it is tried again", "read", error,
                   segment->id);
    /* What comes would wait behind it, and with the breaker open nothing would be there to probe
     * with. Once only: where all reads fail each batch would get a segment. */
    if (segment == spool->writing && (segment->older == NULL || !segment->older->is_unreadable))
        spool_end_writing(spool);
    segment->is_unreadable = true;
    segment->read_ms = now_ms + READ_RETRY_MS;
}

/* Head and body: where the disk is damaged in one place a head may be readable and its body not. */
static void read_worked(struct spool *spool, struct spool_segment *segment)
{
    if (segment->is_unreadable)
        spool_tell(spool, "spool reads a segment again", "read", 0, segment->id);
    segment->is_unreadable = false;
}

void spool_peeked(struct spool *spool, const struct spool_job *job,
                  const struct spool_result *result, int64_t now_ms)
{
    struct spool_segment *segment = spool_index_find(&spool->index, job->place.segment);
    struct spool_record record;
    size_t need;

    CHECK(segment != NULL);
    if (result->error != 0) {
        read_failed(spool, segment, result->error, now_ms);
        return;
    }
    if (result->found != SPOOL_READ ||
        spool_read_record_head(buf_slice(&result->head), &record, &need) != SPOOL_READ ||
        result->place.at + spool_record_bytes(&record) > segment->stop_at) {
        pass_damage(spool, segment, job->place.at);
        return;
    }
    if (result->place.at != job->place.at) { /* found behind a damaged part, reading forward */
        numbers_add(spool->numbers, NUMBER_spool_damaged, 1);
        spool_tell(spool, "spool has a damaged part", "read", 0, segment->id);
        segment->front_at = result->place.at;
    }
    if (record.is_done) {
        pass(spool, segment, result->place.at, &record);
        return;
    }
    spool->has_peeked = true;
    spool->peeked = result->place;
    spool->peeked_body_bytes = record.body_bytes;
}

/* ---- a record becomes a batch ---- */

static bool find_lanes(struct spool *spool, const struct spool_record *record,
                       unsigned ret[SPOOL_LANES_MAX])
{
    for (unsigned i = 0; i < record->lane_count; i++) {
        ret[i] = spool_index_lane(&spool->index, record->lanes[i]);
        if (ret[i] == SPOOL_LANES_MAX || spool->index.lanes[ret[i]].books == NULL)
            return false;
    }
    return true;
}

static bool fill_runs(const struct spool *spool, const struct spool_record *record,
                      const unsigned lanes[SPOOL_LANES_MAX], struct batch *batch)
{
    batch->runs = calloc(record->run_count, sizeof(*batch->runs));
    if (batch->runs == NULL)
        return false;
    for (size_t i = 0; i < record->run_count; i++) {
        unsigned lane;
        struct amount amount = spool_record_run(record, i, &lane);
        batch->runs[i] = (struct batch_run){ .books = spool->index.lanes[lanes[lane]].books,
                                             .events = amount.events,
                                             .bytes = amount.bytes };
        batch->events += amount.events;
        batch->bytes += amount.bytes;
    }
    batch->run_count = record->run_count;
    return true;
}

/* The clock of another boot says nothing: then the age as it was, and what has passed since. */
static int64_t oldest_boot_ms(const struct spool_segment *segment,
                              const struct spool_record *record, const struct spool_stamp *now)
{
    int64_t since_ms = now->real_ms - record->written_real_ms;

    if (!segment->is_of_other_boot)
        return record->oldest_boot_ms;
    return now->boot_ms - record->age_ms - (since_ms > 0 ? since_ms : 0);
}

/* NULL: no memory. */
static struct batch *make_batch(const struct spool *spool, const struct spool_record *record,
                                const unsigned lanes[SPOOL_LANES_MAX],
                                const struct spool_place *place)
{
    struct batch *batch = batch_new();

    if (batch == NULL)
        return NULL;
    batch->pin = malloc(sizeof(*batch->pin));
    if (batch->pin == NULL || !fill_runs(spool, record, lanes, batch)) {
        free(batch->pin);
        batch_free(&batch);
        return NULL;
    }
    *batch->pin = (struct spool_pin){ .segment = place->segment, .at = place->at, .open = 1 };
    memcpy(batch->key, record->key.data, record->key.bytes);
    batch->sequence = record->sequence;
    batch->body_bytes = record->body_bytes;
    batch->raw_bytes = record->raw_bytes;
    batch->encoding = record->encoding;
    batch->compression = record->compression;
    return batch;
}

static struct batch *take_loaded(struct spool *spool, const struct spool_job *job,
                                 struct spool_result *result, const struct spool_stamp *now,
                                 int64_t now_ms)
{
    struct spool_segment *segment = spool_index_find(&spool->index, job->place.segment);
    unsigned lanes[SPOOL_LANES_MAX];
    struct spool_record record;
    struct batch *batch;
    size_t need;

    CHECK(segment != NULL);
    if (result->error != 0) {
        read_failed(spool, segment, result->error, now_ms);
        return NULL;
    }
    read_worked(spool, segment);
    if (spool_read_record_head(buf_slice(&result->head), &record, &need) != SPOOL_READ) {
        spool->has_peeked = false; /* it changed since it was peeked at */
        return NULL;
    }
    if (!find_lanes(spool, &record, lanes)) {
        segment->read_ms = now_ms + READ_RETRY_MS;
        return NULL;
    }
    batch = make_batch(spool, &record, lanes, &job->place);
    if (batch == NULL) {
        read_failed(spool, segment, ENOMEM, now_ms);
        return NULL;
    }
    batch->oldest_boot_ms = oldest_boot_ms(segment, &record, now);
    if (result->found == SPOOL_READ) {
        batch->body = result->body;
        batch->pool = result->pool;
        result->body = NULL;
    } else {
        numbers_add(spool->numbers, NUMBER_spool_damaged, 1);
        spool_tell(spool, "spool has a damaged batch", "read", 0, segment->id);
    }
    add_pin(spool, segment);
    if (job->place.at == segment->front_at)
        segment->front_boot_ms = batch->oldest_boot_ms;
    pass(spool, segment, job->place.at, &record);
    return batch;
}

struct batch *spool_loaded(struct spool *spool, const struct spool_job *job,
                           struct spool_result *result, const struct spool_stamp *now,
                           int64_t now_ms)
{
    struct batch *batch = take_loaded(spool, job, result, now, now_ms);

    spool->is_loading = false;
    spool_show_in_hand(spool);
    return batch;
}

/* ---- done ---- */

void spool_plan_mark(struct spool *spool, struct batch *batch, struct spool_job *ret)
{
    const struct spool_segment *segment = spool_index_find(&spool->index, batch->pin->segment);

    CHECK(segment != NULL);
    *ret = (struct spool_job){ .kind = SPOOL_MARK,
                               .batch = batch,
                               .place = { batch->pin->segment, batch->pin->at },
                               .touch = !segment->is_touched };
}

/* A mark that could not be written means that the batch is sent once more by the next start. */
void spool_marked(struct spool *spool, const struct spool_job *job,
                  const struct spool_result *result, int64_t now_ms)
{
    struct spool_segment *segment = spool_index_find(&spool->index, job->place.segment);

    (void)now_ms;
    drop_pin(spool, segment);
    CHECK(segment->records > 0);
    segment->records--;
    if (result->error != 0) {
        numbers_add(spool->numbers, NUMBER_spool_errors, 1);
        if (segment == spool->writing) /* a sum would not have this record, which lives on disk */
            spool_end_writing(spool);
    } else {
        segment->is_touched = true;
    }
    for (const struct batch *part = job->batch; part != NULL; part = part->next)
        spool_segment_settle(&spool->index, segment, part, result->error == 0);
}
