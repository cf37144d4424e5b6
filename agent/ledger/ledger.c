/* SPDX-License-Identifier: Apache-2.0 */
/* ledger: a set of books from its start to its end: identities, slots, the books of the start
 * before, and copies for readers. The counters themselves are in counters.c. */
#include "ledger/ledger.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/file.h"
#include "ledger/books_left.h"
#include "ledger/books_numbers.h"
#include "ledger/books_sign.h"
#include "ledger/fatal_record.h"
#include "ledger/ledger_start.h"
#include "ledger/live_file.h"
#include "ledger/predecessor.h"
#include "ledger/suspect.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct ledger {
    /* constant after the start */
    struct live_file live;
    char save_path[PATH_MAX];
    enum predecessor predecessor;
    char note[1400];
    struct predecessor_books *dead; /* until ledger_begin() */
    /* main thread only */
    bool is_own[LEDGER_SLOTS]; /* claimed by this start, not only closing entries */
    unsigned own_lanes;
};

/* ---- slots ---- */

/* The slot of that name, or a new one; LEDGER_SLOTS: all are taken. */
static unsigned find_slot(struct books_file *file, const char *input, const char *output)
{
    unsigned used = atomic_load_explicit(&file->header.lanes_used, memory_order_relaxed);

    CHECK(strlen(input) < LEDGER_NAME && strlen(output) < LEDGER_NAME);
    for (unsigned i = 0; i < used; i++) {
        if (strcmp(file->lanes[i].input, input) == 0 && strcmp(file->lanes[i].output, output) == 0)
            return i;
    }
    if (used == LEDGER_SLOTS)
        return LEDGER_SLOTS;
    (void)snprintf(file->lanes[used].input, LEDGER_NAME, "%s", input);
    (void)snprintf(file->lanes[used].output, LEDGER_NAME, "%s", output);
    atomic_store_explicit(&file->header.lanes_used, used + 1, memory_order_release);
    return used;
}

struct books *ledger_lane(struct ledger *ledger, const char *input, const char *output,
                          bool rereadable)
{
    struct books_file *file = ledger->live.books;

    if (ledger->own_lanes == LEDGER_LANES) { /* only what is there already */
        unsigned used = ledger_lane_count(ledger);
        unsigned i = 0;
        while (i < used && !(ledger->is_own[i] && strcmp(file->lanes[i].input, input) == 0 &&
                             strcmp(file->lanes[i].output, output) == 0))
            i++;
        if (i == used)
            return NULL;
    }
    unsigned slot = find_slot(file, input, output);
    CHECK(slot < LEDGER_SLOTS); /* closing entries take at most the other half */
    ledger->own_lanes += !ledger->is_own[slot];
    ledger->is_own[slot] = true;
    ledger_set_rereadable(&file->lanes[slot], rereadable);
    return &file->lanes[slot];
}

const char *ledger_input_name(const struct books *books)
{
    return books->input;
}

struct numbers *ledger_lane_numbers(struct books *books)
{
    return &books->numbers;
}

struct numbers *ledger_output_numbers(struct ledger *ledger, const char *output)
{
    struct books_file *file = ledger->live.books;
    unsigned used = ledger_output_count(ledger);

    CHECK(file != NULL && strlen(output) < LEDGER_NAME);
    for (unsigned i = 0; i < used; i++) {
        if (strcmp(file->outputs[i].name, output) == 0)
            return &file->outputs[i].numbers;
    }
    if (used == LEDGER_OUTPUTS)
        return NULL;
    (void)snprintf(file->outputs[used].name, LEDGER_NAME, "%s", output);
    atomic_store_explicit(&file->header.outputs_used, used + 1, memory_order_release);
    return &file->outputs[used].numbers;
}

struct numbers *ledger_agent_numbers(struct ledger *ledger)
{
    return &ledger->live.books->agent;
}

/* ---- opening and closing ---- */

