/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/pages.h"

#include "base/json_add.h"
#include "ledger/books_layout.h"
#include "ledger/report.h"

#include <math.h>
#include <stdio.h>

static void start_page(struct buf *ret)
{
    json_open(ret, NULL, '{');
    json_add_count(ret, "format", PAGES_FORMAT);
}

static bool end_page(struct buf *ret)
{
    json_close(ret, '}');
    return buf_add_text(ret, "\n");
}

static void add_amount(struct buf *ret, const char *key, struct amount amount)
{
    json_open(ret, key, '{');
    json_add_count(ret, "events", amount.events);
    json_add_count(ret, "bytes", amount.bytes);
    json_close(ret, '}');
}

/* ---- alive and ready ---- */

bool pages_health(bool is_alive, struct buf *ret)
{
    start_page(ret);
    json_add_flag(ret, "alive", is_alive);
    if (!is_alive)
        json_add_text(ret, "why", "a thread is stuck: the watchdog is not fed, see the log");
    return end_page(ret);
}

struct checks {
    struct buf *page;
    bool all_ok;
};

/* why: of a check that fails. */
static void add_check(struct checks *checks, const char *name, const char *subject, bool is_ok,
                      const char *why)
{
    json_open(checks->page, NULL, '{');
    json_add_text(checks->page, "check", name);
    if (subject != NULL)
        json_add_text(checks->page, "subject", subject);
    json_add_flag(checks->page, "ok", is_ok);
    if (!is_ok)
        json_add_text(checks->page, "why", why);
    json_close(checks->page, '}');
    checks->all_ok = checks->all_ok && is_ok;
}

static void check_outputs(struct checks *checks, const struct ledger *ledger)
{
    static const char *const causes[] = { "",
                                          "events come faster than they can be read",
                                          "the batch workers have not enough CPU",
                                          "its fullest lane is full",
                                          "the endpoint takes less than what comes",
                                          "the disk of its spool takes less than what comes" };
    enum { CAUSES = sizeof(causes) / sizeof(causes[0]) };
    char name[LEDGER_NAME];
    uint64_t numbers[NUMBERS];

    for (unsigned i = 0; i < ledger_output_count(ledger); i++) {
        ledger_output_snapshot(ledger, i, name, numbers);
        uint64_t cause = numbers[NUMBER_saturation_cause];
        add_check(checks, "not saturated", name, cause == 0,
                  causes[cause < CAUSES ? cause : CAUSES - 1]);
        add_check(checks, "spool works", name, numbers[NUMBER_spool_state] == 0,
                  "calls to its disk fail: batches are held in memory");
    }
}

bool pages_ready(const struct ledger *ledger, enum admin_phase phase, bool is_alive,
                 struct buf *ret, bool *ret_ready)
{
    static const char *const phases[] = { [ADMIN_STARTING] = "the agent is still starting",
                                          [ADMIN_IDLE] = "there is no output: nothing is read",
                                          [ADMIN_RUNNING] = "",
                                          [ADMIN_STOPPING] = "the agent is stopping" };
    struct checks checks = { ret, true };

    start_page(ret);
    json_open(ret, "checks", '[');
    add_check(&checks, "inputs open", NULL, phase == ADMIN_RUNNING, phases[phase]);
    add_check(&checks, "alive", NULL, is_alive, "a thread is stuck");
    add_check(&checks, "books on file", NULL, ledger_live_path(ledger)[0] != '\0',
              ledger_place(ledger));
    check_outputs(&checks, ledger);
    json_close(ret, ']');
    json_add_flag(ret, "ready", checks.all_ok);
    *ret_ready = checks.all_ok;
    return end_page(ret);
}

/* ---- numbers ---- */

static void add_numbers(struct buf *ret, enum number_scope scope, const uint64_t numbers[NUMBERS])
{
    json_open(ret, "numbers", '{');
    for (unsigned i = 0; i < NUMBERS; i++) {
        const struct number_info *info = &number_infos[i];
        if (info->scope != scope)
            continue;
        if (info->kind == KIND_thousandths)
            json_add_real(ret, info->name, (double)numbers[i] / 1000);
        else
            json_add_count(ret, info->name, numbers[i]);
    }
    json_close(ret, '}');
}

