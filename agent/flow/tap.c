/* SPDX-License-Identifier: Apache-2.0 */
/* tap: a fixed table, so that whoever offers never meets one that is gone. An event is written as a
 * record into the tap's staging and copied into its ring of bytes, under the tap's own lock. */
#include "flow/tap.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/lock.h"
#include "event/record.h"
#include "event/resource.h"

#include <stdlib.h>
#include <string.h>

enum { WORK_BURST_NS = 5 * 1000 * 1000, THOUSAND = 1000, GROUP = 64 };

const char *const tap_stage_names[TAP_STAGES] = { [TAP_READ] = "read",
                                                  [TAP_PROCESSED] = "processed",
                                                  [TAP_FILTERED] = "filtered",
                                                  [TAP_SHED] = "shed",
                                                  [TAP_ENCODED] = "encoded" };

_Atomic unsigned tap_stages_wanted;

struct memory { /* of an open tap */
    _Alignas(RECORD_ALIGN) char staging[TAP_RECORD_BYTES];
    char ring[TAP_RING_BYTES];
};

struct tap {
    struct lock lock;
    _Atomic bool is_open;    /* a hint, without the lock */
    _Atomic bool is_resting; /* another: it has no rate or time for more, just now */
    /* under lock */
    struct memory *memory; /* NULL: closed */
    struct tap_wish wish;
    struct tap_counts counts;
    uint64_t first_at, end_at; /* bytes ever written to the ring */
    int64_t filled_ns;
    int64_t thousandths; /* of events that may be shown */
    int64_t work_ns;     /* that it may still work */
    uint64_t runs;
};

static struct tap taps[TAPS];
static pthread_once_t taps_once = PTHREAD_ONCE_INIT;

static void init_taps(void)
{
    for (size_t i = 0; i < TAPS; i++)
        lock_init(&taps[i].lock, "tap");
}

/* ---- the ring ---- */

static void copy_in(struct tap *tap, const void *from, size_t bytes) NEEDS_LOCK(&tap->lock)
{
    size_t at = tap->end_at % TAP_RING_BYTES;
    size_t first = bytes < TAP_RING_BYTES - at ? bytes : TAP_RING_BYTES - at;

    memcpy(tap->memory->ring + at, from, first);
    memcpy(tap->memory->ring, (const char *)from + first, bytes - first);
    tap->end_at += bytes;
}

static void copy_out(struct tap *tap, void *to, size_t bytes) NEEDS_LOCK(&tap->lock)
{
    size_t at = tap->first_at % TAP_RING_BYTES;
    size_t first = bytes < TAP_RING_BYTES - at ? bytes : TAP_RING_BYTES - at;

    memcpy(to, tap->memory->ring + at, first);
    memcpy((char *)to + first, tap->memory->ring, bytes - first);
    tap->first_at += bytes;
}

static void copy_name(char ret_name[LEDGER_NAME], const char *name)
{
    (void)strncpy(ret_name, name, LEDGER_NAME - 1);
}

static void keep_event(struct tap *tap, const struct tap_place *place, const struct event *event)
    NEEDS_LOCK(&tap->lock)
{
    struct tapped head = { .stage_name = tap_stage_names[place->stage], .reason = place->reason };
    struct event cut = *event;

    if (cut.body.bytes > TAP_BODY_BYTES) {
        cut.body.bytes = TAP_BODY_BYTES;
        cut.flags |= EVENT_TRUNCATED;
    }
    head.record_bytes = record_size(&cut);
    if (head.record_bytes > TAP_RECORD_BYTES ||
        tap->end_at - tap->first_at + sizeof(head) + head.record_bytes > TAP_RING_BYTES) {
        tap->counts.dropped++;
        return;
    }
    copy_name(head.input, place->input);
    copy_name(head.output, place->output);
    head.resource = resource_ref(event->resource != NULL ? event->resource : place->resource);
    record_write(tap->memory->staging, head.record_bytes, &cut);
    copy_in(tap, &head, sizeof(head));
    copy_in(tap, tap->memory->staging, head.record_bytes);
    tap->counts.shown++;
}

