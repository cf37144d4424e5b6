/* SPDX-License-Identifier: Apache-2.0 */
/* metrics: one pass for each family, because the format wants all samples of a family together.
 * Every reason is written from the start, also at 0: a counter that appears with its first drop
 * hides that drop from rate(). Runs in the admin thread; takes no locks. */
#include "ledger/metrics.h"

#include "base/process.h"
#include "ledger/books_layout.h"
#include "ledger/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Each byte of a name may need two when escaped. */
enum { LABEL_BYTES = 2 * LEDGER_NAME };
struct labels {
    char input[LABEL_BYTES], output[LABEL_BYTES];
};

struct page {
    struct buf *out; /* stays failed once it is */
    const struct ledger *ledger;
    enum metrics_format format;
    unsigned lane_count;
    struct lane_snapshot *lanes;
    struct labels *labels;
};

static void escape_label(char ret_label[LABEL_BYTES], const char *text)
{
    char *to = ret_label;

    for (size_t i = 0; i < LEDGER_NAME - 1 && text[i] != '\0'; i++) {
        if (text[i] == '\\' || text[i] == '"' || text[i] == '\n')
            *to++ = '\\';
        *to++ = text[i];
        if (text[i] == '\n')
            to[-1] = 'n';
    }
    *to = '\0';
}

/* Those of the units that OpenMetrics knows by name; NULL: a count of something. */
static const char *unit_of(const char *family, size_t bytes)
{
    static const char *const units[] = { "bytes", "seconds" };

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        size_t length = strlen(units[i]);
        if (bytes > length && family[bytes - length - 1] == '_' &&
            memcmp(family + bytes - length, units[i], length) == 0)
            return units[i];
    }
    return NULL;
}

/* OpenMetrics: a family has no _total, its samples do. */
static void start_typed_family(struct page *page, const char *name, const char *suffix,
                               const char *type, const char *help)
{
    bool is_open = page->format == METRICS_OPENMETRICS;
    size_t bytes = strlen(name) - (is_open ? strlen(suffix) : 0);
    const char *unit = is_open ? unit_of(name, bytes) : NULL;

    (void)buf_printf(page->out, "# HELP %.*s %s\n# TYPE %.*s %s\n", (int)bytes, name, help,
                     (int)bytes, name, type);
    if (unit != NULL)
        (void)buf_printf(page->out, "# UNIT %.*s %s\n", (int)bytes, name, unit);
}

static void start_family(struct page *page, const char *name, enum number_kind kind,
                         const char *help)
{
    bool is_counter = kind == KIND_counter;

    start_typed_family(page, name, is_counter ? "_total" : "", is_counter ? "counter" : "gauge",
                       help);
}

/* ---- sums of flows: events, then bytes ---- */

typedef struct amount sum_fn(const struct lane_snapshot *lane);

static struct amount sum_delivered(const struct lane_snapshot *lane)
{
    return report_into(lane, ACCOUNT_delivered);
}

static struct amount sum_filtered(const struct lane_snapshot *lane)
{
    return report_into(lane, ACCOUNT_filtered);
}

static uint64_t pick(struct amount amount, bool bytes)
{
    return bytes ? amount.bytes : amount.events;
}

static void put_lane_sample(struct page *page, const char *name, unsigned lane, const char *label,
                            const char *label_value, uint64_t value)
{
    const struct labels *labels = &page->labels[lane];

    (void)buf_printf(page->out, "%s{input=\"%s\",output=\"%s\"", name, labels->input,
                     labels->output);
    if (label != NULL)
        (void)buf_printf(page->out, ",%s=\"%s\"", label, label_value);
    (void)buf_printf(page->out, "} %" PRIu64 "\n", value);
}

static void start_unit_family(struct page *page, char ret_name[64], const char *verb, bool bytes,
                              const char *help)
{
    char text[160];

    (void)snprintf(ret_name, 64, "spillway_%s_%s_total", verb, bytes ? "bytes" : "events");
    (void)snprintf(text, sizeof(text), "%s %s", bytes ? "Bytes of events" : "Events", help);
    start_family(page, ret_name, KIND_counter, text);
}

