/* SPDX-License-Identifier: Apache-2.0 */
/* receive_show: the summary as JSON for programs and as a line for people. */
#include "cli/receive_summary.h"

#include <cjson/cJSON.h>
#include <stdio.h>

static const char *const misdeed_names[FAULT_KINDS] = {
    [FAULT_RESET] = "reset",     [FAULT_HALF] = "half",       [FAULT_HANG] = "hang",
    [FAULT_ENDLESS] = "endless", [FAULT_GARBAGE] = "garbage",
};

static void add_number(cJSON *object, const char *name, uint64_t number)
{
    (void)cJSON_AddNumberToObject(object, name, (double)number);
}

static void add_check(cJSON *parent, const char *name, const struct check *check, uint64_t first)
{
    cJSON *object = cJSON_AddObjectToObject(parent, name);
    uint64_t unique = 0, missing = 0, duplicate = 0, out_of_order = 0, beyond = 0;

    for (uint32_t i = 0; i < check->count; i++) {
        const struct check_run *run = &check->runs[i];
        unique += run->unique;
        missing += check_missing(run, first);
        duplicate += run->duplicate;
        out_of_order += run->out_of_order;
        beyond += run->beyond;
    }
    add_number(object, "unique", unique);
    add_number(object, "missing", missing);
    add_number(object, "duplicate", duplicate);
    add_number(object, "out_of_order", out_of_order);
    add_number(object, "unchecked", beyond + check->runs_ignored);
    cJSON *runs = cJSON_AddObjectToObject(object, "runs");
    for (uint32_t i = 0; i < check->count; i++) {
        const struct check_run *run = &check->runs[i];
        cJSON *shown = cJSON_AddObjectToObject(runs, run->name);
        add_number(shown, "unique", run->unique);
        add_number(shown, "missing", check_missing(run, first));
        add_number(shown, "duplicate", run->duplicate);
        add_number(shown, "out_of_order", run->out_of_order);
        add_number(shown, "lowest", run->lowest);
        add_number(shown, "highest", run->highest);
        if (check_missing(run, first) > 0)
            add_number(shown, "first_missing", check_first_hole(run, first));
    }
}

static void add_answers(cJSON *parent, const struct summary *summary)
{
    cJSON *answers = cJSON_AddObjectToObject(parent, "answers");
    cJSON *misdeeds = cJSON_AddObjectToObject(parent, "faults");
    char status[16];

    for (unsigned i = 0; i < SUMMARY_STATUSES; i++) {
        if (summary->answers[i] == 0)
            continue;
        (void)snprintf(status, sizeof(status), "%u", i);
        add_number(answers, status, summary->answers[i]);
    }
    for (unsigned i = 0; i < FAULT_KINDS; i++) {
        if (misdeed_names[i] != NULL && summary->misdeeds[i] > 0)
            add_number(misdeeds, misdeed_names[i], summary->misdeeds[i]);
    }
}

static void add_latency(cJSON *parent, const struct latency *latency)
{
    cJSON *object = cJSON_AddObjectToObject(parent, "latency_ms");

    add_number(object, "count", latency->count);
    (void)cJSON_AddNumberToObject(object, "p50", latency_quantile_ms(latency, 0.5));
    (void)cJSON_AddNumberToObject(object, "p99", latency_quantile_ms(latency, 0.99));
    (void)cJSON_AddNumberToObject(object, "max", (double)latency->max_us / 1000);
}

char *summary_json(struct summary *summary)
{
    cJSON *root = cJSON_CreateObject();

    lock_take(&summary->lock);
    add_number(root, "requests", summary->requests);
    add_number(root, "requests_acknowledged", summary->requests_acknowledged);
    add_number(root, "requests_broken", summary->requests_broken);
    add_number(root, "bytes_wire", summary->bytes_wire);
    add_number(root, "bytes_expanded", summary->bytes_expanded);
    add_number(root, "events_received", summary->events_received);
    add_number(root, "events_acknowledged", summary->events_acknowledged);
    add_number(root, "events_told", summary->events_told);
    add_number(root, "header_mismatches", summary->header_mismatches);
    add_number(root, "undecodable", summary->undecodable);
    add_number(root, "too_large", summary->too_large);
    add_number(root, "keys_resent", summary->resent);
    add_number(root, "keys_repeated", summary->repeated);
    add_number(root, "several_in_event", summary->several);
    add_check(root, "lines", &summary->lines, summary->first_number);
    add_check(root, "batches", &summary->batches, 1);
    add_latency(root, &summary->latency);
    add_answers(root, summary);
    lock_drop(&summary->lock);
    char *text =
        cJSON_PrintUnformatted(root); /* NULL also if an add above ran out of memory at the root */
    cJSON_Delete(root);
    return text;
}

static void show_size(struct buf *ret, uint64_t bytes)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    double shown = (double)bytes;
    unsigned unit = 0;

    while (shown >= 1024 && unit < 4) {
        shown /= 1024;
        unit++;
    }
    (void)buf_printf(ret, unit == 0 ? "%.0f %s" : "%.1f %s", shown, units[unit]);
}

static void show_answers(struct buf *ret, const struct summary *summary)
{
    for (unsigned i = 0; i < SUMMARY_STATUSES; i++) {
        if (summary->answers[i] > 0)
            (void)buf_printf(ret, " %u:%ju", i, (uintmax_t)summary->answers[i]);
    }
    for (unsigned i = 0; i < FAULT_KINDS; i++) {
        if (misdeed_names[i] != NULL && summary->misdeeds[i] > 0)
            (void)buf_printf(ret, " %s:%ju", misdeed_names[i], (uintmax_t)summary->misdeeds[i]);
    }
}

void summary_line(struct summary *summary, uint64_t last_events, double seconds, struct buf *ret)
{
    struct summary_verdict verdict = summary_verdict(summary);

    lock_take(&summary->lock);
    (void)buf_printf(ret, "%ju events", (uintmax_t)summary->events_received);
    if (seconds > 0)
        (void)buf_printf(ret, " (%.0f/s)", (double)(verdict.events - last_events) / seconds);
    (void)buf_printf(ret, ", %ju requests, ", (uintmax_t)summary->requests);
    show_size(ret, summary->bytes_wire);
    if (summary->bytes_expanded != summary->bytes_wire && summary->bytes_expanded > 0) {
        (void)buf_add_text(ret, " on the wire, ");
        show_size(ret, summary->bytes_expanded);
        (void)buf_add_text(ret, " expanded");
    }
    (void)buf_add_text(ret, ", answers");
    show_answers(ret, summary);
    if (summary->lines.count > 0)
        (void)buf_printf(ret, ", numbered lines: %ju missing, %ju twice",
                         (uintmax_t)verdict.missing, (uintmax_t)verdict.duplicate);
    if (verdict.mismatches > 0)
        (void)buf_printf(ret, ", %ju damaged or miscounted", (uintmax_t)verdict.mismatches);
    if (summary->latency.count > 0)
        (void)buf_printf(ret, ", write to arrival p50 %.1f ms p99 %.1f ms",
                         latency_quantile_ms(&summary->latency, 0.5),
                         latency_quantile_ms(&summary->latency, 0.99));
    lock_drop(&summary->lock);
}
