/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies, as events. */
#include "test.h"

#include "fake_sink.h"
#include "inputs/http/take.h"

static const char *body_names[] = { "body", "message" };
static const char *time_names[] = { "time", "ts" };
static const char *severity_names[] = { "severity_text", "level" };
static const struct text_list bodies = { body_names, 2 }, times = { time_names, 2 },
                              severities = { severity_names, 2 };
static const struct attribute base[] = { { SLICE("host.name"), { .text = SLICE("here") } },
                                         { SLICE("env"), { .text = SLICE("test") } } };
static const struct host host = { .name = "in", .base = base, .base_count = 2 };

struct scene {
    struct mapping mapping;
    struct take take;
    char *room;
};

static struct scene *make(size_t max_event_bytes)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    struct err err = { "" };

    assert_non_null(scene);
    assert_true(fields_make(&scene->mapping.fields, &bodies, &times, &severities, &err));
    scene->mapping.host = &host;
    scene->mapping.max_event_bytes = max_event_bytes;
    scene->mapping.sink = fake_sink_new();
    return scene;
}

static void end(struct scene *scene)
{
    resources_fini(&scene->mapping.resources);
    fake_sink_free(&scene->mapping.sink);
    free(scene);
}

static bool take(struct scene *scene, enum take_format format, const char *text)
{
    struct sink *sink = scene->mapping.sink;
    uint64_t refused;
    char *room = malloc(strlen(text) + 1);

    assert_non_null(room);
    assert_true(sink_parcel_begin(sink, 0));
    scene->take = (struct take){ .mapping = &scene->mapping, .room = room };
    bool is_whole = take_body(&scene->take, format, slice_of(text));
    (void)sink_parcel_end(sink, is_whole, &refused);
    resources_tidy(&scene->mapping.resources, sink, true);
    free(room);
    return is_whole;
}

/* The one event of a line. */
static const struct event *take_one(struct scene *scene, const char *line)
{
    fake_sink_clear(scene->mapping.sink);
    assert_true(take(scene, TAKE_NDJSON, line));
    assert_int_equal(scene->mapping.sink->event_count, 1);
    return &scene->mapping.sink->events[0];
}

static const struct value *attribute_of(const struct event *event, const char *key)
{
    for (size_t i = 0; i < event->attribute_count; i++) {
        if (slice_equals(event->attributes[i].key, slice_of(key)))
            return &event->attributes[i].value;
    }
    fail_msg("no attribute %s", key);
    return NULL;
}

static void a_log_record_of_our_own_is_the_same_again(void **unused)
{
    (void)unused;
    struct scene *scene = make(1024);
    const struct event *event = take_one(
        scene, "{\"time\":\"2026-11-28T07:12:00.5Z\",\"observed_time\":\"2026-11-28T07:12:01Z\","
               "\"severity_number\":14,\"severity_text\":\"warning\",\"body\":\"b\",\"attributes\":"
               "{\"t\":\"x\",\"i\":-3,\"r\":0.5,\"b\":false},\"dropped_attributes_count\":2,"
               "\"trace_id\":\"000102030405060708090a0b0c0d0e0f\",\"span_id\":\"f0f1f2f3f4f5f6f7\","
               "\"resource\":{\"host.name\":\"there\",\"n\":1}}");
    assert_int_equal(event->time_ns, INT64_C(1795849920500000000));
    assert_int_equal(event->observed_ns, INT64_C(1795849921000000000));
    assert_int_equal(event->severity, 14);
    assert_true(slice_equals(event->severity_text, SLICE("warning")));
    assert_true(slice_equals(event->body, SLICE("b")));
    assert_int_equal(event->attribute_count, 4);
    assert_int_equal(attribute_of(event, "i")->integer, -3);
    assert_true(attribute_of(event, "r")->real == 0.5);
    assert_false(attribute_of(event, "b")->boolean);
    assert_int_equal(event->lost_attributes, 2);
    assert_int_equal(event->flags, EVENT_HAS_TRACE);
    assert_int_equal(event->trace_id[15], 15);
    assert_int_equal(event->span_id[0], 0xf0);
    assert_true(slice_equals(resource_json(event->resource),
                             SLICE("{\"env\":\"test\",\"host.name\":\"there\",\"n\":1}")));
    end(scene);
}

