/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/random.h"
#include "event/record.h"

#include <stdio.h>
#include <stdlib.h>

static struct scratch scratch;

static struct event make_event(void)
{
    scratch.used = 0;
    return (struct event){ .body = SLICE("a line"), .observed_ns = 5, .scratch = &scratch };
}

static void assert_slice(struct slice got, const char *wanted)
{
    assert_int_equal(got.bytes, strlen(wanted));
    assert_memory_equal(got.data, wanted, got.bytes);
}

/* Writes into memory of exactly the size, so that the sanitizer sees a byte too many. */
static char *write_exactly(const struct event *event)
{
    size_t size = record_size(event);
    assert_int_equal(size % RECORD_ALIGN, 0);
    char *memory = malloc(size);
    record_write(memory, size, event);
    return memory;
}

static void a_log_line_comes_back_as_it_was(void **unused)
{
    (void)unused;
    struct event event = make_event();
    event.time_ns = -7;
    event.severity = SEVERITY_ERROR;
    event.severity_text = SLICE("err");
    event.flags = EVENT_TRUNCATED;
    char *memory = write_exactly(&event);
    struct attribute attributes[4];
    struct event got;
    uint64_t bytes;

    assert_int_equal(record_read(memory, &got, attributes, 4), record_size(&event));
    assert_int_equal(record_skip(memory, &bytes), record_size(&event));
    assert_int_equal(bytes, event_bytes(&event));
    assert_slice(got.body, "a line");
    assert_slice(got.severity_text, "err");
    assert_int_equal(got.time_ns, -7);
    assert_int_equal(got.observed_ns, 5);
    assert_int_equal(got.severity, SEVERITY_ERROR);
    assert_int_equal(got.flags, EVENT_TRUNCATED);
    assert_int_equal(got.attribute_count, 0);
    free(memory);
}

static void pieces_of_every_length_come_back(void **unused)
{
    (void)unused;
    static const char text[] =
        "0123456789abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

    for (size_t bytes = 0; bytes < sizeof(text) - 1; bytes++) {
        struct slice piece = { text + sizeof(text) - 1 - bytes, bytes };
        struct attribute attribute = { piece, { .kind = VALUE_TEXT, .text = piece } }, read[1];
        struct event event = make_event(), got;
        event.body = event.severity_text = event.unit = piece;
        event.attributes = &attribute;
        event.attribute_count = 1;
        char *memory = write_exactly(&event);
        (void)record_read(memory, &got, read, 1);
        assert_slice(got.body, piece.data);
        assert_slice(got.severity_text, piece.data);
        assert_slice(got.unit, piece.data);
        assert_slice(read[0].key, piece.data);
        assert_slice(read[0].value.text, piece.data);
        free(memory);
    }
}

static void a_metric_keeps_value_unit_start_and_all_kinds_of_attributes(void **unused)
{
    (void)unused;
    struct event event = make_event();
    event.kind = EVENT_SUM;
    event.number = 1.25;
    event.start_ns = 77;
    event.unit = SLICE("By");
    event_text(&event, "system.device", SLICE("sda"));
    event_integer(&event, "n", INT64_MIN);
    event_real(&event, "r", -0.5);
    event_boolean(&event, "b", true);
    char *memory = write_exactly(&event);
    struct attribute attributes[8];
    struct event got;

    (void)record_read(memory, &got, attributes, 8);
    assert_true(got.number == 1.25);
    assert_int_equal(got.start_ns, 77);
    assert_slice(got.unit, "By");
    assert_int_equal(got.attribute_count, 4);
    assert_slice(attributes[0].key, "system.device");
    assert_slice(attributes[0].value.text, "sda");
    assert_true(attributes[1].value.integer == INT64_MIN);
    assert_true(attributes[2].value.real == -0.5);
    assert_true(attributes[3].value.boolean);
    assert_int_equal(event_bytes(&got), event_bytes(&event));
    free(memory);
}

