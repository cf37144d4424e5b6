/* SPDX-License-Identifier: Apache-2.0 */
/* otlp: a request of OTLP/HTTP, as events.
 * Log records are events. A span is a log event of its name, and so is each event of a span, both
 * with the ids; what has no field of its own is an attribute (span.kind, span.duration_ns …). Of
 * metrics a point is one or several samples, see otlp_metrics.c.
 * What has a resource keeps it; the scope becomes otel.scope.name, otel.scope.version and its
 * attributes. Not kept: exemplars, descriptions of metrics, schema URLs, attributes of links.
 * Numbers of fields: opentelemetry-proto 1.x, the .proto files of common, resource, logs, metrics,
 * trace and their collector services. Threads: the reading's. */
#pragma once

#include "otlp_walk.h"
#include "take.h"

enum otlp_signal { OTLP_LOGS, OTLP_METRICS, OTLP_TRACES };

/* false: it is broken, the parcel must not be kept. Ends early where the parcel fails. */
bool otlp_take(struct take *take, enum otlp_signal signal, bool is_json, struct slice body);

/* ---- for the files of otlp ---- */
enum { OTLP_SCOPE_ATTRIBUTES = 32, OTLP_ANY_DEPTH = 16, OTLP_NESTED_BYTES = 32 * 1024 };

struct otlp {
    struct take *take;
    bool is_json, is_broken;
    struct resource *resource; /* of what is read now */
    uint32_t resource_lost;    /* its attributes, if it cannot be kept: the events say so */
    struct attribute scope[OTLP_SCOPE_ATTRIBUTES];
    size_t scope_count;
    size_t left;  /* bytes for attributes of the event in hand */
    char *nested; /* OTLP_NESTED_BYTES, to write a nested value as JSON */
};

struct otlp_walk otlp_walk(struct otlp *otlp, const struct otlp_row *rows, struct slice message);
void otlp_end_walk(struct otlp *otlp, const struct otlp_walk *walk);
/* A new event with the resource and the scope. */
struct event *otlp_event(struct otlp *otlp);
void otlp_add(struct otlp *otlp, struct event *event, struct slice key, struct value value);
void otlp_add_text(struct otlp *otlp, struct event *event, const char *key, struct slice text);
void otlp_add_integer(struct otlp *otlp, struct event *event, const char *key, int64_t integer);
/* A KeyValue: its key, and its value as a message; empty: none. */
struct slice otlp_pair(struct otlp *otlp, struct slice message, struct slice *ret_key);
void otlp_add_pair(struct otlp *otlp, struct event *event, struct slice message);
/* An AnyValue: a text, number or flag as it is, others as JSON, which lies in the event's scratch.
 * false: there is none, or no room for it. */
bool otlp_any(struct otlp *otlp, struct event *event, struct slice message, struct value *ret);

void otlp_log(struct otlp *otlp, struct slice message);    /* a LogRecord */
void otlp_span(struct otlp *otlp, struct slice message);   /* a Span */
void otlp_metric(struct otlp *otlp, struct slice message); /* a Metric */