static void a_metric_is_one_and_what_only_looks_like_one_is_a_log(void **unused)
{
    (void)unused;
    struct scene *scene = make(1024);
    const struct event *event = take_one(
        scene, "{\"name\":\"m\",\"type\":\"sum\",\"unit\":\"By\",\"value\":3,\"start_time\":"
               "\"2026-11-28T07:12:00Z\",\"attributes\":{\"a\":\"b\"}}");
    assert_int_equal(event->kind, EVENT_SUM);
    assert_true(event->number == 3 && slice_equals(event->body, SLICE("m")));
    assert_true(slice_equals(event->unit, SLICE("By")));
    assert_int_equal(event->start_ns, INT64_C(1795849920000000000));
    event = take_one(scene, "{\"name\":\"m\",\"type\":\"gauge\",\"value\":null}");
    assert_true(event->kind == EVENT_GAUGE && event->number != event->number);
    assert_int_equal(event->flags, 0);
    event = take_one(scene, "{\"name\":\"m\",\"type\":\"gauge\",\"value\":null,"
                            "\"no_recorded_value\":true,\"temporality\":\"delta\"}");
    assert_int_equal(event->flags, EVENT_NO_VALUE);
    assert_int_equal(event->attribute_count, 1); /* a gauge has no temporality */
    event = take_one(scene, "{\"name\":\"m\",\"type\":\"sum\",\"value\":1,"
                            "\"no_recorded_value\":true,\"temporality\":\"delta\"}");
    assert_int_equal(event->flags, EVENT_DELTA);
    assert_int_equal(event->attribute_count, 1); /* it has a value, whatever it says */
    event = take_one(scene, "{\"name\":\"m\",\"type\":\"click\",\"value\":3,\"message\":\"x\"}");
    assert_int_equal(event->kind, EVENT_LOG);
    assert_int_equal(event->attribute_count, 3);
    assert_int_equal(attribute_of(event, "value")->integer, 3);
    end(scene);
}

static void nothing_that_a_sender_says_is_thrown_away(void **unused)
{
    (void)unused;
    struct scene *scene = make(1024);
    const struct event *event = take_one(
        scene, "{\"message\":\"m\",\"body\":\"b\",\"time\":\"yesterday\",\"level\":30,"
               "\"severity_number\":99,\"trace_id\":\"xyz\",\"attributes\":[1],\"resource\":5,"
               "\"deep\":{\"a\":[1,{}]},\"none\":null}");
    assert_true(slice_equals(event->body, SLICE("b")));
    assert_int_equal(event->attribute_count, 8);
    assert_true(slice_equals(attribute_of(event, "message")->text, SLICE("m")));
    assert_true(slice_equals(attribute_of(event, "time")->text, SLICE("yesterday")));
    assert_int_equal(attribute_of(event, "level")->integer, 30);
    assert_int_equal(attribute_of(event, "severity_number")->integer, 99);
    assert_true(slice_equals(attribute_of(event, "trace_id")->text, SLICE("xyz")));
    assert_true(slice_equals(attribute_of(event, "deep")->text, SLICE("{\"a\":[1,{}]}")));
    assert_int_equal(event->severity, SEVERITY_NONE);
    end(scene);
}

static void lines_that_are_no_json_go_as_they_are(void **unused)
{
    (void)unused;
    struct scene *scene = make(1024);
    assert_true(take(scene, TAKE_NDJSON,
                     "{\"body\":\"a\\n\"}\r\n\n  \n{\"body\":\"\\\"cut\n\"text\"\n[1]\nplain"));
    struct sink *sink = scene->mapping.sink;
    assert_int_equal(sink->event_count, 5);
    assert_true(fake_sink_is_body(sink, 0, "a\n"));
    assert_true(fake_sink_is_body(sink, 1, "{\"body\":\"\\\"cut"));
    assert_int_equal(sink->events[1].attribute_count, 1);
    assert_true(fake_sink_is_body(sink, 2, "text"));
    assert_true(fake_sink_is_body(sink, 3, "[1]"));
    assert_true(fake_sink_is_body(sink, 4, "plain"));
    assert_int_equal(scene->take.unparsed, 3);
    end(scene);
}