static void enter_left(struct books *books, const struct books_left *left, struct suspect suspect)
{
    atomic_store(&books->rereadable, left->rereadable);
    for (unsigned flow = 0; flow < FLOWS; flow++) {
        atomic_fetch_add(&books->closing[flow].events, left->closing[flow].events);
        atomic_fetch_add(&books->closing[flow].bytes, left->closing[flow].bytes);
    }
    numbers_set(&books->numbers, NUMBER_spool_unread_events, left->unread.events);
    numbers_set(&books->numbers, NUMBER_spool_unread_bytes, left->unread.bytes);
    numbers_set(&books->numbers, NUMBER_crashes, suspect.crashes);
    numbers_set(&books->numbers, NUMBER_suspect_events, suspect.in_hand);
}

/* Enters what the predecessor left. Half of the slots are kept for the lanes of this start. */
static unsigned close_predecessor(struct ledger *ledger, const struct predecessor_books *dead)
{
    struct books_file *file = ledger->live.books;
    unsigned damaged = 0, closed = 0;
    struct books_left left;

    for (unsigned i = 0; i < atomic_load(&dead->image.header.lanes_used); i++) {
        if (!books_left_in(&dead->image, i, &left))
            continue;
        closed++;
        if (left.damaged || ledger_lane_count(ledger) == LEDGER_LANES) {
            damaged++;
            continue;
        }
        enter_left(&file->lanes[find_slot(file, left.input, left.output)], &left,
                   suspect_lane(&dead->image, i));
    }
    if (damaged > 0) {
        size_t length = strlen(ledger->note);
        (void)snprintf(ledger->note + length, sizeof(ledger->note) - length,
                       "%s%u of its lanes are damaged or too many, and were left out",
                       length == 0 ? "" : "; ", damaged);
    }
    return closed;
}

/* Also of lanes in which nothing was held. */
static void carry_fatal_records(struct ledger *ledger, const struct books_image *dead)
{
    struct books_file *file = ledger->live.books;

    for (unsigned i = 0; i < atomic_load(&dead->header.lanes_used); i++) {
        struct books_left left;
        if (!fatal_record_is_known(dead, i) || ledger_lane_count(ledger) == LEDGER_LANES)
            continue;
        (void)books_left_in(dead, i, &left); /* for its names */
        if (!left.damaged)
            fatal_record_carry(dead, i,
                               &file->lanes[find_slot(file, left.input, left.output)].numbers);
    }
}

/* So that what was closed is not closed once more from an older copy. Before the first report
 * there is no other writer of this file. */
static void save_now(struct ledger *ledger)
{
    struct buf image = { 0 };
    struct err unused;

    if (!ledger_save_image(ledger, &image) ||
        !file_replace(ledger->save_path, buf_slice(&image), true, &unused))
        numbers_add(ledger_agent_numbers(ledger), NUMBER_save_errors, 1);
    buf_fini(&image);
}

static void forget_predecessor(struct ledger *ledger)
{
    if (ledger->dead != NULL)
        predecessor_fini(ledger->dead);
    free(ledger->dead);
    ledger->dead = NULL;
}

void ledger_begin(struct ledger *ledger, const struct ledger_found *found, size_t found_count)
{
    struct predecessor_books *dead = ledger->dead;

    CHECK(dead != NULL);
    bool was_running = dead->kind == PREDECESSOR_EXACT || dead->kind == PREDECESSOR_STALE;
    bool has_left = was_running;
    dead->image.found = found;
    dead->image.found_count = found_count;
    if (was_running || dead->kind == PREDECESSOR_CLEAN)
        has_left = close_predecessor(ledger, dead) > 0 || was_running;
    if (was_running) {
        suspect_note_spools(&dead->image, ledger);
        carry_fatal_records(ledger, &dead->image);
    }
    forget_predecessor(ledger);
    live_file_publish(&ledger->live);
    if (has_left)
        save_now(ledger);
}

static struct ledger *_Atomic current;

static void find_predecessor(struct ledger *ledger, const char *state_dir)
{
    struct books_file *file = ledger->live.books;

    books_file_describe(file);
    books_sign(&file->header, state_dir);
    predecessor_find(ledger->live.predecessor, ledger->save_path, file->header.boot_id,
                     ledger->dead);
    ledger->predecessor = ledger->dead->kind;
    (void)snprintf(ledger->note, sizeof(ledger->note), "%s", ledger->dead->note);
}

