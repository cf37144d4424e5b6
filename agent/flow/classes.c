/* SPDX-License-Identifier: Apache-2.0 */
/* classes: class 0 has the others. The bound of a class where nothing is pushed out is the dynamic
 * threshold of Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory packet
 * switches" (1998). */
#include "flow/classes.h"

#include "base/check.h"
#include "flow/field_key.h"
#include "flow/scheduler.h"
#include "flow/shedder.h"

#include <stdio.h>
#include <stdlib.h>

/* With FREE_SHARES times what is free a class alone may hold four fifths of the arena. */
enum { OTHERS = 0, NONE = SIZE_MAX >> 1, FREE_SHARES = 4, RECLAIM_REST_MS = 1000 };

struct class
{
    struct ring ring;
    uint64_t weight, hash;
    int64_t seen_ms;
    size_t next; /* in its bucket; NONE: the last */
    struct class_report report;
};

struct classes {
    struct classes_config config;
    struct arena *arena;         /* borrowed */
    struct scheduler *scheduler; /* NULL: one class, nothing to choose */
    bool *has_events;
    size_t *buckets; /* first class of each; CLASS_BY_FIELD */
    size_t bucket_count;
    size_t count, room; /* classes in use, most there can be */
    int64_t next_reclaim_ms;
    struct classes_level level; /* without oldest_boot_ms, and without an open parcel */
    bool is_open;               /* for a parcel */
    struct class class[];
};

size_t classes_count(const struct classes_config *config)
{
    switch (config->by) {
    case CLASS_BY_SEVERITY:
        return 1 + BANDS;
    case CLASS_BY_FIELD:
        return 1 + config->max;
    case CLASS_BY_NOTHING:
        break;
    }
    return 1;
}

static uint64_t weight_of(const struct classes_config *config, struct slice name)
{
    for (size_t i = 0; i < config->weight_count; i++) {
        if (slice_equals(slice_of(config->weights[i].name), name))
            return config->weights[i].weight;
    }
    return 1;
}

static void name_class(struct classes *classes, size_t i, struct slice name)
{
    struct class *class = &classes->class[i];

    class->report = (struct class_report){ .name = "" };
    (void)snprintf(class->report.name, sizeof(class->report.name), "%.*s", (int)name.bytes,
                   name.data);
    class->weight = weight_of(&classes->config, name);
    if (classes->scheduler != NULL)
        scheduler_set_weight(classes->scheduler, i, class->weight);
}

static bool build_table(struct classes *classes)
{
    if (classes->room == 1)
        return true;
    uint64_t *weights = calloc(classes->room, sizeof(*weights));
    if (weights == NULL)
        return false;
    classes->scheduler = scheduler_new(weights, classes->room, arena_piece_bytes(classes->arena));
    free(weights);
    for (classes->bucket_count = 1; classes->bucket_count < 2 * classes->room;)
        classes->bucket_count *= 2;
    classes->buckets = calloc(classes->bucket_count, sizeof(*classes->buckets));
    classes->has_events = calloc(classes->room, sizeof(*classes->has_events));
    if (classes->scheduler == NULL || classes->buckets == NULL || classes->has_events == NULL)
        return false;
    for (size_t i = 0; i < classes->bucket_count; i++)
        classes->buckets[i] = NONE;
    return true;
}

struct classes *classes_new(const struct classes_config *config, struct arena *arena)
{
    size_t room = classes_count(config);
    struct classes *classes = calloc(1, sizeof(*classes) + room * sizeof(struct class));
    if (classes == NULL)
        return NULL;
    classes->config = *config;
    classes->arena = arena;
    classes->room = room;
    classes->count = config->by == CLASS_BY_SEVERITY ? room : 1;
    if (!build_table(classes)) {
        classes_free(&classes);
        return NULL;
    }
    for (size_t i = 0; i < room; i++)
        ring_init(&classes->class[i].ring, arena);
    name_class(classes, OTHERS, SLICE("other"));
    for (size_t i = 1; i < classes->count; i++)
        name_class(classes, i, slice_of(severity_bands[i - 1]));
    return classes;
}

void classes_free(struct classes **classesp)
{
    struct classes *classes = *classesp;
    *classesp = NULL;
    if (classes == NULL)
        return;
    CHECK(classes->level.events == 0);
    scheduler_free(&classes->scheduler);
    free(classes->buckets);
    free(classes->has_events);
    free(classes);
}