/* ---- what may be shown ---- */

static bool is_meant(const struct tap *tap, const struct tap_place *place) NEEDS_LOCK(&tap->lock)
{
    return tap->memory != NULL && tap->wish.stage == place->stage &&
           strcmp(tap->wish.name,
                  tap_stage_is_of_output(place->stage) ? place->output : place->input) == 0;
}

/* One second's worth at most, and a burst of work. */
static void fill_purses(struct tap *tap, int64_t now_ns) NEEDS_LOCK(&tap->lock)
{
    int64_t rate = tap->wish.rate, passed_ns = now_ns - tap->filled_ns;

    if (passed_ns > NS_PER_S)
        passed_ns = NS_PER_S;
    /* Whole thousandths of an event: what is left of the time waits. */
    int64_t more = passed_ns * rate / (NS_PER_S / THOUSAND);
    if (more == 0)
        return;
    tap->filled_ns = now_ns;
    tap->thousandths += more;
    if (tap->thousandths > rate * THOUSAND)
        tap->thousandths = rate * THOUSAND;
    tap->work_ns += passed_ns / TAP_WORK_SHARE;
    if (tap->work_ns > WORK_BURST_NS)
        tap->work_ns = WORK_BURST_NS;
}

static bool matches(const struct tap *tap, const struct tap_place *place, const struct event *event)
    NEEDS_LOCK(&tap->lock)
{
    struct event whole = *event;

    if (whole.resource == NULL)
        whole.resource = place->resource;
    for (size_t i = 0; i < tap->wish.filter_count; i++) {
        if (!tap_filter_matches(&tap->wish.filters[i], &whole))
            return false;
    }
    return true;
}

/* With no filter and more events than may be shown they are spread over the run; else one after the
 * other, from another place in each run. */
static size_t choose_step(const struct tap *tap, size_t count) NEEDS_LOCK(&tap->lock)
{
    size_t may = (size_t)(tap->thousandths / THOUSAND);

    return tap->wish.filter_count == 0 && may > 0 && count > may ? count / may : 1;
}

static void sample(struct tap *tap, const struct tap_place *place, const struct event *events,
                   size_t count) NEEDS_LOCK(&tap->lock)
{
    size_t step = choose_step(tap, count), looked_at = 0;

    for (size_t i = tap->runs++ % step; i < count && tap->thousandths >= THOUSAND; i += step) {
        looked_at++;
        if (!matches(tap, place, &events[i])) {
            tap->counts.not_matching++;
            continue;
        }
        tap->thousandths -= THOUSAND;
        keep_event(tap, place, &events[i]);
    }
    tap->counts.seen += count;
    tap->counts.over_rate += count - looked_at;
}

static void pass_by(struct tap *tap, uint64_t count) NEEDS_LOCK(&tap->lock)
{
    tap->counts.seen += count;
    tap->counts.over_rate += count;
}

static void offer_to(struct tap *tap, const struct tap_place *place, const struct event *events,
                     size_t count, uint64_t passed_by)
{
    lock_take(&tap->lock);
    if (is_meant(tap, place)) {
        int64_t began_ns = clock_now_ns();
        fill_purses(tap, began_ns);
        pass_by(tap, passed_by);
        if (tap->work_ns > 0) {
            sample(tap, place, events, count);
            tap->work_ns -= clock_now_ns() - began_ns;
        } else {
            pass_by(tap, count);
        }
        atomic_store(&tap->is_resting, tap->work_ns <= 0 || tap->thousandths < THOUSAND);
    }
    lock_drop(&tap->lock);
}

static void offer_to_all(const struct tap_place *place, const struct event *events, size_t count,
                         uint64_t passed_by)
{
    for (size_t i = 0; i < TAPS && count > 0; i++) {
        if (atomic_load(&taps[i].is_open))
            offer_to(&taps[i], place, events, count, passed_by);
    }
}

