/* SPDX-License-Identifier: Apache-2.0 */
/* figures_json: written by hand and not with cJSON, whose numbers are doubles: counters would lose
 * their last digits. All texts are printable ASCII (books_reader), or go through the escaper. */
#include "view/figures_json.h"

#include "base/json.h"

#include <math.h>

/* Starts with ',' where something stands before it in the same object. */
static void add_key(struct buf *ret, const char *key)
{
    char last = ret->bytes > 0 ? ret->data[ret->bytes - 1] : '{';

    (void)buf_printf(ret, "%s\"%s\":", last == '{' || last == '[' ? "" : ",", key);
}

static void add_text(struct buf *ret, const char *key, const char *text)
{
    char escaped[6 * 1024 + 32];
    struct slice slice = { text, strnlen(text, 1024) };

    add_key(ret, key);
    size_t bytes = json_escape(escaped, slice, NULL);
    (void)buf_add(ret, "\"", 1);
    (void)buf_add(ret, escaped, bytes);
    (void)buf_add(ret, "\"", 1);
}

static void add_count(struct buf *ret, const char *key, uint64_t count)
{
    add_key(ret, key);
    (void)buf_printf(ret, "%llu", (unsigned long long)count);
}

static void add_real(struct buf *ret, const char *key, double real)
{
    char text[32];

    add_key(ret, key);
    (void)buf_add(ret, text, json_real(text, real));
}

static void open_object(struct buf *ret, const char *key)
{
    add_key(ret, key);
    (void)buf_add(ret, "{", 1);
}

static void close_object(struct buf *ret)
{
    (void)buf_add(ret, "}", 1);
}

static void add_amount(struct buf *ret, const char *key, struct amount amount)
{
    open_object(ret, key);
    add_count(ret, "events", amount.events);
    add_count(ret, "bytes", amount.bytes);
    close_object(ret);
}

static void add_moved(struct buf *ret, const char *key, const struct moved *moved)
{
    open_object(ret, key);
    add_count(ret, "events", moved->total.events);
    add_count(ret, "bytes", moved->total.bytes);
    add_real(ret, "events_per_second", moved->per_s);
    close_object(ret);
}

/* A whole number keeps all its digits. */
static void add_number(struct buf *ret, const struct books_reader *reader, unsigned number,
                       uint64_t raw)
{
    const struct books_number_row *row = &reader->numbers[number];

    if (row->kind <= KIND_gauge)
        add_count(ret, row->name, raw);
    else
        add_real(ret, row->name, figures_value(reader, (int)number, raw));
}

/* ---- the parts ---- */

static void add_agent(struct buf *ret, const struct source *source)
{
    const struct books_found *found = source->found;
    const struct books_header *header = &found->reader->image.header;

    open_object(ret, "agent");
    add_key(ret, "pid");
    (void)buf_printf(ret, "%lld", (long long)found->pid);
    add_text(ret, "state", source_holder_name(found->holder));
    add_text(ret, "version", header->agent_version);
    add_text(ret, "agent_id", header->agent_id);
    add_text(ret, "start_id", header->start_id);
    add_text(ret, "state_dir", header->state_dir);
    add_key(ret, "started_unix_ns");
    (void)buf_printf(ret, "%lld", (long long)header->started_real_ns);
    close_object(ret);
}

static void add_source(struct buf *ret, const struct source *source)
{
    char text[SOURCE_TEXT];

    open_object(ret, "books");
    add_text(ret, "kind", source_kind_name(source->found->kind));
    add_text(ret, "path", source->found->path);
    add_real(ret, "age_seconds", source_age_s(source));
    add_text(ret, "caution", source_caution(source, text));
    close_object(ret);
}

static void add_flows(struct buf *ret, const struct books_reader *reader, unsigned lane)
{
    open_object(ret, "flows");
    for (unsigned i = 0; i < reader->flow_count; i++)
        add_amount(ret, reader->flows[i].name, books_reader_flow(reader, lane, i));
    close_object(ret);
}

static void add_drops(struct buf *ret, const struct figures *figures, unsigned lane)
{
    open_object(ret, "dropped_by");
    for (unsigned i = 0; i < figures->drop_count; i++) {
        const struct drop_figures *drop = &figures->drops[i];
        if (drop->lane == lane)
            add_moved(ret, figures->reader->flows[drop->flow].name, &drop->moved);
    }
    close_object(ret);
}

static void add_stocks(struct buf *ret, const struct books_reader *reader, unsigned lane)
{
    open_object(ret, "stock");
    for (unsigned i = 0; i < reader->account_count; i++) {
        int64_t difference;
        unsigned differing;
        if (reader->accounts[i].held)
            add_amount(ret, reader->accounts[i].name,
                       books_reader_stock(reader, lane, i, &difference, &differing));
    }
    close_object(ret);
}