static void put_sums(struct page *page, const char *verb, const char *help, sum_fn *sum)
{
    char name[64];

    for (int bytes = 0; bytes < 2; bytes++) {
        start_unit_family(page, name, verb, bytes, help);
        for (unsigned i = 0; i < page->lane_count; i++)
            put_lane_sample(page, name, i, NULL, NULL, pick(sum(&page->lanes[i]), bytes));
    }
}

static void put_drops(struct page *page)
{
    char name[64];

    for (int bytes = 0; bytes < 2; bytes++) {
        start_unit_family(page, name, "dropped", bytes, "dropped, by reason");
        for (unsigned i = 0; i < page->lane_count; i++) {
            for (unsigned flow = 0; flow < FLOWS; flow++) {
                if (flow_infos[flow].to == ACCOUNT_dropped)
                    put_lane_sample(page, name, i, "reason", flow_infos[flow].name,
                                    pick(page->lanes[i].flows[flow], bytes));
            }
        }
    }
}

/* The rest of the ledger: what moves inside the agent. What a flow tells that has a family of its
 * own is not told twice. */
static void put_flows(struct page *page)
{
    char name[64];

    for (int bytes = 0; bytes < 2; bytes++) {
        start_unit_family(page, name, "flow", bytes,
                          "moved between accounts, by flow; drops are in spillway_dropped");
        for (unsigned i = 0; i < page->lane_count; i++) {
            for (unsigned flow = 0; flow < FLOWS; flow++) {
                if (flow_infos[flow].to != ACCOUNT_dropped && flow_infos[flow].to != ACCOUNT_lost)
                    put_lane_sample(page, name, i, "flow", flow_infos[flow].name,
                                    pick(page->lanes[i].flows[flow], bytes));
            }
        }
    }
}

static void put_stocks(struct page *page)
{
    static const char *const names[] = { "spillway_stock_events", "spillway_stock_bytes" };
    static const char *const helps[] = {
        "Events held, by account, as measured by the last audits",
        "Bytes of events held, by account, as measured by the last "
        "audits"
    };

    for (int bytes = 0; bytes < 2; bytes++) {
        start_family(page, names[bytes], KIND_gauge, helps[bytes]);
        for (unsigned i = 0; i < page->lane_count; i++) {
            for (unsigned account = 0; account < ACCOUNTS; account++) {
                if (account_infos[account].held)
                    put_lane_sample(page, names[bytes], i, "account", account_infos[account].name,
                                    pick(page->lanes[i].measured[account], bytes));
            }
        }
    }
}

static void put_balances(struct page *page)
{
    static const char name[] = "spillway_balance_events";

    start_family(page, name, KIND_gauge, "Events held less events in the books: 0, or a bug");
    for (unsigned i = 0; i < page->lane_count; i++)
        (void)buf_printf(page->out, "%s{input=\"%s\",output=\"%s\"} %" PRId64 "\n", name,
                         page->labels[i].input, page->labels[i].output,
                         page->lanes[i].difference_events);
}

/* ---- numbers ---- */

static void put_output_number(struct page *page, enum number number)
{
    const struct number_info *info = &number_infos[number];

    for (unsigned i = 0; i < ledger_output_count(page->ledger); i++) {
        char name[LEDGER_NAME], label[LABEL_BYTES];
        uint64_t numbers[NUMBERS];
        ledger_output_snapshot(page->ledger, i, name, numbers);
        escape_label(label, name);
        (void)buf_printf(page->out, "%s{output=\"%s\"} ", info->metric, label);
        if (info->kind == KIND_thousandths)
            (void)buf_printf(page->out, "%.3f\n", (double)numbers[number] / 1000);
        else
            (void)buf_printf(page->out, "%" PRIu64 "\n", numbers[number]);
    }
}

static void put_agent_number(struct page *page, enum number number)
{
    uint64_t numbers[NUMBERS];

    ledger_agent_snapshot(page->ledger, numbers);
    (void)buf_printf(page->out, "%s %" PRIu64 "\n", number_infos[number].metric, numbers[number]);
}