static uint64_t number_now(const struct ledger *ledger, const char *output, enum number number)
{
    const struct books_file *file = ledger->live.books;

    for (unsigned i = 0; i < ledger_output_count(ledger); i++) {
        if (strcmp(file->outputs[i].name, output) == 0)
            return numbers_get(&file->outputs[i].numbers, number);
    }
    return 0;
}

uint64_t ledger_before(const struct ledger *ledger, const char *output, enum number number)
{
    const struct predecessor_books *dead = ledger->dead;

    if (dead == NULL)
        return number_now(ledger, output, number);
    if ((dead->kind != PREDECESSOR_EXACT && dead->kind != PREDECESSOR_CLEAN) ||
        strcmp(dead->image.header.boot_id, ledger->live.books->header.boot_id) != 0)
        return 0;
    return books_image_output_number(&dead->image, output, number);
}

bool ledger_before_has_spooled(const struct ledger *ledger, const char *output)
{
    return ledger->dead != NULL && predecessor_has_spooled(ledger->dead, output);
}

struct ledger *ledger_open(const struct ledger_config *config, struct err *err)
{
    struct ledger *ledger = ledger_prepare(config, err);

    if (ledger != NULL)
        ledger_begin(ledger, config->found, config->found_count);
    return ledger;
}

struct ledger *ledger_prepare(const struct ledger_config *config, struct err *err)
{
    struct ledger *ledger = calloc(1, sizeof(*ledger));
    char state_dir[PATH_MAX], name[NAME_MAX];

    if (ledger != NULL)
        ledger->dead = calloc(1, sizeof(*ledger->dead));
    if (ledger == NULL || ledger->dead == NULL) {
        free(ledger);
        (void)err_set(err, "out of memory for the books");
        return NULL;
    }
    if (realpath(config->state_dir, state_dir) ==
        NULL) /* not there: a name is needed all the same */
        (void)snprintf(state_dir, sizeof(state_dir), "%s", config->state_dir);
    if (snprintf(ledger->save_path, PATH_MAX, "%s/books.saved", state_dir) >= PATH_MAX) {
        (void)err_set(err, "the path of state_dir is too long");
        forget_predecessor(ledger);
        free(ledger);
        return NULL;
    }
    live_file_name(state_dir, name);
    if (!live_file_open(&ledger->live, config, name, err)) {
        forget_predecessor(ledger);
        free(ledger);
        return NULL;
    }
    find_predecessor(ledger, state_dir);
    atomic_store(&current, ledger);
    return ledger;
}

const struct ledger *ledger_current(void)
{
    return atomic_load(&current);
}

void ledger_mark_closed(struct ledger *ledger)
{
    atomic_store(&ledger->live.books->header.state, BOOKS_CLOSED);
}

void ledger_mark_crashed(struct ledger *ledger)
{
    atomic_store(&ledger->live.books->header.state, BOOKS_CRASHED);
}

void ledger_close(struct ledger **ledgerp)
{
    struct ledger *ledger = *ledgerp;

    *ledgerp = NULL;
    if (ledger == NULL)
        return;
    struct ledger *closed = ledger;
    (void)atomic_compare_exchange_strong(&current, &closed, NULL);
    if (ledger->dead != NULL) /* nothing began: the books of the start before stay */
        (void)unlink(ledger->live.tmp);
    forget_predecessor(ledger);
    ledger_mark_closed(ledger);
    live_file_close(&ledger->live);
    free(ledger);
}

const char *ledger_place(const struct ledger *ledger)
{
    return ledger->live.place;
}

const char *ledger_live_path(const struct ledger *ledger)
{
    return ledger->live.path;
}

enum predecessor ledger_predecessor(const struct ledger *ledger)
{
    return ledger->predecessor;
}

const char *ledger_predecessor_note(const struct ledger *ledger)
{
    return ledger->note;
}