/* counts: for each bound those above the one before, not summed up. */
static void add_histograms(struct buf *ret, const struct books_reader *reader, uint32_t scope,
                           unsigned index)
{
    struct histogram_reading reading;

    open_object(ret, "histograms");
    for (unsigned i = 0; i < reader->histogram_count; i++) {
        if (reader->histograms[i].scope != scope)
            continue;
        books_reader_histogram(reader, i, index, &reading);
        open_object(ret, reader->histograms[i].name);
        add_count(ret, "count", reading.count);
        add_real(ret, "sum_seconds", (double)reading.sum_ms / 1000);
        add_key(ret, "counts");
        for (unsigned at = 0; at < reader->bucket_count; at++)
            (void)buf_printf(ret, "%s%llu", at == 0 ? "[" : ",",
                             (unsigned long long)reading.counts[at]);
        (void)buf_add_text(ret, reader->bucket_count == 0 ? "[]" : "]");
        close_object(ret);
    }
    close_object(ret);
}

static void add_bounds(struct buf *ret, const struct books_reader *reader)
{
    add_key(ret, "histogram_bounds_seconds");
    (void)buf_add_text(ret, "[");
    for (unsigned i = 0; i < reader->bucket_count; i++) {
        uint64_t bound_ms = reader->bounds_ms[i];
        char text[32];
        size_t bytes = json_real(text, bound_ms == UINT64_MAX ? NAN : (double)bound_ms / 1000);
        (void)buf_add(ret, ",", i == 0 ? 0 : 1);
        (void)buf_add(ret, text, bytes);
    }
    (void)buf_add_text(ret, "]");
}

static void add_lane(struct buf *ret, const struct figures *figures, unsigned index)
{
    const struct books_reader *reader = figures->reader;
    const struct lane_figures *lane = &figures->lanes[index];

    (void)buf_add_text(ret, index == 0 ? "{" : ",{");
    add_text(ret, "input", lane->input);
    add_text(ret, "output", lane->output);
    add_moved(ret, "received", &lane->received);
    add_moved(ret, "delivered", &lane->delivered);
    add_moved(ret, "filtered", &lane->filtered);
    add_moved(ret, "dropped", &lane->dropped);
    add_drops(ret, figures, index);
    add_amount(ret, "lost", lane->lost);
    add_amount(ret, "replayed", lane->replayed);
    add_amount(ret, "held", lane->held);
    add_stocks(ret, reader, index);
    add_key(ret, "balance");
    (void)buf_printf(ret, "%lld", (long long)lane->balance);
    add_count(ret, "differences", lane->differing);
    add_real(ret, "fill", lane->fill);
    add_key(ret, "shedding");
    (void)buf_add_text(ret, lane->is_shedding ? "true" : "false");
    add_real(ret, "oldest_seconds", lane->oldest_s);
    add_flows(ret, reader, index);
    open_object(ret, "numbers");
    for (unsigned i = 0; i < reader->number_count; i++) {
        if (reader->numbers[i].scope == SCOPE_input)
            add_number(ret, reader, i, books_reader_lane_value(reader, index, i));
    }
    close_object(ret);
    add_histograms(ret, reader, SCOPE_input, index);
    close_object(ret);
}

static void add_output(struct buf *ret, const struct figures *figures, unsigned index)
{
    static const char *const breakers[] = { "closed", "half-open", "open" };
    const struct books_reader *reader = figures->reader;
    const struct output_figures *output = &figures->outputs[index];

    (void)buf_add_text(ret, index == 0 ? "{" : ",{");
    add_text(ret, "output", output->name);
    add_moved(ret, "received", &output->received);
    add_moved(ret, "delivered", &output->delivered);
    add_moved(ret, "dropped", &output->dropped);
    add_amount(ret, "held", output->held);
    add_text(ret, "breaker", breakers[output->breaker]);
    add_real(ret, "requests_in_flight", output->in_flight);
    add_real(ret, "concurrency_limit", output->limit);
    add_real(ret, "memory_fill", output->memory_fill);
    add_real(ret, "requests_per_second", output->requests_per_s);
    add_real(ret, "failures_per_second", output->failures_per_s);
    add_real(ret, "retries_per_second", output->retries_per_s);
    add_real(ret, "sent_bytes_per_second", output->sent_bytes_per_s);
    open_object(ret, "numbers");
    for (unsigned i = 0; i < reader->number_count; i++) {
        if (reader->numbers[i].scope == SCOPE_output)
            add_number(ret, reader, i, books_reader_output_value(reader, index, i));
    }
    close_object(ret);
    add_histograms(ret, reader, SCOPE_output, index);
    close_object(ret);
}

bool figures_json(const struct figures *figures, const struct source *source, struct buf *ret)
{
    const struct books_reader *reader = figures->reader;

    (void)buf_printf(ret, "{\"format\":%d", FIGURES_JSON_FORMAT);
    add_source(ret, source);
    add_agent(ret, source);
    add_real(ret, "interval_seconds", figures->seconds);
    add_bounds(ret, reader);
    (void)buf_add_text(ret, ",\"lanes\":[");
    for (unsigned i = 0; i < figures->lane_count; i++)
        add_lane(ret, figures, i);
    (void)buf_add_text(ret, "],\"outputs\":[");
    for (unsigned i = 0; i < figures->output_count; i++)
        add_output(ret, figures, i);
    (void)buf_add_text(ret, "]");
    open_object(ret, "numbers");
    for (unsigned i = 0; i < reader->number_count; i++) {
        if (reader->numbers[i].scope == SCOPE_agent)
            add_number(ret, reader, i, books_reader_agent_value(reader, i));
    }
    close_object(ret);
    (void)buf_add_text(ret, "}\n");
    return !ret->failed;
}