/* ---- histograms ---- */

static void add_bounds(struct buf *ret)
{
    json_open(ret, "histogram_bounds_seconds", '[');
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        json_add_real(ret, NULL,
                      i + 1 < HISTOGRAM_BUCKETS ? (double)histogram_bounds_ms[i] / 1000 : NAN);
    json_close(ret, ']');
}

/* counts: for each bound those above the one before, not summed up. */
static void add_histogram(struct buf *ret, enum histogram histogram,
                          const struct histogram_copy *copy)
{
    json_open(ret, histogram_infos[histogram].name, '{');
    json_add_count(ret, "count", copy->count);
    json_add_real(ret, "sum_seconds", (double)copy->sum_ms / 1000);
    json_open(ret, "counts", '[');
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        json_add_count(ret, NULL, copy->counts[i]);
    json_close(ret, ']');
    json_close(ret, '}');
}

static void add_histograms(struct buf *ret, enum number_scope scope, const struct numbers *numbers)
{
    struct histogram_copy copy;

    json_open(ret, "histograms", '{');
    for (unsigned i = 0; i < HISTOGRAMS; i++) {
        if (histogram_infos[i].scope != scope)
            continue;
        numbers_histogram(numbers, (enum histogram)i, &copy);
        add_histogram(ret, (enum histogram)i, &copy);
    }
    json_close(ret, '}');
}

static void add_outputs(struct buf *ret, const struct ledger *ledger)
{
    char name[LEDGER_NAME];
    uint64_t numbers[NUMBERS];

    json_open(ret, "outputs", '[');
    for (unsigned i = 0; i < ledger_output_count(ledger); i++) {
        ledger_output_snapshot(ledger, i, name, numbers);
        json_open(ret, NULL, '{');
        json_add_text(ret, "output", name);
        add_numbers(ret, SCOPE_output, numbers);
        add_histograms(ret, SCOPE_output, ledger_output_row(ledger, i));
        json_close(ret, '}');
    }
    json_close(ret, ']');
}

static void add_agent(struct buf *ret, const struct ledger *ledger)
{
    uint64_t numbers[NUMBERS];

    ledger_agent_snapshot(ledger, numbers);
    json_open(ret, "agent", '{');
    json_add_text(ret, "version", SPILLWAY_VERSION);
    json_add_text(ret, "agent_id", ledger_agent_id(ledger));
    json_add_text(ret, "start_id", ledger_start_id(ledger));
    json_add_integer(ret, "started_unix_ns", ledger_started_real_ns(ledger));
    json_add_text(ret, "books", ledger_place(ledger));
    add_numbers(ret, SCOPE_agent, numbers);
    json_close(ret, '}');
}

/* ---- /stats ---- */

static void add_lane(struct buf *ret, const struct ledger *ledger, unsigned index)
{
    struct lane_snapshot copy;
    const struct lane_snapshot *lane = &copy;

    ledger_snapshot(ledger, index, &copy);
    json_open(ret, NULL, '{');
    json_add_text(ret, "input", lane->input);
    json_add_text(ret, "output", lane->output);
    add_amount(ret, "received", report_received(lane));
    add_amount(ret, "delivered", report_into(lane, ACCOUNT_delivered));
    add_amount(ret, "filtered", report_into(lane, ACCOUNT_filtered));
    add_amount(ret, "dropped", report_into(lane, ACCOUNT_dropped));
    add_amount(ret, "lost", report_lost(lane));
    add_amount(ret, "replayed", report_replayed(lane));
    json_add_integer(ret, "balance", lane->difference_events);
    json_open(ret, "flows", '{');
    for (unsigned flow = 0; flow < FLOWS; flow++)
        add_amount(ret, flow_infos[flow].name, lane->flows[flow]);
    json_close(ret, '}');
    json_open(ret, "stock", '{');
    for (unsigned account = 0; account < ACCOUNTS; account++) {
        if (account_infos[account].held)
            add_amount(ret, account_infos[account].name, lane->measured[account]);
    }
    json_close(ret, '}');
    add_numbers(ret, SCOPE_input, lane->numbers);
    add_histograms(ret, SCOPE_input, &ledger_books(ledger, index)->numbers);
    json_close(ret, '}');
}