/* ---- which class ---- */

static size_t *bucket_of(struct classes *classes, uint64_t hash)
{
    return &classes->buckets[hash & (classes->bucket_count - 1)];
}

static void unlink_class(struct classes *classes, size_t i)
{
    size_t *link = bucket_of(classes, classes->class[i].hash);
    while (*link != i)
        link = &classes->class[*link].next;
    *link = classes->class[i].next;
}

/* The one longest unseen of those that are empty and idle. */
static size_t find_idle(struct classes *classes, int64_t now_ms)
{
    size_t found = NONE;

    if (now_ms < classes->next_reclaim_ms)
        return NONE; /* looking costs time, and a flood of new values would do it for each */
    for (size_t i = 1; i < classes->count; i++) {
        const struct class *class = &classes->class[i];
        bool is_idle = class->ring.pieces == 0 && now_ms - class->seen_ms >= CLASS_IDLE_MS;
        if (is_idle && (found == NONE || class->seen_ms < classes->class[found].seen_ms))
            found = i;
    }
    if (found == NONE)
        classes->next_reclaim_ms = now_ms + RECLAIM_REST_MS;
    return found;
}

static size_t add_class(struct classes *classes, struct slice name, uint64_t hash, int64_t now_ms,
                        bool *ret_is_new)
{
    size_t i = NONE;

    if (classes->count < classes->room) {
        i = classes->count++;
    } else {
        i = find_idle(classes, now_ms);
        if (i == NONE)
            return OTHERS;
        unlink_class(classes, i);
    }
    name_class(classes, i, name);
    classes->class[i].hash = hash;
    classes->class[i].next = *bucket_of(classes, hash);
    *bucket_of(classes, hash) = i;
    *ret_is_new = true;
    return i;
}

static size_t find_by_field(struct classes *classes, const struct event *event, int64_t now_ms,
                            bool *ret_is_new)
{
    char room[FIELD_KEY_BYTES];
    struct slice name = field_key_text(event, slice_of(classes->config.field), room);
    uint64_t hash = field_key_hash(name);
    size_t i = OTHERS;

    if (name.bytes > 0) {
        /* By the hash alone: two names with one of 64 bits would share a ring, no more. */
        for (i = *bucket_of(classes, hash); i != NONE && classes->class[i].hash != hash;)
            i = classes->class[i].next;
        if (i == NONE)
            i = add_class(classes, name, hash, now_ms, ret_is_new);
    }
    classes->class[i].seen_ms = now_ms;
    return i;
}

size_t classes_find(struct classes *classes, const struct event *event, int64_t now_ms,
                    bool *ret_is_new)
{
    *ret_is_new = false;
    switch (classes->config.by) {
    case CLASS_BY_SEVERITY:
        return 1 + (size_t)severity_band(event->severity);
    case CLASS_BY_FIELD:
        return find_by_field(classes, event, now_ms, ret_is_new);
    case CLASS_BY_NOTHING:
        break;
    }
    return OTHERS;
}

/* ---- in ---- */

/* Is another piece more than this class may hold? */
static bool is_over_share(const struct classes *classes, const struct class *class)
{
    size_t free_pieces = arena_pieces(classes->arena) - arena_lent(classes->arena);

    return class->ring.pieces >= FREE_SHARES * class->weight * free_pieces && free_pieces > 0;
}

enum class_push classes_push(struct classes *classes, size_t i, const struct event *event,
                             size_t size, const struct run_info *run, bool is_bounded)
{
    struct class *class = &classes->class[i];

    if (is_bounded && classes->room > 1 && !ring_has_room(&class->ring, size, run) &&
        is_over_share(classes, class))
        return CLASS_OVER_SHARE;
    uint64_t before = class->ring.bytes;
    if (!ring_push(&class->ring, event, size, run))
        return CLASS_NO_ROOM;
    if (classes->is_open)
        return CLASS_PUSHED; /* counted when the parcel is kept */
    classes->level.events++;
    classes->level.bytes += class->ring.bytes - before;
    class->report.admitted++;
    return CLASS_PUSHED;
}

void classes_note_shed(struct classes *classes, size_t class)
{
    classes->class[class].report.shed++;
}

void classes_note_refused(struct classes *classes, size_t class)
{
    classes->class[class].report.refused++;
}

/* ---- parcels ---- */

