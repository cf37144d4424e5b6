/* SPDX-License-Identifier: Apache-2.0 */
/* What a sender of OTLP may get wrong. That right requests become the right events is seen with
 * messages of another encoder, in the scenarios. */
#include "test.h"

#include "fake_sink.h"
#include "inputs/http/otlp.h"

static const struct host host = { .name = "in" };
static uint32_t last_lost; /* attributes, of the first event that was taken last */

static bool take(enum otlp_signal signal, bool is_json, struct slice body, uint64_t *ret_events,
                 uint64_t *ret_refused)
{
    struct mapping mapping = { .host = &host, .max_event_bytes = 1024, .sink = fake_sink_new() };
    char *copy = malloc(body.bytes + 1), *room = malloc(body.bytes + 1);
    uint64_t refused;

    assert_true(copy != NULL && room != NULL);
    memcpy(copy, body.data, body.bytes);
    assert_true(sink_parcel_begin(mapping.sink, 0));
    struct take in_hand = { .mapping = &mapping, .room = room };
    bool is_whole = otlp_take(&in_hand, signal, is_json, (struct slice){ copy, body.bytes });
    (void)sink_parcel_end(mapping.sink, is_whole, &refused);
    *ret_events = mapping.sink->event_count;
    last_lost = mapping.sink->event_count == 0 ? 0 : mapping.sink->events[0].lost_attributes;
    *ret_refused = in_hand.refused;
    resources_tidy(&mapping.resources, mapping.sink, true);
    resources_fini(&mapping.resources);
    fake_sink_free(&mapping.sink);
    free(copy);
    free(room);
    return is_whole;
}

static void expect(enum otlp_signal signal, bool is_json, struct slice body, bool is_whole,
                   uint64_t events)
{
    uint64_t came, refused;

    assert_int_equal(take(signal, is_json, body, &came, &refused), is_whole);
    assert_int_equal(came, events);
}

/* One log record with the body "abc". */
static const char record[] = "\x0a\x0b\x12\x09\x12\x07\x2a\x05\x0a\x03"
                             "abc";

static void a_part_of_a_message_is_broken_and_has_no_events(void **unused)
{
    (void)unused;
    enum { BYTES = sizeof(record) - 1 };
    char longer[BYTES];

    expect(OTLP_LOGS, false, (struct slice){ record, BYTES }, true, 1);
    for (size_t bytes = 1; bytes < BYTES; bytes++)
        expect(OTLP_LOGS, false, (struct slice){ record, bytes }, false, 0);
    for (size_t length = 1; length < 10; length += 2) { /* each length one too large */
        memcpy(longer, record, BYTES);
        longer[length]++;
        expect(OTLP_LOGS, false, (struct slice){ longer, BYTES }, false, 0);
    }
    expect(OTLP_LOGS, false, SLICE(""), true, 0);
}

static void unknown_fields_are_skipped_and_groups_are_refused(void **unused)
{
    (void)unused;
    expect(OTLP_LOGS, false, SLICE("\x78\x01\xfa\x01\x02zz"), true, 0);
    expect(OTLP_LOGS, false, SLICE("\x7b"), false, 0);
    expect(OTLP_LOGS, false, SLICE("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), false, 0);
    expect(OTLP_LOGS, false, SLICE("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), false, 0);
}

static void json_may_have_its_keys_in_any_order_and_null_anywhere(void **unused)
{
    (void)unused;
    expect(OTLP_LOGS, true,
           SLICE(" {\"x\":[1],\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{\"body\":null,"
                 "\"timeUnixNano\":1},{\"severityNumber\":\"9\"}],\"scope\":null}],\"resource\":"
                 "{\"attributes\":[{\"value\":{\"intValue\":\"7\"},\"key\":\"k\"}]}}]} "),
           true, 2);
    expect(OTLP_LOGS, true, SLICE("{}"), true, 0);
    expect(OTLP_LOGS, true, SLICE("[]"), false, 0);
    expect(OTLP_LOGS, true, SLICE("{} {}"), false, 0);
    expect(OTLP_LOGS, true, SLICE("{\"resourceLogs\":[3]}"), false, 0);
    expect(OTLP_LOGS, true, SLICE("{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{}"), false,
           0);
    expect(OTLP_LOGS, true, SLICE(""), false, 0);
}

static void points_of_which_nothing_can_be_made_are_refused_one_by_one(void **unused)
{
    (void)unused;
    uint64_t events, refused;
    assert_true(
        take(OTLP_METRICS, true,
             SLICE("{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[{\"name\":\"n\"},"
                   "{\"name\":\"g\",\"gauge\":{\"dataPoints\":[{\"asInt\":\"3\"}]}},"
                   "{\"name\":\"h\",\"histogram\":{\"dataPoints\":[{\"bucketCounts\":[1],"
                   "\"explicitBounds\":[1,2]}]}},{\"name\":\"e\",\"exponentialHistogram\":"
                   "{\"dataPoints\":[{\"scale\":99}]}}]}]}]}"),
             &events, &refused));
    assert_int_equal(events, 1);
    assert_int_equal(refused, 3);
}

static void a_resource_that_is_too_long_is_told_by_its_events(void **unused)
{
    (void)unused;
    static char text[RESOURCE_TEXT_BYTES + 1024];
    static const char record_of[] = "{\"resourceLogs\":[{\"resource\":{\"attributes\":["
                                    "{\"key\":\"a\",\"value\":{\"stringValue\":\"x\"}},"
                                    "{\"key\":\"b\",\"value\":{\"stringValue\":\"%*s\"}}]},"
                                    "\"scopeLogs\":[{\"logRecords\":[{}]}]}]}";
    for (int is_long = 0; is_long < 2; is_long++) {
        (void)snprintf(text, sizeof(text), record_of, is_long ? RESOURCE_TEXT_BYTES : 1, "x");
        expect(OTLP_LOGS, true, slice_of(text), true, 1);
        assert_int_equal(last_lost, is_long ? 2 : 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_part_of_a_message_is_broken_and_has_no_events),
        cmocka_unit_test(unknown_fields_are_skipped_and_groups_are_refused),
        cmocka_unit_test(json_may_have_its_keys_in_any_order_and_null_anywhere),
        cmocka_unit_test(points_of_which_nothing_can_be_made_are_refused_one_by_one),
        cmocka_unit_test(a_resource_that_is_too_long_is_told_by_its_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
