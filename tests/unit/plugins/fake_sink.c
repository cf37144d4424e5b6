/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_sink.h"

#include "test.h"

static void *grow(void *items, size_t count, size_t item_bytes)
{
    if (count != 0 && (count & (count - 1)) != 0)
        return items; /* room for the next power of two is there */
    void *grown = realloc(items, (count == 0 ? 1 : count * 2) * item_bytes);
    assert_non_null(grown);
    return grown;
}

static char *copy_bytes(const char *data, size_t bytes)
{
    char *copied = malloc(bytes + 1);
    assert_non_null(copied);
    if (bytes > 0)
        memcpy(copied, data, bytes);
    copied[bytes] = '\0';
    return copied;
}

static char *copy_text(const char *text)
{
    return copy_bytes(text == NULL ? "" : text, text == NULL ? 0 : strlen(text));
}

static struct slice copy_slice(struct slice from)
{
    return (struct slice){ copy_bytes(from.data, from.bytes), from.bytes };
}

static void copy_event(struct sink *sink, const struct event *from)
{
    sink->event_bytes += event_bytes(from);
    if (sink->count_only) {
        sink->event_count++;
        return;
    }
    sink->events = grow(sink->events, sink->event_count, sizeof(*sink->events));
    struct event *to = &sink->events[sink->event_count++];
    *to = *from;
    to->body = copy_slice(from->body);
    to->severity_text = copy_slice(from->severity_text);
    to->unit = copy_slice(from->unit);
    to->resource = resource_ref(from->resource);
    to->scratch = NULL;
    to->attributes = calloc(from->attribute_count + (size_t)1, sizeof(*to->attributes));
    assert_non_null(to->attributes);
    for (size_t i = 0; i < from->attribute_count; i++) {
        to->attributes[i] = from->attributes[i];
        to->attributes[i].key = copy_slice(from->attributes[i].key);
        if (from->attributes[i].value.kind == VALUE_TEXT)
            to->attributes[i].value.text = copy_slice(from->attributes[i].value.text);
    }
}

static void free_event(struct event *event)
{
    free((char *)event->body.data);
    free((char *)event->severity_text.data);
    free((char *)event->unit.data);
    for (size_t i = 0; i < event->attribute_count; i++) {
        free((char *)event->attributes[i].key.data);
        if (event->attributes[i].value.kind == VALUE_TEXT)
            free((char *)event->attributes[i].value.text.data);
    }
    free(event->attributes);
    resource_unref(&event->resource);
}

static void pass_on(struct sink *sink)
{
    for (size_t i = 0; i < sink->run_count && !sink->stopping; i++)
        copy_event(sink, &sink->run[i]);
    sink->run_count = 0;
    sink->scratch.used = 0;
}

struct event *sink_event(struct sink *sink)
{
    if (sink->run_count == FAKE_RUN_EVENTS)
        pass_on(sink);
    if (sink->on_event != NULL) {
        void (*on_event)(void) = sink->on_event;
        sink->on_event = NULL;
        on_event();
    }
    struct event *event = &sink->run[sink->run_count++];
    *event = (struct event){ .observed_ns = FAKE_OBSERVED_NS, .scratch = &sink->scratch };
    return event;
}

bool sink_flush(struct sink *sink)
{
    pass_on(sink);
    return !sink->stopping;
}

static void forget_events(struct sink *sink, size_t from)
{
    while (sink->event_count > from)
        free_event(&sink->events[--sink->event_count]);
}

bool sink_parcel_begin(struct sink *sink, uint64_t id)
{
    assert_false(sink->parcel_is_open);
    pass_on(sink);
    sink->parcel_is_open = true;
    sink->parcel_fails = sink->next_parcel != PARCEL_TAKEN;
    sink->parcel_id = id;
    sink->parcel_begin = sink->event_count;
    return true;
}

bool sink_parcel_fails(const struct sink *sink)
{
    return sink->parcel_is_open && sink->parcel_fails;
}