void classes_open(struct classes *classes)
{
    classes->is_open = true;
    for (size_t i = 0; i < classes->room; i++)
        ring_open(&classes->class[i].ring);
}

void classes_close(struct classes *classes, bool keep)
{
    classes->is_open = false;
    for (size_t i = 0; i < classes->room; i++) {
        struct class *class = &classes->class[i];
        ring_close(&class->ring, keep);
        if (!keep)
            continue;
        classes->level.events += class->ring.parcel_events;
        classes->level.bytes += class->ring.parcel_bytes;
        class->report.admitted += class->ring.parcel_events;
    }
}

uint64_t classes_held_events(const struct classes *classes)
{
    uint64_t events = 0;

    for (size_t i = 0; classes->is_open && i < classes->room; i++)
        events += classes->class[i].ring.mark.events;
    return events;
}

size_t classes_pieces(const struct classes *classes)
{
    size_t pieces = 0;

    for (size_t i = 0; i < classes->room; i++)
        pieces += classes->class[i].ring.pieces;
    return pieces;
}

/* ---- out ---- */

static struct piece *detach(struct classes *classes, struct class *class)
{
    struct piece *piece = ring_detach(&class->ring);
    if (piece == NULL)
        return NULL;
    classes->level.events -= piece->events;
    classes->level.bytes -= piece->bytes;
    return piece;
}

struct piece *classes_evict(struct classes *classes, size_t for_class)
{
    struct class *victim = &classes->class[for_class];
    /* It wants one more; then who holds most for its weight? */
    double most =
        victim->ring.pieces == 0 ? 0 : (double)(victim->ring.pieces + 1) / (double)victim->weight;

    for (size_t i = 0; i < classes->count; i++) {
        struct class *class = &classes->class[i];
        double share = (double)class->ring.pieces / (double)class->weight;
        if (share > most) {
            most = share;
            victim = class;
        }
    }
    struct piece *piece = detach(classes, victim);
    if (piece != NULL)
        victim->report.evicted += piece->events;
    return piece;
}

static size_t pick_class(struct classes *classes)
{
    if (classes->scheduler == NULL)
        return OTHERS;
    for (size_t i = 0; i < classes->room; i++)
        classes->has_events[i] = ring_can_detach(&classes->class[i].ring);
    return scheduler_pick(classes->scheduler, classes->has_events);
}

static void note_wait(struct class *class, int64_t now_ms)
{
    int64_t oldest_ms = ring_oldest_boot_ms(&class->ring);
    if (oldest_ms > 0 && now_ms - oldest_ms > class->report.longest_wait_ms)
        class->report.longest_wait_ms = now_ms - oldest_ms;
}

struct piece *classes_take(struct classes *classes, int64_t now_ms)
{
    size_t i = pick_class(classes);
    if (i == classes->room)
        return NULL;
    struct class *class = &classes->class[i];
    note_wait(class, now_ms);
    struct piece *piece = detach(classes, class);
    if (piece == NULL)
        return NULL;
    class->report.gathered += piece->events;
    if (classes->scheduler != NULL)
        scheduler_charge(classes->scheduler, i, piece->bytes);
    return piece;
}

/* ---- what is told ---- */

struct classes_level classes_level(const struct classes *classes)
{
    struct classes_level level = classes->level;

    for (size_t i = 0; i < classes->count; i++) {
        int64_t oldest_ms = ring_oldest_boot_ms(&classes->class[i].ring);
        if (oldest_ms != 0 && (level.oldest_boot_ms == 0 || oldest_ms < level.oldest_boot_ms))
            level.oldest_boot_ms = oldest_ms;
    }
    return level;
}

static bool has_news(const struct class_report *report)
{
    return report->admitted + report->shed + report->refused + report->evicted + report->gathered +
               report->waiting >
           0;
}

size_t classes_report(struct classes *classes, int64_t now_ms, struct class_report *ret_reports,
                      size_t room)
{
    size_t filled = 0;

    for (size_t i = 0; i < classes->count && filled < room; i++) {
        struct class *class = &classes->class[i];
        note_wait(class, now_ms);
        class->report.waiting = class->ring.events;
        if (has_news(&class->report))
            ret_reports[filled++] = class->report;
        class->report.admitted = class->report.shed = class->report.refused = 0;
        class->report.evicted = class->report.gathered = class->report.waiting = 0;
        class->report.longest_wait_ms = 0;
    }
    return filled;
}
