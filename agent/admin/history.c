/* SPDX-License-Identifier: Apache-2.0 */
/* history: a row for each pair of a lane and a reason that ever had a drop in this start, with a
 * ring of minutes. Rows are never taken away: the sums in the books go on from where they were. */
#include "admin/history.h"

#include "base/json_add.h"
#include "ledger/books_layout.h"

#include <stdlib.h>

enum { MINUTE_MS = 60 * 1000 };

struct row {
    unsigned lane;
    enum flow flow;
    struct amount total;                    /* by the books, at the last look */
    int64_t since_ms;                       /* when this run of drops began */
    int64_t last_ms;                        /* the last look that saw one */
    int64_t minute;                         /* of boot time, that was written last */
    struct amount minutes[HISTORY_MINUTES]; /* by minute % HISTORY_MINUTES */
};

/* What is watched, and what it is called when it is not 0. */
static const struct watched {
    enum number number;
    const char *trouble;
} of_outputs[] = { { NUMBER_breaker_state, "breaker" },
                   { NUMBER_saturation_cause, "held up" },
                   { NUMBER_spool_state, "spool disk" } };
enum { WATCHED = sizeof(of_outputs) / sizeof(of_outputs[0]) };

struct trouble {
    uint64_t value; /* 0: none */
    int64_t since_ms;
};

struct history {
    unsigned row_count;
    unsigned left_out;
    struct row *rows[HISTORY_ROWS];
    struct trouble shedding[LEDGER_SLOTS];
    struct trouble outputs[LEDGER_OUTPUTS][WATCHED];
};

struct history *history_new(void)
{
    return calloc(1, sizeof(struct history));
}

void history_free(struct history **historyp)
{
    struct history *history = *historyp;

    *historyp = NULL;
    if (history == NULL)
        return;
    for (unsigned i = 0; i < history->row_count; i++)
        free(history->rows[i]);
    free(history);
}

/* ---- looking ---- */

static struct row *find_row(struct history *history, unsigned lane, enum flow flow, int64_t boot_ms)
{
    for (unsigned i = 0; i < history->row_count; i++) {
        if (history->rows[i]->lane == lane && history->rows[i]->flow == flow)
            return history->rows[i];
    }
    if (history->row_count == HISTORY_ROWS)
        return NULL;
    struct row *row = calloc(1, sizeof(*row));
    if (row == NULL)
        return NULL;
    row->lane = lane;
    row->flow = flow;
    row->minute = boot_ms / MINUTE_MS;
    row->last_ms = INT64_MIN / 2;
    history->rows[history->row_count++] = row;
    return row;
}

/* Minutes that nobody wrote are empty. */
static void turn_minutes(struct row *row, int64_t minute)
{
    if (minute - row->minute > HISTORY_MINUTES)
        row->minute = minute - HISTORY_MINUTES;
    while (row->minute < minute)
        row->minutes[++row->minute % HISTORY_MINUTES] = (struct amount){ 0, 0 };
}

static void note_drops(struct row *row, struct amount total, int64_t boot_ms)
{
    turn_minutes(row, boot_ms / MINUTE_MS);
    if (total.events == row->total.events && total.bytes == row->total.bytes)
        return;
    if (boot_ms - row->last_ms >= HISTORY_CALM_MS)
        row->since_ms = boot_ms;
    row->last_ms = boot_ms;
    struct amount *minute = &row->minutes[row->minute % HISTORY_MINUTES];
    minute->events += total.events - row->total.events;
    minute->bytes += total.bytes - row->total.bytes;
    row->total = total;
}

static void look_at_drops(struct history *history, const struct books *books, unsigned lane,
                          int64_t boot_ms)
{
    for (unsigned flow = 0; flow < FLOWS; flow++) {
        if (flow_infos[flow].to != ACCOUNT_dropped)
            continue;
        struct amount total = ledger_flow(books, (enum flow)flow);
        if (total.events == 0 && total.bytes == 0)
            continue;
        struct row *row = find_row(history, lane, (enum flow)flow, boot_ms);
        if (row == NULL)
            history->left_out++;
        else
            note_drops(row, total, boot_ms);
    }
}

/* A breaker that probes is still in the same trouble, and so is an output with another cause. */
static void note_trouble(struct trouble *trouble, uint64_t value, int64_t boot_ms)
{
    if (value != 0 && trouble->value == 0)
        trouble->since_ms = boot_ms;
    trouble->value = value;
}