const char *ledger_agent_id(const struct ledger *ledger)
{
    return ledger->live.books->header.agent_id;
}

const char *ledger_start_id(const struct ledger *ledger)
{
    return ledger->live.books->header.start_id;
}

int64_t ledger_started_real_ns(const struct ledger *ledger)
{
    return ledger->live.books->header.started_real_ns;
}

bool ledger_save_image(struct ledger *ledger, struct buf *ret)
{
    return books_file_copy(ledger->live.books, clock_real_ns(), ret);
}

const char *ledger_save_path(const struct ledger *ledger)
{
    return ledger->save_path;
}

/* ---- for readers ---- */

unsigned ledger_lane_count(const struct ledger *ledger)
{
    return atomic_load_explicit(&ledger->live.books->header.lanes_used, memory_order_acquire);
}

unsigned ledger_output_count(const struct ledger *ledger)
{
    return atomic_load_explicit(&ledger->live.books->header.outputs_used, memory_order_acquire);
}

const struct books *ledger_books(const struct ledger *ledger, unsigned lane)
{
    CHECK(lane < ledger_lane_count(ledger));
    return &ledger->live.books->lanes[lane];
}

static void copy_measured(const struct books *books, struct lane_snapshot *ret)
{
    ret->difference_events = 0;
    ret->differences = 0;
    for (unsigned account = 0; account < ACCOUNTS; account++) {
        struct counter_span span = books_account_measured[account];
        struct amount sum = { 0, 0 };
        if (span.count == 0)
            sum = ledger_stock(books, (enum account)account);
        for (uint32_t i = 0; i < span.count; i++) {
            const struct measured *measured = &books->measured[span.first + i];
            int64_t events =
                atomic_load_explicit(&measured->differing_events, memory_order_relaxed);
            int64_t bytes = atomic_load_explicit(&measured->differing_bytes, memory_order_relaxed);
            sum.events += atomic_load_explicit(&measured->held.events, memory_order_relaxed);
            sum.bytes += atomic_load_explicit(&measured->held.bytes, memory_order_relaxed);
            ret->difference_events += events;
            ret->differences += events != 0 || bytes != 0;
        }
        ret->measured[account] = sum;
    }
}

static void copy_numbers(const struct numbers *numbers, uint64_t ret_numbers[NUMBERS])
{
    for (unsigned number = 0; number < NUMBERS; number++)
        ret_numbers[number] = numbers_get(numbers, (enum number)number);
}

void ledger_snapshot(const struct ledger *ledger, unsigned lane, struct lane_snapshot *ret)
{
    CHECK(lane < ledger_lane_count(ledger));
    const struct books *books = &ledger->live.books->lanes[lane];

    memcpy(ret->input, books->input, LEDGER_NAME);
    memcpy(ret->output, books->output, LEDGER_NAME);
    for (unsigned flow = 0; flow < FLOWS; flow++) {
        const struct cell *closing = &books->closing[flow];
        ret->flows[flow] = ledger_flow(books, (enum flow)flow);
        ret->closing[flow].events = atomic_load_explicit(&closing->events, memory_order_relaxed);
        ret->closing[flow].bytes = atomic_load_explicit(&closing->bytes, memory_order_relaxed);
    }
    copy_measured(books, ret);
    copy_numbers(&books->numbers, ret->numbers);
}

void ledger_output_snapshot(const struct ledger *ledger, unsigned output, char name[LEDGER_NAME],
                            uint64_t ret_numbers[NUMBERS])
{
    CHECK(output < ledger_output_count(ledger));
    const struct books_output *row = &ledger->live.books->outputs[output];

    memcpy(name, row->name, LEDGER_NAME);
    copy_numbers(&row->numbers, ret_numbers);
}

const struct numbers *ledger_output_row(const struct ledger *ledger, unsigned output)
{
    CHECK(output < ledger_output_count(ledger));
    return &ledger->live.books->outputs[output].numbers;
}

void ledger_agent_snapshot(const struct ledger *ledger, uint64_t ret_numbers[NUMBERS])
{
    copy_numbers(&ledger->live.books->agent, ret_numbers);
}
