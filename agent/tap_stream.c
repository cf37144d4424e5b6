/* SPDX-License-Identifier: Apache-2.0 */
#include "tap_stream.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/json_add.h"
#include "batch/encoder.h"
#include "event/record.h"
#include "event/resource.h"
#include "flow/tap.h"
#include "plugins/plugin.h"

#include <stdlib.h>

enum {
    FOR_MS = 60 * 1000,
    RATE = 10,
    COUNTS_MS = 1000,
    ATTRIBUTES = 256,
    TEXT_BYTES = 8 * TAP_RECORD_BYTES, /* a byte may need six as JSON; and the resource */
    OUT_BYTES = TEXT_BYTES + 1024,
};

struct tap_stream {
    struct tap *tap;
    struct encoder *encoder;
    struct buf out; /* what was not read yet begins at `at` */
    size_t at;
    int64_t ends_ms, counts_due_ms;
    struct tap_counts told;
    uint64_t too_large; /* as text: they were taken, and are not shown */
    bool is_over;
    _Alignas(RECORD_ALIGN) char record[TAP_RECORD_BYTES];
    struct attribute attributes[ATTRIBUTES];
};

/* ---- what is asked for ---- */

static bool read_number(const struct stream_query *query, const char *name, int64_t most,
                        int64_t *ret, struct err *err)
{
    const char *text = query->find(query->source, name);
    char *end;

    if (text == NULL)
        return true;
    long long number = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || number < 1 || number > most)
        return err_set(err, "%s: '%.40s' is not a number from 1 to %lld", name, text,
                       (long long)most);
    *ret = number;
    return true;
}

static bool read_filters(const struct stream_query *query, struct tap_wish *wish, struct err *err)
{
    static const char *const names[TAP_FILTERS] = { "filter", "filter2", "filter3", "filter4" };

    for (size_t i = 0; i < TAP_FILTERS; i++) {
        const char *text = query->find(query->source, names[i]);
        if (text == NULL)
            continue;
        if (!tap_filter_parse(text, &wish->filters[wish->filter_count++], err))
            return false;
    }
    return true;
}

/* Of the books, which keep a name also over a reload. */
static bool is_known(const struct ledger *ledger, const char *name, bool as_output,
                     struct buf *ret_names)
{
    struct lane_snapshot lane;
    bool found = false;

    for (unsigned i = 0; i < ledger_lane_count(ledger); i++) {
        ledger_snapshot(ledger, i, &lane);
        const char *own = as_output ? lane.output : lane.input;
        found |= strcmp(own, name) == 0;
        char word[LEDGER_NAME + 2];
        (void)snprintf(word, sizeof(word), " %s ", own);
        if (ret_names->bytes == 0)
            (void)buf_add_text(ret_names, " ");
        if (strstr(buf_slice(ret_names).data, word) == NULL)
            (void)buf_add_text(ret_names, word + 1);
    }
    return found;
}

static bool read_stage(const char *text, enum tap_stage *ret, struct err *err)
{
    for (unsigned stage = 0; stage < TAP_STAGES; stage++) {
        if (strcmp(text, tap_stage_names[stage]) == 0) {
            *ret = (enum tap_stage)stage;
            return true;
        }
    }
    return err_set(err, "stage: '%.40s' is none of read, processed, filtered, shed, encoded", text);
}

/* An output has one stage; a name alone means the input of that name, if there is one. */
static bool choose_stage(const struct ledger *ledger, const struct stream_query *query,
                         struct tap_wish *wish, struct err *err)
{
    const char *name = query->find(query->source, "name");
    const char *stage = query->find(query->source, "stage");
    struct buf inputs = { .limit = 300 }, outputs = { .limit = 100 };

    if (name == NULL)
        return err_set(err, "name: give that of an input or an output");
    wish->stage = TAP_PROCESSED;
    bool ok = stage == NULL || read_stage(stage, &wish->stage, err);
    bool is_input = ok && is_known(ledger, name, false, &inputs);
    bool is_output = ok && is_known(ledger, name, true, &outputs);
    if (ok && stage == NULL && !is_input)
        wish->stage = TAP_ENCODED;
    bool as_output = tap_stage_is_of_output(wish->stage);
    if (ok && !is_input && !is_output)
        ok = err_set(err, "there is no '%.60s'; inputs:%soutputs:%s", name, buf_slice(&inputs).data,
                     buf_slice(&outputs).data);
    else if (ok && !(as_output ? is_output : is_input))
        ok = err_set(err, "stage %s is of an %s, and '%.60s' is none", tap_stage_names[wish->stage],
                     as_output ? "output" : "input", name);
    if (ok)
        (void)snprintf(wish->name, sizeof(wish->name), "%s", name);
    buf_fini(&inputs);
    buf_fini(&outputs);
    return ok;
}

static void close_stream(void *context)
{
    struct tap_stream *stream = context;

    if (stream == NULL)
        return;
    tap_close(&stream->tap);
    encoder_free(&stream->encoder);
    buf_fini(&stream->out);
    free(stream);
}