void tap_offer(const struct tap_place *place, const struct event *events, size_t count)
{
    offer_to_all(place, events, count, 0);
}

static bool are_resting(void)
{
    for (size_t i = 0; i < TAPS; i++) {
        if (atomic_load(&taps[i].is_open) && !atomic_load(&taps[i].is_resting))
            return false;
    }
    return true;
}

void tap_view_ask(struct tap_view *view, enum tap_stage stage)
{
    view->is_wanted = tap_is_wanted(stage);
}

void tap_view_show(struct tap_view *view, const struct tap_place *place, const struct event *event)
{
    if (!view->is_wanted)
        return;
    if (view->passed_by < GROUP && are_resting()) {
        view->passed_by++;
        return;
    }
    offer_to_all(place, event, 1, view->passed_by);
    view->passed_by = 0;
}

/* ---- the one that looks ---- */

/* The stages of all taps but this one, and of this one if it is open. */
static void tell_stages(void)
{
    unsigned wanted = 0;

    for (size_t i = 0; i < TAPS; i++) {
        lock_take(&taps[i].lock);
        if (taps[i].memory != NULL)
            wanted |= 1U << taps[i].wish.stage;
        lock_drop(&taps[i].lock);
    }
    atomic_store(&tap_stages_wanted, wanted);
}

static bool try_open(struct tap *tap, const struct tap_wish *wish, struct memory *memory)
{
    lock_take(&tap->lock);
    bool is_free = tap->memory == NULL;
    if (is_free) {
        tap->memory = memory;
        tap->wish = *wish;
        tap->counts = (struct tap_counts){ 0 };
        tap->first_at = tap->end_at = 0;
        tap->filled_ns = clock_now_ns();
        tap->thousandths = (int64_t)wish->rate * THOUSAND;
        tap->work_ns = WORK_BURST_NS;
        tap->runs = 0;
        atomic_store(&tap->is_resting, false);
        atomic_store(&tap->is_open, true);
    }
    lock_drop(&tap->lock);
    return is_free;
}

struct tap *tap_open(const struct tap_wish *wish, struct err *err)
{
    struct memory *memory = calloc(1, sizeof(*memory));

    CHECK(pthread_once(&taps_once, init_taps) == 0);
    if (memory == NULL) {
        (void)err_set(err, "out of memory for a tap");
        return NULL;
    }
    for (size_t i = 0; i < TAPS; i++) {
        if (try_open(&taps[i], wish, memory)) {
            tell_stages();
            return &taps[i];
        }
    }
    free(memory);
    (void)err_set(err, "there are %d taps already: end one of them first", TAPS);
    return NULL;
}

bool tap_take(struct tap *tap, struct tapped *ret, char *record)
{
    lock_take(&tap->lock);
    bool has_one = tap->first_at != tap->end_at;
    if (has_one) {
        copy_out(tap, ret, sizeof(*ret));
        copy_out(tap, record, ret->record_bytes);
    }
    lock_drop(&tap->lock);
    return has_one;
}

struct tap_counts tap_counts(struct tap *tap)
{
    lock_take(&tap->lock);
    struct tap_counts counts = tap->counts;
    lock_drop(&tap->lock);
    return counts;
}

void tap_close(struct tap **tapp)
{
    struct tap *tap = *tapp;
    _Alignas(RECORD_ALIGN) char record[TAP_RECORD_BYTES];
    struct tapped tapped;

    *tapp = NULL;
    if (tap == NULL)
        return;
    atomic_store(&tap->is_open, false);
    /* Events that are offered at this moment find it closed, or are taken in the next round. */
    lock_take(&tap->lock);
    tap->wish.name[0] = '\0';
    lock_drop(&tap->lock);
    while (tap_take(tap, &tapped, record))
        resource_unref(&tapped.resource);
    lock_take(&tap->lock);
    struct memory *memory = tap->memory;
    tap->memory = NULL;
    lock_drop(&tap->lock);
    free(memory);
    tell_stages();
}