static void put_numbers(struct page *page)
{
    for (unsigned number = 0; number < NUMBERS; number++) {
        const struct number_info *info = &number_infos[number];
        start_family(page, info->metric, info->kind, info->doc);
        switch (info->scope) {
        case SCOPE_input:
            for (unsigned i = 0; i < page->lane_count; i++)
                put_lane_sample(page, info->metric, i, NULL, NULL, page->lanes[i].numbers[number]);
            break;
        case SCOPE_output:
            put_output_number(page, (enum number)number);
            break;
        case SCOPE_agent:
            put_agent_number(page, (enum number)number);
            break;
        }
    }
}

/* ---- histograms ---- */

/* labels: without braces. Bounds are written as OpenMetrics wants them, as floats. */
static void put_histogram(struct page *page, const char *name, const char *labels,
                          const struct histogram_copy *histogram)
{
    uint64_t count = 0;

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
        uint64_t bound_ms = histogram_bounds_ms[i];
        count += histogram->counts[i];
        (void)buf_printf(page->out, "%s_bucket{%s,le=\"%.*f\"} %" PRIu64 "\n", name, labels,
                         bound_ms % 100 == 0  ? 1
                         : bound_ms % 10 == 0 ? 2
                                              : 3,
                         (double)bound_ms / 1000, count);
    }
    (void)buf_printf(page->out, "%s_bucket{%s,le=\"+Inf\"} %" PRIu64 "\n", name, labels,
                     histogram->count);
    (void)buf_printf(page->out, "%s_count{%s} %" PRIu64 "\n", name, labels, histogram->count);
    (void)buf_printf(page->out, "%s_sum{%s} %.3f\n", name, labels,
                     (double)histogram->sum_ms / 1000);
}

static void put_lane_histograms(struct page *page, enum histogram histogram)
{
    char labels[2 * LABEL_BYTES + 32];
    struct histogram_copy copy;

    for (unsigned i = 0; i < page->lane_count; i++) {
        numbers_histogram(&ledger_books(page->ledger, i)->numbers, histogram, &copy);
        (void)snprintf(labels, sizeof(labels), "input=\"%s\",output=\"%s\"", page->labels[i].input,
                       page->labels[i].output);
        put_histogram(page, histogram_infos[histogram].metric, labels, &copy);
    }
}

static void put_output_histograms(struct page *page, enum histogram histogram)
{
    char name[LEDGER_NAME], label[LABEL_BYTES], labels[LABEL_BYTES + 16];
    uint64_t numbers[NUMBERS];
    struct histogram_copy copy;

    for (unsigned i = 0; i < ledger_output_count(page->ledger); i++) {
        ledger_output_snapshot(page->ledger, i, name, numbers);
        numbers_histogram(ledger_output_row(page->ledger, i), histogram, &copy);
        escape_label(label, name);
        (void)snprintf(labels, sizeof(labels), "output=\"%s\"", label);
        put_histogram(page, histogram_infos[histogram].metric, labels, &copy);
    }
}

static void put_histograms(struct page *page)
{
    for (unsigned i = 0; i < HISTOGRAMS; i++) {
        const struct histogram_info *info = &histogram_infos[i];
        start_typed_family(page, info->metric, "", "histogram", info->doc);
        if (info->scope == SCOPE_input)
            put_lane_histograms(page, (enum histogram)i);
        else
            put_output_histograms(page, (enum histogram)i);
    }
}

/* ---- the process ---- */

static void put_process(struct page *page)
{
    start_family(page, "process_resident_memory_bytes", KIND_gauge,
                 "Resident memory, with mapped code and files");
    (void)buf_printf(page->out, "process_resident_memory_bytes %" PRIu64 "\n",
                     process_resident_bytes());
    start_family(page, "process_cpu_seconds_total", KIND_counter, "User and system CPU time");
    (void)buf_printf(page->out, "process_cpu_seconds_total %.6f\n", process_cpu_seconds());
    start_family(page, "process_open_fds", KIND_gauge, "Open file descriptors");
    (void)buf_printf(page->out, "process_open_fds %" PRIu64 "\n", process_open_fds());
    start_family(page, "process_max_fds", KIND_gauge, "Most file descriptors that may be open");
    (void)buf_printf(page->out, "process_max_fds %" PRIu64 "\n", process_max_fds());
    start_family(page, "process_start_time_seconds", KIND_gauge,
                 "Start, in seconds since 1970 UTC");
    (void)buf_printf(page->out, "process_start_time_seconds %.3f\n",
                     (double)ledger_started_real_ns(page->ledger) / 1e9);
    start_family(page, "spillway_own_memory_bytes", KIND_gauge,
                 "Memory of the agent's own: RssAnon and RssShmem");
    (void)buf_printf(page->out, "spillway_own_memory_bytes %" PRIu64 "\n",
                     process_own_memory_bytes());
    bool is_open = page->format == METRICS_OPENMETRICS;
    start_typed_family(page, "spillway_build_info", is_open ? "_info" : "",
                       is_open ? "info" : "gauge", "Always 1; the version is in the label");
    (void)buf_printf(page->out, "spillway_build_info{version=\"%s\"} 1\n", SPILLWAY_VERSION);
}