static void trace_and_span_ids_are_kept(void **unused)
{
    (void)unused;
    struct event event = make_event();
    event.flags = EVENT_HAS_TRACE;
    memset(event.trace_id, 0xab, sizeof(event.trace_id));
    memset(event.span_id, 0xcd, sizeof(event.span_id));
    char *memory = write_exactly(&event);
    struct event got;

    (void)record_read(memory, &got, NULL, 0);
    assert_memory_equal(got.trace_id, event.trace_id, 16);
    assert_memory_equal(got.span_id, event.span_id, 8);
    assert_slice(got.body, "a line");
    free(memory);
}

static void attributes_beyond_the_readers_room_are_counted(void **unused)
{
    (void)unused;
    struct event event = make_event();
    for (int i = 0; i < 5; i++)
        event_integer(&event, "k", i);
    char *memory = write_exactly(&event);
    struct attribute attributes[3];
    struct event got;

    (void)record_read(memory, &got, attributes, 3);
    assert_int_equal(got.attribute_count, 3);
    assert_int_equal(got.lost_attributes, 2);
    assert_slice(got.body, "a line");
    free(memory);
}

static void attributes_beyond_the_scratch_are_counted_not_written(void **unused)
{
    (void)unused;
    struct event event = make_event();
    scratch.used = scratch.room - 10;
    event_text(&event, "k", SLICE("v"));
    assert_int_equal(event.attribute_count, 0);
    assert_int_equal(event.lost_attributes, 1);
    scratch.used = 0;
}

static void setting_an_attribute_replaces_the_one_that_is_there(void **unused)
{
    (void)unused;
    struct event event = make_event();
    struct value value;
    event_text(&event, "env", SLICE("old"));
    event_set(&event, SLICE("env"), (struct value){ .kind = VALUE_TEXT, .text = SLICE("new") });
    assert_int_equal(event.attribute_count, 1);
    assert_true(event_field(&event, SLICE("env"), &value));
    assert_slice(value.text, "new");
    assert_true(event_field(&event, SLICE("attributes.env"), &value));
    assert_false(event_field(&event, SLICE("enV"), &value));
    assert_true(event_field(&event, SLICE("body"), &value));
    assert_slice(value.text, "a line");
}

static void random_events_come_back_as_they_were(void **unused)
{
    (void)unused;
    uint64_t seed;
    random_bytes(&seed, sizeof(seed));
    print_message("seed=%llu\n", (unsigned long long)seed);
    struct random random = random_make(seed);
    static char text[4096];
    static char keys[64][8];

    for (int round = 0; round < 2000; round++) {
        struct event event = make_event();
        event.body = (struct slice){ text, random_below(&random, sizeof(text)) };
        event.kind = (uint8_t)random_below(&random, 4);
        event.number = random_unit(&random);
        uint64_t count = random_below(&random, 64);
        for (uint64_t i = 0; i < count; i++) {
            (void)snprintf(keys[i], sizeof(keys[i]), "k%u", (unsigned)i);
            event_text(&event, keys[i], (struct slice){ text, random_below(&random, 100) });
        }
        char *memory = write_exactly(&event);
        struct attribute attributes[64];
        struct event got;
        (void)record_read(memory, &got, attributes, 64);
        assert_int_equal(got.body.bytes, event.body.bytes);
        assert_int_equal(got.attribute_count, count);
        for (uint64_t i = 0; i < count; i++)
            assert_slice(attributes[i].key, keys[i]);
        assert_int_equal(event_bytes(&got), event_bytes(&event));
        free(memory);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_line_comes_back_as_it_was),
        cmocka_unit_test(pieces_of_every_length_come_back),
        cmocka_unit_test(a_metric_keeps_value_unit_start_and_all_kinds_of_attributes),
        cmocka_unit_test(trace_and_span_ids_are_kept),
        cmocka_unit_test(attributes_beyond_the_readers_room_are_counted),
        cmocka_unit_test(attributes_beyond_the_scratch_are_counted_not_written),
        cmocka_unit_test(setting_an_attribute_replaces_the_one_that_is_there),
        cmocka_unit_test(random_events_come_back_as_they_were),
    };
    scratch.room = 64 * 1024;
    scratch.memory = malloc(scratch.room);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(scratch.memory);
    return failed;
}
