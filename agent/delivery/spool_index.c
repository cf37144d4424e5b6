/* SPDX-License-Identifier: Apache-2.0 */
/* spool_index: a list, because segments are few: the spool's bound over the size of a segment. */
#include "delivery/spool_index.h"

#include "base/check.h"

#include <stdlib.h>

static void free_segment(struct spool_segment *segment)
{
    free(segment->rows);
    free(segment);
}

void spool_index_fini(struct spool_index *index)
{
    while (index->oldest != NULL) {
        struct spool_segment *segment = index->oldest;
        index->oldest = segment->newer;
        free_segment(segment);
    }
    index->newest = NULL;
    index->count = 0;
    index->bytes = 0;
}

struct spool_segment *spool_index_add(struct spool_index *index, uint64_t id, uint64_t bytes)
{
    struct spool_segment *segment;

    CHECK(index->newest == NULL || id > index->newest->id);
    segment = index->count == SPOOL_SEGMENTS_MAX ? NULL : calloc(1, sizeof(*segment));
    if (segment == NULL)
        return NULL;
    segment->id = id;
    segment->bytes = bytes;
    segment->front_at = segment->stop_at = segment->end_at = SPOOL_SEGMENT_HEAD;
    segment->older = index->newest;
    if (index->newest != NULL)
        index->newest->newer = segment;
    else
        index->oldest = segment;
    index->newest = segment;
    index->count++;
    index->bytes += bytes;
    return segment;
}

void spool_index_remove(struct spool_index *index, struct spool_segment *segment)
{
    CHECK(index->count > 0 && index->bytes >= segment->bytes);
    *(segment->older != NULL ? &segment->older->newer : &index->oldest) = segment->newer;
    *(segment->newer != NULL ? &segment->newer->older : &index->newest) = segment->older;
    index->count--;
    index->bytes -= segment->bytes;
    free_segment(segment);
}

struct spool_segment *spool_index_find(const struct spool_index *index, uint64_t id)
{
    struct spool_segment *segment = index->oldest;

    while (segment != NULL && segment->id != id)
        segment = segment->newer;
    return segment;
}

void spool_index_grow(struct spool_index *index, struct spool_segment *segment, uint64_t bytes)
{
    segment->bytes += bytes;
    index->bytes += bytes;
}

unsigned spool_index_lane(struct spool_index *index, struct slice input)
{
    for (unsigned i = 0; i < index->lane_count; i++) {
        if (slice_equals(slice_of(index->lanes[i].input), input))
            return i;
    }
    if (index->lane_count == SPOOL_LANES_MAX || input.bytes >= LEDGER_NAME)
        return SPOOL_LANES_MAX;
    struct spool_lane *lane = &index->lanes[index->lane_count];
    *lane = (struct spool_lane){ .books = NULL };
    memcpy(lane->input, input.data, input.bytes);
    return index->lane_count++;
}

unsigned spool_index_lane_of(struct spool_index *index, struct books *books)
{
    for (unsigned i = 0; i < index->lane_count; i++) {
        if (index->lanes[i].books == books &&
            strcmp(index->lanes[i].input, ledger_input_name(books)) == 0)
            return i; /* and not one that shares them, as of an input that has none of its own */
    }
    unsigned lane = spool_index_lane(index, slice_of(ledger_input_name(books)));
    if (lane < SPOOL_LANES_MAX && index->lanes[lane].books == NULL)
        index->lanes[lane].books = books;
    return lane;
}

static struct spool_row *find_row(const struct spool_segment *segment, unsigned lane)
{
    for (unsigned i = 0; i < segment->row_count; i++) {
        if (segment->rows[i].lane == lane)
            return &segment->rows[i];
    }
    return NULL;
}

static struct spool_row *add_row(struct spool_segment *segment, unsigned lane)
{
    if (segment->row_count == segment->row_room) {
        unsigned room = segment->row_room == 0 ? 4 : 2 * segment->row_room;
        struct spool_row *rows = realloc(segment->rows, room * sizeof(*rows));
        if (rows == NULL)
            return NULL;
        segment->rows = rows;
        segment->row_room = room;
    }
    segment->rows[segment->row_count] = (struct spool_row){ .lane = lane };
    return &segment->rows[segment->row_count++];
}