static void put_page(struct page *page)
{
    put_sums(page, "received", "received", report_received);
    put_sums(page, "delivered", "acknowledged by the endpoint", sum_delivered);
    put_sums(page, "filtered", "dropped because the configuration says so", sum_filtered);
    put_sums(page, "lost", "lost in a crash of the start before, an upper bound", report_lost);
    put_sums(page, "replayed", "given back to sources that are read again", report_replayed);
    put_drops(page);
    put_flows(page);
    put_stocks(page);
    put_balances(page);
    put_numbers(page);
    put_histograms(page);
    put_process(page);
}

const char *metrics_content_type(enum metrics_format format)
{
    return format == METRICS_OPENMETRICS
               ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
               : "text/plain; version=0.0.4; charset=utf-8";
}

/* The weight of one entry of an Accept header, 0 … 1. */
static double weigh(const char *entry, size_t bytes)
{
    for (size_t i = 0; i + 3 < bytes; i++) {
        if (entry[i] == ';' && (entry[i + 1] == 'q' || entry[i + 1] == ' ')) {
            const char *at = entry + i + 1 + strspn(entry + i + 1, " ");
            if (at[0] == 'q' && at[1] == '=')
                return strtod(at + 2, NULL);
        }
    }
    return 1;
}

/* The heaviest wins, and the classic text where nothing tells: browsers and curl show that. */
enum metrics_format metrics_choose(const char *accept)
{
    static const char openmetrics[] = "application/openmetrics-text";
    double open = 0, classic = 0;

    while (accept != NULL && *accept != '\0') {
        accept += strspn(accept, ", ");
        size_t bytes = strcspn(accept, ",");
        double weight = weigh(accept, bytes);
        bool is_open = strncasecmp(accept, openmetrics, sizeof(openmetrics) - 1) == 0;
        bool is_other_version = is_open && memmem(accept, bytes, "version=", 8) != NULL &&
                                memmem(accept, bytes, "version=1.0.0", 13) == NULL;
        if (is_open && !is_other_version && weight > open)
            open = weight;
        else if (strncasecmp(accept, "text/plain", 10) == 0 && weight > classic)
            classic = weight;
        accept += bytes;
    }
    return open > classic ? METRICS_OPENMETRICS : METRICS_CLASSIC;
}

bool metrics_write(const struct ledger *ledger, enum metrics_format format, struct buf *ret)
{
    struct page page = {
        .out = ret, .ledger = ledger, .format = format, .lane_count = ledger_lane_count(ledger)
    };

    page.lanes = calloc((size_t)page.lane_count + 1, sizeof(*page.lanes)); /* + 1: 0 may be NULL */
    page.labels = calloc((size_t)page.lane_count + 1, sizeof(*page.labels));
    bool ok = page.lanes != NULL && page.labels != NULL;
    for (unsigned i = 0; ok && i < page.lane_count; i++) {
        ledger_snapshot(ledger, i, &page.lanes[i]);
        escape_label(page.labels[i].input, page.lanes[i].input);
        escape_label(page.labels[i].output, page.lanes[i].output);
    }
    if (ok)
        put_page(&page);
    if (format == METRICS_OPENMETRICS)
        (void)buf_add_text(ret, "# EOF\n");
    free(page.lanes);
    free(page.labels);
    return ok && !ret->failed;
}