static void a_broken_array_is_refused_whole_with_the_place(void **unused)
{
    (void)unused;
    struct scene *scene = make(1024);
    assert_true(take(scene, TAKE_JSON, " [{\"body\":\"a\"}, \"b\" ,3]  {\"body\":\"c\"}"));
    assert_int_equal(scene->mapping.sink->event_count, 4);
    assert_true(fake_sink_is_body(scene->mapping.sink, 2, "3"));
    fake_sink_clear(scene->mapping.sink);
    assert_false(take(scene, TAKE_JSON, "[{\"body\":\"a\"},{\"body\" \"b\"}]"));
    assert_in_range(scene->take.broken_at, 15, 23);
    assert_int_equal(scene->mapping.sink->event_count, 0);
    assert_true(take(scene, TAKE_JSON, " "));
    end(scene);
}

static void an_event_is_never_larger_than_its_bound(void **unused)
{
    (void)unused;
    struct scene *scene = make(100);
    char line[4096] = "{\"message\":\"";
    memset(line + strlen(line), 'x', 300);
    strcat(line, "\",\"a\":\"1\",\"big\":\"");
    memset(line + strlen(line), 'y', 300);
    strcat(line, "\"}");
    const struct event *event = take_one(scene, line);
    assert_int_equal(event->lost_attributes, 1);
    assert_int_equal(event->flags & EVENT_TRUNCATED, EVENT_TRUNCATED);
    assert_in_range(event->body.bytes, 50, 100);
    assert_int_equal(attribute_of(event, "log.record.original_bytes")->integer, 300);
    fake_sink_clear(scene->mapping.sink);
    assert_true(take(scene, TAKE_LINES, line));
    assert_int_equal(scene->mapping.sink->events[0].body.bytes, 100);
    assert_int_equal(scene->take.cut, 1);
    end(scene);
}

static void resources_are_shared_and_bounded_also_where_each_event_has_its_own(void **unused)
{
    (void)unused;
    struct scene *scene = make(1024);
    char *text = calloc(1, 64 * 1024);
    assert_non_null(text);
    for (int i = 0; i < 500; i++)
        (void)sprintf(text + strlen(text), "{\"body\":\"b\",\"resource\":{\"n\":%d}}\n", i / 2);
    assert_true(take(scene, TAKE_NDJSON, text));
    struct sink *sink = scene->mapping.sink;
    assert_int_equal(sink->event_count, 500);
    assert_int_equal(scene->mapping.resources.count, RESOURCES);
    for (size_t i = 0; i < 500; i += 2) {
        char json[64];
        (void)snprintf(json, sizeof(json), "{\"host.name\":\"here\",\"env\":\"test\",\"n\":%zu}",
                       i / 2);
        assert_true(slice_equals(resource_json(sink->events[i].resource), slice_of(json)));
        assert_ptr_equal(sink->events[i].resource, sink->events[i + 1].resource);
    }
    free(text);
    end(scene);
}

static void a_body_without_a_type_is_known_by_its_begin(void **unused)
{
    (void)unused;
    assert_int_equal(take_look(SLICE(" \n{\"a\":1}")), TAKE_NDJSON);
    assert_int_equal(take_look(SLICE("[ {\"a\":1}]")), TAKE_JSON);
    assert_int_equal(take_look(SLICE("[2026-11-28] a line")), TAKE_LINES);
    assert_int_equal(take_look(SLICE("a line")), TAKE_LINES);
    assert_int_equal(take_look(SLICE("")), TAKE_LINES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_record_of_our_own_is_the_same_again),
        cmocka_unit_test(a_metric_is_one_and_what_only_looks_like_one_is_a_log),
        cmocka_unit_test(nothing_that_a_sender_says_is_thrown_away),
        cmocka_unit_test(lines_that_are_no_json_go_as_they_are),
        cmocka_unit_test(a_broken_array_is_refused_whole_with_the_place),
        cmocka_unit_test(an_event_is_never_larger_than_its_bound),
        cmocka_unit_test(resources_are_shared_and_bounded_also_where_each_event_has_its_own),
        cmocka_unit_test(a_body_without_a_type_is_known_by_its_begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