bool pages_stats(const struct ledger *ledger, struct buf *ret)
{
    unsigned count = ledger_lane_count(ledger);

    start_page(ret);
    add_agent(ret, ledger);
    add_bounds(ret);
    json_open(ret, "lanes", '[');
    for (unsigned i = 0; i < count; i++)
        add_lane(ret, ledger, i);
    json_close(ret, ']');
    add_outputs(ret, ledger);
    return end_page(ret);
}

/* ---- /ledger ---- */

static struct amount read_cell(const struct cell *cell)
{
    return (struct amount){ atomic_load_explicit(&cell->events, memory_order_relaxed),
                            atomic_load_explicit(&cell->bytes, memory_order_relaxed) };
}

/* Of a flow with one cell that is the flow itself. */
static void add_cells(struct buf *ret, const struct books *books, unsigned flow)
{
    struct counter_span span = books_flow_cells[flow];

    json_open(ret, "cells", '[');
    for (uint32_t i = 0; i < span.count; i++)
        add_amount(ret, NULL, read_cell(&books->cells[span.first + i]));
    json_close(ret, ']');
}

static void add_flow(struct buf *ret, const struct books *books, const struct lane_snapshot *lane,
                     unsigned flow)
{
    const struct flow_info *info = &flow_infos[flow];

    json_open(ret, info->name, '{');
    json_add_text(ret, "from", account_infos[info->from].name);
    json_add_text(ret, "to", account_infos[info->to].name);
    json_add_count(ret, "events", lane->flows[flow].events);
    json_add_count(ret, "bytes", lane->flows[flow].bytes);
    if (books_flow_cells[flow].count > 1)
        add_cells(ret, books, flow);
    if (lane->closing[flow].events != 0 || lane->closing[flow].bytes != 0)
        add_amount(ret, "closing", lane->closing[flow]);
    json_close(ret, '}');
}

/* By the books now, and what the owner found it to hold at its last audits, cell by cell. */
static void add_account(struct buf *ret, const struct books *books, unsigned account)
{
    struct counter_span span = books_account_measured[account];

    json_open(ret, account_infos[account].name, '{');
    add_amount(ret, "booked", ledger_stock(books, (enum account)account));
    json_open(ret, "audits", '[');
    for (uint32_t i = 0; i < span.count; i++) {
        const struct measured *measured = &books->measured[span.first + i];
        struct amount held = read_cell(&measured->held);
        json_open(ret, NULL, '{');
        json_add_count(ret, "events", held.events);
        json_add_count(ret, "bytes", held.bytes);
        json_add_integer(ret, "differing_events",
                         atomic_load_explicit(&measured->differing_events, memory_order_relaxed));
        json_add_integer(ret, "differing_bytes",
                         atomic_load_explicit(&measured->differing_bytes, memory_order_relaxed));
        json_close(ret, '}');
    }
    json_close(ret, ']');
    json_close(ret, '}');
}

static void add_books(struct buf *ret, const struct books *books, const struct lane_snapshot *lane)
{
    json_open(ret, NULL, '{');
    json_add_text(ret, "input", lane->input);
    json_add_text(ret, "output", lane->output);
    json_add_flag(ret, "rereadable", ledger_is_rereadable(books));
    json_add_integer(ret, "balance", lane->difference_events);
    json_add_count(ret, "differences", lane->differences);
    json_open(ret, "flows", '{');
    for (unsigned flow = 0; flow < FLOWS; flow++)
        add_flow(ret, books, lane, flow);
    json_close(ret, '}');
    json_open(ret, "accounts", '{');
    for (unsigned account = 0; account < ACCOUNTS; account++) {
        if (account_infos[account].held)
            add_account(ret, books, account);
    }
    json_close(ret, '}');
    json_close(ret, '}');
}

bool pages_ledger(const struct ledger *ledger, struct buf *ret)
{
    struct lane_snapshot lane;
    unsigned count = ledger_lane_count(ledger);

    start_page(ret);
    add_agent(ret, ledger);
    json_open(ret, "lanes", '[');
    for (unsigned i = 0; i < count; i++) {
        ledger_snapshot(ledger, i, &lane);
        add_books(ret, ledger_books(ledger, i), &lane);
    }
    json_close(ret, ']');
    return end_page(ret);
}