void history_look(struct history *history, const struct ledger *ledger, int64_t boot_ms)
{
    history->left_out = 0;
    for (unsigned i = 0; i < ledger_lane_count(ledger); i++) {
        const struct books *books = ledger_books(ledger, i);
        look_at_drops(history, books, i, boot_ms);
        note_trouble(&history->shedding[i], numbers_get(&books->numbers, NUMBER_lane_shedding),
                     boot_ms);
    }
    for (unsigned i = 0; i < ledger_output_count(ledger); i++) {
        const struct numbers *numbers = ledger_output_row(ledger, i);
        for (unsigned at = 0; at < WATCHED; at++)
            note_trouble(&history->outputs[i][at], numbers_get(numbers, of_outputs[at].number),
                         boot_ms);
    }
}

/* ---- writing ---- */

static void add_seconds(struct buf *ret, const char *key, int64_t since_ms, int64_t boot_ms)
{
    json_add_count(ret, key, since_ms < boot_ms ? (uint64_t)(boot_ms - since_ms) / 1000 : 0);
}

/* The oldest minute first; the last one is not over. */
static struct amount add_minutes(struct buf *ret, const struct row *row, int64_t minute)
{
    struct amount sum = { 0, 0 };

    json_open(ret, "events_by_minute", '[');
    for (int64_t at = minute - HISTORY_MINUTES + 1; at <= minute; at++) {
        bool is_known = at >= 0 && at <= row->minute && row->minute - at < HISTORY_MINUTES;
        struct amount amount =
            is_known ? row->minutes[at % HISTORY_MINUTES] : (struct amount){ 0, 0 };
        json_add_count(ret, NULL, amount.events);
        sum.events += amount.events;
        sum.bytes += amount.bytes;
    }
    json_close(ret, ']');
    return sum;
}

static void add_row(struct buf *ret, const struct ledger *ledger, const struct row *row,
                    int64_t boot_ms)
{
    struct lane_snapshot lane;

    ledger_snapshot(ledger, row->lane, &lane);
    json_open(ret, NULL, '{');
    json_add_text(ret, "input", lane.input);
    json_add_text(ret, "output", lane.output);
    json_add_text(ret, "reason", flow_infos[row->flow].name);
    json_add_text(ret, "meaning", flow_infos[row->flow].doc);
    add_seconds(ret, "since_seconds", row->since_ms, boot_ms);
    add_seconds(ret, "last_seconds", row->last_ms, boot_ms);
    struct amount sum = add_minutes(ret, row, boot_ms / MINUTE_MS);
    json_add_count(ret, "events", sum.events);
    json_add_count(ret, "bytes", sum.bytes);
    json_close(ret, '}');
}

static bool is_of_this_hour(const struct row *row, int64_t boot_ms)
{
    return boot_ms / MINUTE_MS - row->last_ms / MINUTE_MS < HISTORY_MINUTES;
}

static void add_trouble(struct buf *ret, const char *what, const char *input, const char *output,
                        const struct trouble *trouble, int64_t boot_ms)
{
    if (trouble->value == 0)
        return;
    json_open(ret, NULL, '{');
    json_add_text(ret, "trouble", what);
    if (input != NULL)
        json_add_text(ret, "input", input);
    json_add_text(ret, "output", output);
    json_add_count(ret, "value", trouble->value);
    add_seconds(ret, "since_seconds", trouble->since_ms, boot_ms);
    json_close(ret, '}');
}

static void add_troubles(struct buf *ret, const struct history *history,
                         const struct ledger *ledger, int64_t boot_ms)
{
    struct lane_snapshot lane;
    char name[LEDGER_NAME];
    uint64_t numbers[NUMBERS];

    for (unsigned i = 0; i < ledger_output_count(ledger); i++) {
        ledger_output_snapshot(ledger, i, name, numbers);
        for (unsigned at = 0; at < WATCHED; at++)
            add_trouble(ret, of_outputs[at].trouble, NULL, name, &history->outputs[i][at], boot_ms);
    }
    for (unsigned i = 0; i < ledger_lane_count(ledger); i++) {
        ledger_snapshot(ledger, i, &lane);
        add_trouble(ret, "shedding", lane.input, lane.output, &history->shedding[i], boot_ms);
    }
}

void history_write(const struct history *history, const struct ledger *ledger, int64_t boot_ms,
                   struct buf *ret)
{
    json_open(ret, "drops", '[');
    for (unsigned i = 0; i < history->row_count; i++) {
        if (is_of_this_hour(history->rows[i], boot_ms))
            add_row(ret, ledger, history->rows[i], boot_ms);
    }
    json_close(ret, ']');
    json_add_count(ret, "drops_left_out", history->left_out);
    json_open(ret, "troubles", '[');
    add_troubles(ret, history, ledger, boot_ms);
    json_close(ret, ']');
}