/* Of one that is not taken nothing stays. */
enum parcel sink_parcel_end(struct sink *sink, bool keep, uint64_t *ret_refused)
{
    assert_true(sink->parcel_is_open);
    pass_on(sink);
    sink->parcel_is_open = false;
    if (keep && sink->next_parcel == PARCEL_TAKEN)
        *ret_refused = 0;
    else
        forget_events(sink, sink->parcel_begin);
    return sink->next_parcel;
}

bool sink_mark(struct sink *sink, const void *mark, size_t bytes)
{
    assert_true(bytes <= MARK_BYTES);
    if (!sink_flush(sink))
        return false;
    sink->marks = grow(sink->marks, sink->mark_count, sizeof(*sink->marks));
    struct fake_mark *kept = &sink->marks[sink->mark_count++];
    *kept = (struct fake_mark){ .bytes = bytes, .events = sink->event_count };
    memcpy(kept->data, mark, bytes);
    return true;
}

static void add_count(struct fake_count **counts, size_t *count, const char *what,
                      struct fake_count numbers)
{
    *counts = grow(*counts, *count, sizeof(**counts));
    numbers.what = copy_text(what);
    (*counts)[(*count)++] = numbers;
}

void sink_lost(struct sink *sink, const char *what, uint64_t events, uint64_t bytes)
{
    add_count(&sink->losses, &sink->loss_count, what,
              (struct fake_count){ .events = events, .bytes = bytes });
}

void sink_malformed(struct sink *sink, const char *what, uint64_t events, uint64_t bytes)
{
    add_count(&sink->malformed, &sink->malformed_count, what,
              (struct fake_count){ .events = events, .bytes = bytes });
}

void sink_tell(struct sink *sink, enum log_level level, const char *msg, const char *what,
               const char *why)
{
    sink->tells = grow(sink->tells, sink->tell_count, sizeof(*sink->tells));
    sink->tells[sink->tell_count++] =
        (struct fake_tell){ level, copy_text(msg), copy_text(what), copy_text(why) };
}

const struct fatal_place *sink_fatal_place(const struct sink *sink)
{
    return sink->fatal.from == sink->fatal.to ? NULL : &sink->fatal;
}

void sink_set_aside(struct sink *sink, struct slice record, struct resource *resource)
{
    (void)resource;
    assert_true(buf_add(&sink->aside, record.data, record.bytes));
    assert_true(buf_add_text(&sink->aside, "\n"));
    sink->aside_count++;
}

void sink_set_aside_done(struct sink *sink, const char *what)
{
    assert_non_null(what);
    sink->fatal = (struct fatal_place){ .from = 0 };
    sink->aside_done++;
}

void sink_add(struct sink *sink, enum sink_number number, uint64_t count)
{
    sink->numbers[number] += count;
}

bool sink_keep(struct sink *sink, uint64_t bytes)
{
    sink->kept_bytes = bytes;
    return sink->kept_most_bytes == 0 || bytes <= sink->kept_most_bytes;
}

void sink_set(struct sink *sink, enum sink_number number, uint64_t value)
{
    sink->numbers[number] = value;
}

void sink_quote(struct sink *sink, enum log_level level, const char *msg, const char *what,
                struct slice words)
{
    char text[1024];

    (void)snprintf(text, sizeof(text), "%.*s", (int)words.bytes, words.data);
    sink_tell(sink, level, msg, what, text);
}

int64_t sink_max_wait_ms(const struct sink *sink)
{
    return sink->max_wait_ms;
}

void sink_waited(struct sink *sink, int64_t waited_ms)
{
    pass_on(sink);
    sink->waited_ms = waited_ms;
}

bool sink_own_metrics(struct sink *sink, struct buf *ret_text)
{
    return sink->own_metrics != NULL && buf_add_text(ret_text, sink->own_metrics);
}

struct sink *fake_sink_new(void)
{
    struct sink *sink = calloc(1, sizeof(*sink));
    assert_non_null(sink);
    sink->scratch = (struct scratch){ malloc(FAKE_SCRATCH_BYTES), FAKE_SCRATCH_BYTES, 0 };
    assert_non_null(sink->scratch.memory);
    return sink;
}

