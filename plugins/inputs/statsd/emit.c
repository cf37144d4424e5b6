/* SPDX-License-Identifier: Apache-2.0 */
#include "emit.h"

static void add_tag(struct event *event, struct slice tag)
{
    const char *colon = memchr(tag.data, ':', tag.bytes);
    struct slice key = { tag.data, colon == NULL ? tag.bytes : (size_t)(colon - tag.data) };
    struct slice text = { tag.data + tag.bytes, 0 };

    if (colon != NULL)
        text = (struct slice){ colon + 1, tag.bytes - key.bytes - 1 };
    if (key.bytes > 0)
        event_set(event, key, (struct value){ .kind = VALUE_TEXT, .text = text });
}

/* ---- samples ---- */

static struct event *add_sample(const struct emission *emission, const struct series *series,
                                const char *suffix, enum event_kind kind, double number)
{
    struct event *event = sink_event(emission->sink);
    struct slice name = series_name(series), tag;
    char longer[STATSD_NAME_MOST_BYTES + 16];
    size_t at = 0;

    event->kind = (uint8_t)kind;
    event->time_ns = emission->end_ns;
    event->number = number;
    event->body = name;
    if (suffix[0] != '\0') {
        int bytes = snprintf(longer, sizeof(longer), "%.*s%s", (int)name.bytes, name.data, suffix);
        event->body = event_keep(event, (struct slice){ longer, (size_t)bytes });
    }
    while (series_tag(series, &at, &tag))
        add_tag(event, tag);
    return event;
}

static void add_sum(const struct emission *emission, const struct series *series,
                    const char *suffix, bool may_fall, double delta, double total)
{
    double number = emission->is_delta ? delta : total;
    struct event *event =
        add_sample(emission, series, suffix, may_fall ? EVENT_UPDOWN : EVENT_SUM, number);

    event->start_ns = emission->is_delta ? emission->begin_ns : series->born_ns;
    event->flags |= emission->is_delta ? EVENT_DELTA : 0;
}

static const char *unit_of(const struct series *series)
{
    return series->kind == STATSD_TIMER ? "ms" : "";
}

static void emit_numbers(const struct emission *emission, struct series *series)
{
    struct sketch *sketch = series->sketch;
    struct slice unit = slice_of(unit_of(series));

    series->total += sketch->sum;
    series->total_count += (double)sketch->count;
    add_sum(emission, series, ".count", false, (double)sketch->count, series->total_count);
    add_sum(emission, series, ".sum", series->has_negative, sketch->sum, series->total);
    add_sample(emission, series, ".min", EVENT_GAUGE, sketch->min)->unit = unit;
    add_sample(emission, series, ".max", EVENT_GAUGE, sketch->max)->unit = unit;
    for (size_t i = 0; i < emission->quantile_count; i++) {
        double quantile = emission->quantiles[i];
        struct event *event =
            add_sample(emission, series, "", EVENT_GAUGE, sketch_quantile(sketch, quantile));
        event->unit = unit;
        event_real(event, "quantile", quantile);
    }
    sketch_clear(sketch);
}

void emit_series(const struct emission *emission, struct series *series)
{
    if (!series->is_fresh)
        return;
    series->is_fresh = false;
    switch (series->kind) {
    case STATSD_COUNTER:
        series->total += series->value;
        add_sum(emission, series, "", series->has_negative, series->value, series->total);
        series->value = 0;
        break;
    case STATSD_GAUGE:
        (void)add_sample(emission, series, "", EVENT_GAUGE, series->value);
        break;
    case STATSD_SET:
        (void)add_sample(emission, series, "", EVENT_GAUGE, distinct_count(series->distinct));
        memset(series->distinct, 0, sizeof(*series->distinct));
        break;
    case STATSD_TIMER:
    case STATSD_HISTOGRAM:
    case STATSD_DISTRIBUTION:
        emit_numbers(emission, series);
        break;
    }
}

/* ---- events and service checks ---- */

static void set_severity(struct event *to, const struct statsd_event *event)
{
    static const uint8_t of_status[] = { SEVERITY_INFO, SEVERITY_WARN, SEVERITY_ERROR,
                                         SEVERITY_NONE };
    if (event->is_check)
        to->severity = of_status[event->status];
    else if (slice_equals(event->alert, SLICE("error")))
        to->severity = SEVERITY_ERROR;
    else if (slice_equals(event->alert, SLICE("warning")))
        to->severity = SEVERITY_WARN;
    else
        to->severity = SEVERITY_INFO;
    to->severity_text = event->alert;
}

/* \n for a newline, in the event's own memory. */
static struct slice unescape(struct event *to, struct slice text)
{
    if (text.bytes == 0 || memmem(text.data, text.bytes, "\\n", 2) == NULL)
        return text;
    struct slice kept = event_keep(to, text);
    char *out = (char *)kept.data;
    size_t bytes = 0;
    for (size_t at = 0; at < kept.bytes; at++) {
        bool is_newline = kept.data[at] == '\\' && at + 1 < kept.bytes && kept.data[at + 1] == 'n';
        out[bytes++] = is_newline ? '\n' : kept.data[at];
        at += is_newline ? 1 : 0;
    }
    return kept.bytes == 0 ? text : (struct slice){ kept.data, bytes };
}

static void add_text(struct event *to, const char *key, struct slice text)
{
    if (text.bytes > 0)
        event_text(to, key, text);
}

void emit_event(struct event *to, const struct statsd_event *event)
{
    for (size_t i = 0; i < event->tags.count; i++)
        add_tag(to, event->tags.items[i]);
    to->body = unescape(to, event->text.bytes > 0 ? event->text : event->title);
    to->time_ns = event->time_s * NS_PER_S;
    set_severity(to, event);
    if (event->is_check) {
        event_text(to, "statsd.check.name", event->title);
        event_integer(to, "statsd.check.status", event->status);
    } else {
        event_text(to, "statsd.event.title", unescape(to, event->title));
    }
    add_text(to, "statsd.hostname", event->host);
    add_text(to, "statsd.aggregation_key", event->key);
    add_text(to, "statsd.priority", event->priority);
    add_text(to, "statsd.source_type", event->source);
}