static void *open_stream(void *context, const struct stream_query *query, int64_t now_ms,
                         int64_t *ret_for_ms, struct err *err)
{
    struct tap_wish wish = { .filter_count = 0 };
    int64_t rate = RATE, for_ms = FOR_MS;

    if (!choose_stage(context, query, &wish, err) || !read_filters(query, &wish, err) ||
        !read_number(query, "rate", TAP_RATE_MOST, &rate, err) ||
        !read_number(query, "for_ms", TAP_FOR_MOST_MS, &for_ms, err))
        return NULL;
    wish.rate = (unsigned)rate;
    struct tap_stream *stream = calloc(1, sizeof(*stream));
    if (stream != NULL)
        stream->encoder = encoder_new(ENCODE_NDJSON, TEXT_BYTES);
    if (stream == NULL || stream->encoder == NULL)
        (void)err_set(err, "out of memory for a tap");
    else
        stream->tap = tap_open(&wish, err);
    if (stream == NULL || stream->tap == NULL) {
        close_stream(stream);
        return NULL;
    }
    stream->out.limit = OUT_BYTES;
    stream->ends_ms = now_ms + for_ms;
    stream->counts_due_ms = now_ms + COUNTS_MS;
    *ret_for_ms = for_ms;
    return stream;
}

/* ---- lines ---- */

static void write_event(struct tap_stream *stream, const struct tapped *tapped,
                        const struct event *event)
{
    struct buf *out = &stream->out;

    encoder_begin(stream->encoder);
    if (encoder_add(stream->encoder, event) != ENCODED) {
        stream->too_large++;
        return;
    }
    struct slice text = encoder_end(stream->encoder);
    json_open(out, NULL, '{');
    json_add_text(out, "stage", tapped->stage_name);
    json_add_text(out, "input", tapped->input);
    if (tapped->output[0] != '\0')
        json_add_text(out, "output", tapped->output);
    if (tapped->reason[0] != '\0')
        json_add_text(out, "reason", tapped->reason);
    json_add_key(out, "event");
    (void)buf_add(out, text.data, text.bytes - 1); /* without its newline */
    json_close(out, '}');
    (void)buf_add_text(out, "\n");
}

static bool write_next_event(struct tap_stream *stream)
{
    struct tapped tapped;
    struct event event;

    if (!tap_take(stream->tap, &tapped, stream->record))
        return false;
    (void)record_read(stream->record, &event, stream->attributes, ATTRIBUTES);
    event.resource = tapped.resource;
    write_event(stream, &tapped, &event);
    resource_unref(&tapped.resource);
    return true;
}

static void write_counts(struct tap_stream *stream, const char *end)
{
    struct tap_counts counts = tap_counts(stream->tap);
    struct buf *out = &stream->out;

    if (end == NULL && memcmp(&counts, &stream->told, sizeof(counts)) == 0) {
        (void)buf_add_text(out, "\n");
        return;
    }
    stream->told = counts;
    json_open(out, NULL, '{');
    json_open(out, "tap", '{');
    json_add_count(out, "seen", counts.seen);
    json_add_count(out, "shown", counts.shown - stream->too_large);
    json_add_count(out, "not_matching", counts.not_matching);
    json_add_count(out, "over_rate", counts.over_rate);
    json_add_count(out, "dropped", counts.dropped + stream->too_large);
    if (end != NULL)
        json_add_text(out, "end", end);
    json_close(out, '}');
    json_close(out, '}');
    (void)buf_add_text(out, "\n");
}

/* false: there is nothing now. */
static bool write_more(struct tap_stream *stream, int64_t now_ms)
{
    buf_clear(&stream->out);
    stream->at = 0;
    if (stream->is_over)
        return false;
    if (now_ms >= stream->ends_ms) {
        write_counts(stream, "its time is over");
        stream->is_over = true;
        return true;
    }
    if (now_ms >= stream->counts_due_ms) {
        write_counts(stream, NULL);
        stream->counts_due_ms = now_ms + COUNTS_MS;
        return true;
    }
    return write_next_event(stream);
}

static size_t read_stream(void *context, int64_t now_ms, char *to, size_t room, bool *ret_is_over)
{
    struct tap_stream *stream = context;
    size_t used = 0;

    while (used < room) {
        if (stream->at == stream->out.bytes && !write_more(stream, now_ms))
            break;
        size_t left = stream->out.bytes - stream->at;
        size_t bytes = left < room - used ? left : room - used;
        memcpy(to + used, buf_slice(&stream->out).data + stream->at, bytes);
        used += bytes;
        stream->at += bytes;
    }
    *ret_is_over |= stream->is_over;
    return used;
}

struct stream_maker tap_stream_maker(const struct ledger *ledger)
{
    return (struct stream_maker){ open_stream, read_stream, close_stream,
                                  (void *)(uintptr_t)ledger };
}