static void free_counts(struct fake_count *counts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(counts[i].what);
    free(counts);
}

void fake_sink_clear(struct sink *sink)
{
    for (size_t i = 0; i < sink->event_count && !sink->count_only; i++)
        free_event(&sink->events[i]);
    free(sink->events);
    free(sink->marks);
    free_counts(sink->losses, sink->loss_count);
    free_counts(sink->malformed, sink->malformed_count);
    for (size_t i = 0; i < sink->tell_count; i++) {
        free(sink->tells[i].msg);
        free(sink->tells[i].what);
        free(sink->tells[i].why);
    }
    free(sink->tells);
    buf_fini(&sink->aside);
    struct scratch scratch = { sink->scratch.memory, sink->scratch.room, 0 };
    *sink = (struct sink){ .stopping = sink->stopping,
                           .count_only = sink->count_only,
                           .next_parcel = sink->next_parcel,
                           .scratch = scratch };
}

void fake_sink_free(struct sink **sinkp)
{
    struct sink *sink = *sinkp;
    *sinkp = NULL;
    if (sink == NULL)
        return;
    fake_sink_clear(sink);
    free(sink->scratch.memory);
    free(sink);
}

enum collected fake_sink_collect(struct sink *sink, const struct input *input, void *state)
{
    enum collected collected = input->collect(state, sink);
    (void)sink_flush(sink);
    return collected;
}

enum collected fake_sink_drain(struct sink *sink, const struct input *input, void *state,
                               size_t rounds)
{
    for (size_t i = 0; i < rounds; i++) {
        enum collected collected = fake_sink_collect(sink, input, state);
        if (collected != COLLECT_MORE)
            return collected;
    }
    fail_msg("still COLLECT_MORE after %zu rounds", rounds);
    return COLLECT_FAILED;
}

size_t fake_sink_settle(struct sink *sink, const struct input *input, void *state, size_t count)
{
    size_t done = 0;
    for (; done < count && sink->settled < sink->mark_count; done++) {
        const struct fake_mark *mark = &sink->marks[sink->settled++];
        input->settle(state, mark->data, mark->bytes);
    }
    return done;
}

const char *fake_sink_body(const struct sink *sink, size_t index)
{
    assert_true(index < sink->event_count);
    return sink->events[index].body.data;
}

bool fake_sink_is_body(const struct sink *sink, size_t index, const char *body)
{
    return index < sink->event_count && slice_equals(sink->events[index].body, slice_of(body));
}

const struct event *fake_sink_find(const struct sink *sink, const char *body)
{
    for (size_t i = 0; i < sink->event_count; i++) {
        if (fake_sink_is_body(sink, i, body))
            return &sink->events[i];
    }
    return NULL;
}

struct slice fake_sink_attribute(const struct event *event, const char *key)
{
    struct value value;
    size_t count = 0;
    const struct attribute *shared =
        event->resource == NULL ? NULL : resource_attributes(event->resource, &count);

    if (event_field(event, slice_of(key), &value) && value.kind == VALUE_TEXT)
        return value.text;
    for (size_t i = 0; i < count; i++) {
        if (slice_equals(shared[i].key, slice_of(key)) && shared[i].value.kind == VALUE_TEXT)
            return shared[i].value.text;
    }
    return SLICE("");
}

bool fake_sink_told(const struct sink *sink, const char *part)
{
    for (size_t i = 0; i < sink->tell_count; i++) {
        const struct fake_tell *tell = &sink->tells[i];
        if (strstr(tell->msg, part) || strstr(tell->what, part) || strstr(tell->why, part))
            return true;
    }
    return false;
}

uint64_t fake_sink_lost_bytes(const struct sink *sink, const char *what)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < sink->loss_count; i++) {
        if (what == NULL || strcmp(sink->losses[i].what, what) == 0)
            bytes += sink->losses[i].bytes;
    }
    return bytes;
}