bool spool_segment_add(struct spool_segment *segment, unsigned lane, struct amount amount)
{
    struct spool_row *row = find_row(segment, lane);

    if (row == NULL)
        row = add_row(segment, lane);
    if (row == NULL)
        return false;
    row->amount.events += amount.events;
    row->amount.bytes += amount.bytes;
    return true;
}

static uint64_t take(uint64_t *from, uint64_t wanted)
{
    uint64_t taken = *from < wanted ? *from : wanted;

    *from -= taken;
    return wanted - taken;
}

static void add_unmarked(struct books *books, struct amount amount)
{
    struct numbers *numbers = ledger_lane_numbers(books);

    numbers_add(numbers, NUMBER_spool_unmarked_events, amount.events);
    numbers_add(numbers, NUMBER_spool_unmarked_bytes, amount.bytes);
}

void spool_lane_forget_unmarked(const struct spool_lane *lane)
{
    struct numbers *numbers = ledger_lane_numbers(lane->books);

    numbers_set(numbers, NUMBER_spool_unmarked_events, 0);
    numbers_set(numbers, NUMBER_spool_unmarked_bytes, 0);
}

void spool_row_forget_unmarked(const struct spool_index *index, const struct spool_row *row)
{
    struct numbers *numbers = ledger_lane_numbers(index->lanes[row->lane].books);

    numbers_set(numbers, NUMBER_spool_unmarked_events,
                numbers_get(numbers, NUMBER_spool_unmarked_events) - row->unmarked.events);
    numbers_set(numbers, NUMBER_spool_unmarked_bytes,
                numbers_get(numbers, NUMBER_spool_unmarked_bytes) - row->unmarked.bytes);
}

static struct amount less(struct amount from, struct amount amount)
{
    return (struct amount){ from.events - amount.events, from.bytes - amount.bytes };
}

/* Two names may stand for the same books, where these have no room for another lane. */
void spool_segment_settle(struct spool_index *index, struct spool_segment *segment,
                          const struct batch *batch, bool is_marked)
{
    for (size_t i = 0; i < batch->run_count; i++) {
        struct amount left = { batch->runs[i].events, batch->runs[i].bytes };
        for (unsigned j = 0; j < segment->row_count; j++) {
            struct spool_row *row = &segment->rows[j];
            if (index->lanes[row->lane].books != batch->runs[i].books)
                continue;
            struct amount before = left;
            left.events = take(&row->amount.events, left.events);
            left.bytes = take(&row->amount.bytes, left.bytes);
            if (is_marked)
                continue;
            struct amount taken = less(before, left);
            row->unmarked.events += taken.events;
            row->unmarked.bytes += taken.bytes;
            add_unmarked(index->lanes[row->lane].books, taken);
        }
    }
}

struct amount spool_index_live(const struct spool_index *index, unsigned lane)
{
    struct amount sum = index->lanes[lane].unread;

    for (const struct spool_segment *segment = index->oldest; segment != NULL;
         segment = segment->newer) {
        const struct spool_row *row = find_row(segment, lane);
        if (row != NULL) {
            sum.events += row->amount.events;
            sum.bytes += row->amount.bytes;
        }
    }
    return sum;
}

bool spool_segment_has_unread(const struct spool_segment *segment)
{
    return segment->front_at < segment->stop_at;
}

int64_t spool_index_oldest_boot_ms(const struct spool_index *index)
{
    int64_t oldest_ms = INT64_MAX;

    for (const struct spool_segment *segment = index->oldest; segment != NULL;
         segment = segment->newer) {
        if (spool_segment_has_unread(segment) && segment->front_boot_ms < oldest_ms)
            oldest_ms = segment->front_boot_ms;
    }
    return oldest_ms;
}
