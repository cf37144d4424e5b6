/* SPDX-License-Identifier: Apache-2.0 */
/* encoder: every line is read back by a JSON parser; limits are tried at every size. */
#include "test.h"

#include "base/random.h"
#include "batch/encoder.h"
#include "event/resource.h"
#include "plugins/plugin.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <time.h>

enum { LIMIT_BYTES = 4096 };

static const int64_t observed_ns = INT64_C(1795475640123000000); /* 2026-11-23T23:14:00.123Z */

static struct event log_event(const char *body)
{
    return (struct event){ .kind = EVENT_LOG, .body = slice_of(body), .observed_ns = observed_ns };
}

static struct encoder *make_encoder(int encoding, size_t limit_bytes)
{
    struct encoder *encoder = encoder_new(encoding, limit_bytes);
    assert_non_null(encoder);
    encoder_begin(encoder);
    return encoder;
}

/* The text of one event alone, as a string; freed by the caller. */
static char *encode_one(const struct event *event)
{
    struct encoder *encoder = make_encoder(ENCODE_NDJSON, LIMIT_BYTES);
    assert_int_equal(encoder_add(encoder, event), ENCODED);
    struct slice text = encoder_end(encoder);
    char *copy = strndup(text.data, text.bytes);
    encoder_free(&encoder);
    assert_non_null(copy);
    return copy;
}

static void check_line(const struct event *event, const char *wanted)
{
    char *got = encode_one(event);
    assert_string_equal(got, wanted);
    cJSON *parsed = cJSON_Parse(got);
    assert_non_null(parsed);
    cJSON_Delete(parsed);
    free(got);
}

static void check_time(int64_t ns, const char *wanted)
{
    struct event event = { .kind = EVENT_LOG, .time_ns = ns };
    char line[128];
    (void)snprintf(line, sizeof(line), "{\"time\":\"%s\"}\n", wanted);
    check_line(&event, line);
}

static void an_event_larger_than_a_batch_is_never_encoded(void **unused)
{
    (void)unused;
    char body[LIMIT_BYTES + 1];
    struct encoder *encoder = make_encoder(ENCODE_NDJSON, LIMIT_BYTES);

    memset(body, 'x', sizeof(body));
    struct event event = { .kind = EVENT_LOG, .body = { body, sizeof(body) } };
    assert_int_equal(encoder_add(encoder, &event), ENCODE_NEVER);
    assert_int_equal(encoder_bytes(encoder), 0);
    event.body.bytes = 1;
    assert_int_equal(encoder_add(encoder, &event), ENCODED);
    encoder_free(&encoder);
}

static void an_event_that_grows_over_the_limit_by_escaping_is_never_encoded(void **unused)
{
    (void)unused;
    char body[LIMIT_BYTES / 2];
    struct encoder *encoder = make_encoder(ENCODE_NDJSON, LIMIT_BYTES);

    memset(body, 1, sizeof(body));
    struct event event = { .kind = EVENT_LOG, .body = { body, sizeof(body) } };
    assert_int_equal(encoder_add(encoder, &event), ENCODE_NEVER);
    encoder_free(&encoder);
}

/* At every length near it: taken exactly when the text fits, whatever the worst case would be. */
static void a_batch_is_filled_to_its_limit_and_not_a_byte_further(void **unused)
{
    (void)unused;
    char body[LIMIT_BYTES];
    const size_t frame = strlen("{\"body\":\"\"}\n");

    for (int encoding = ENCODE_NDJSON; encoding <= ENCODE_JSON_ARRAY; encoding++) {
        size_t extra = encoding == ENCODE_NDJSON ? 0 : strlen("[\n\n]") - strlen("\n");
        size_t most = LIMIT_BYTES - frame - extra;
        memset(body, 'x', sizeof(body));
        for (size_t bytes = most - 700; bytes < sizeof(body); bytes++) {
            struct encoder *encoder = make_encoder(encoding, LIMIT_BYTES);
            struct event event = { .kind = EVENT_LOG, .body = { body, bytes } };
            enum encoded wanted = bytes <= most ? ENCODED : ENCODE_NEVER;
            assert_int_equal(encoder_add(encoder, &event), wanted);
            if (wanted == ENCODED)
                assert_int_equal(encoder_end(encoder).bytes, LIMIT_BYTES - (most - bytes));
            encoder_free(&encoder);
        }
    }
}

static void a_full_batch_keeps_what_it_has_and_takes_a_smaller_event(void **unused)
{
    (void)unused;
    struct encoder *encoder = make_encoder(ENCODE_NDJSON, 60);
    struct event small = { .kind = EVENT_LOG, .body = SLICE("small") };
    struct event large = { .kind = EVENT_LOG, .body = SLICE("a body that is rather a lot larger") };

    assert_int_equal(encoder_add(encoder, &small), ENCODED);
    assert_int_equal(encoder_add(encoder, &large), ENCODE_FULL);
    assert_int_equal(encoder_add(encoder, &small), ENCODED);
    struct slice text = encoder_end(encoder);
    assert_true(slice_equals(text, SLICE("{\"body\":\"small\"}\n{\"body\":\"small\"}\n")));
    encoder_free(&encoder);
}

static void times_are_rfc_3339_and_whole_milliseconds_are_short(void **unused)
{
    (void)unused;
    check_time(observed_ns, "2026-11-23T23:14:00.123Z");
    check_time(observed_ns + 456789, "2026-11-23T23:14:00.123456789Z");
    check_time(observed_ns - 123000000, "2026-11-23T23:14:00.000Z");
    check_time(1, "1970-01-01T00:00:00.000000001Z");
    check_time(-1, "1969-12-31T23:59:59.999999999Z");
    check_time(INT64_C(951782400000000000), "2000-02-29T00:00:00.000Z");
    check_time(INT64_C(4107542399000000000), "2100-02-28T23:59:59.000Z");
    check_time(INT64_C(4107542400000000000), "2100-03-01T00:00:00.000Z");
    check_time(INT64_MAX, "2262-04-11T23:47:16.854775807Z");
    check_time(INT64_MIN, "1677-09-21T00:12:43.145224192Z");
}

static void every_day_of_four_centuries_is_what_the_c_library_says(void **unused)
{
    (void)unused;
    for (int64_t day = -100000; day < 100000; day += 3) {
        time_t second = (time_t)(day * 86400 + day % 86400);
        struct tm utc;
        char wanted[64];
        assert_non_null(gmtime_r(&second, &utc));
        (void)strftime(wanted, sizeof(wanted), "%Y-%m-%dT%H:%M:%S.000Z", &utc);
        if (second != 0)
            check_time((int64_t)second * NS_PER_S, wanted);
    }
}

static void a_new_time_in_the_same_second_is_not_taken_from_the_cache(void **unused)
{
    (void)unused;
    struct encoder *encoder = make_encoder(ENCODE_NDJSON, LIMIT_BYTES);
    const int64_t times[] = { 1000000, 1000000, 2000000, NS_PER_S + 1000000, 1 };
    struct event event = { .kind = EVENT_LOG };

    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        event.observed_ns = times[i];
        assert_int_equal(encoder_add(encoder, &event), ENCODED);
    }
    assert_true(slice_equals(encoder_end(encoder),
                             SLICE("{\"observed_time\":\"1970-01-01T00:00:00.001Z\"}\n"
                                   "{\"observed_time\":\"1970-01-01T00:00:00.001Z\"}\n"
                                   "{\"observed_time\":\"1970-01-01T00:00:00.002Z\"}\n"
                                   "{\"observed_time\":\"1970-01-01T00:00:01.001Z\"}\n"
                                   "{\"observed_time\":\"1970-01-01T00:00:00.000000001Z\"}\n")));
    encoder_free(&encoder);
}

static void empty_fields_are_left_out(void **unused)
{
    (void)unused;
    struct event event = { .kind = EVENT_LOG };
    check_line(&event, "{}\n");
    event.body = SLICE("x");
    check_line(&event, "{\"body\":\"x\"}\n");
}

static void a_log_event_has_its_fields_in_order(void **unused)
{
    (void)unused;
    struct attribute attributes[] = {
        { SLICE("text"), { VALUE_TEXT, { .text = SLICE("a\nb") } } },
        { SLICE("a\"key"), { VALUE_INT, { .integer = INT64_MIN } } },
        { SLICE("real"), { VALUE_REAL, { .real = 0.25 } } },
        { SLICE("yes"), { VALUE_BOOL, { .boolean = true } } },
        { SLICE("empty"), { VALUE_TEXT, { .text = { NULL, 0 } } } },
    };
    struct attribute host = { SLICE("host.name"), { VALUE_TEXT, { .text = SLICE("web") } } };
    struct resource *resource = resource_new(&host, 1);
    struct event event = log_event("say \"hi\"");

    event.time_ns = 1000000;
    event.severity = SEVERITY_ERROR;
    event.severity_text = SLICE("error");
    event.attributes = attributes;
    event.attribute_count = 5;
    event.lost_attributes = 3;
    event.flags = EVENT_HAS_TRACE;
    memset(event.trace_id, 0xab, sizeof(event.trace_id));
    memset(event.span_id, 0x0f, sizeof(event.span_id));
    event.resource = resource;
    check_line(&event,
               "{\"time\":\"1970-01-01T00:00:00.001Z\","
               "\"observed_time\":\"2026-11-23T23:14:00.123Z\","
               "\"severity_number\":17,\"severity_text\":\"error\",\"body\":\"say \\\"hi\\\"\","
               "\"attributes\":{\"text\":\"a\\nb\",\"a\\\"key\":-9223372036854775808,"
               "\"real\":0.25,\"yes\":true,\"empty\":\"\"},\"dropped_attributes_count\":3,"
               "\"trace_id\":\"abababababababababababababababab\","
               "\"span_id\":\"0f0f0f0f0f0f0f0f\",\"resource\":{\"host.name\":\"web\"}}\n");
    resource_unref(&resource);
}

static void a_metric_has_its_fields_in_order(void **unused)
{
    (void)unused;
    struct attribute attribute = { SLICE("cpu"), { VALUE_INT, { .integer = 0 } } };
    struct event event = { .kind = EVENT_SUM,
                           .body = SLICE("system.cpu.time"),
                           .unit = SLICE("s"),
                           .time_ns = 2000000,
                           .start_ns = 1000000,
                           .number = 1.5,
                           .attributes = &attribute,
                           .attribute_count = 1 };

    check_line(&event,
               "{\"time\":\"1970-01-01T00:00:00.002Z\","
               "\"start_time\":\"1970-01-01T00:00:00.001Z\",\"name\":\"system.cpu.time\","
               "\"type\":\"sum\",\"unit\":\"s\",\"value\":1.5,\"attributes\":{\"cpu\":0}}\n");
}

static void the_delta_of_a_sum_and_the_end_of_a_series_say_so(void **unused)
{
    (void)unused;
    struct event event = { .kind = EVENT_SUM,
                           .flags = EVENT_DELTA,
                           .body = SLICE("hits"),
                           .time_ns = 2000000,
                           .start_ns = 1000000,
                           .number = 2 };

    check_line(&event, "{\"time\":\"1970-01-01T00:00:00.002Z\","
                       "\"start_time\":\"1970-01-01T00:00:00.001Z\",\"name\":\"hits\","
                       "\"type\":\"sum\",\"temporality\":\"delta\",\"value\":2}\n");
    event = (struct event){ .kind = EVENT_GAUGE,
                            .flags = EVENT_NO_VALUE,
                            .body = SLICE("up"),
                            .time_ns = 1,
                            .number = NAN };
    check_line(&event, "{\"time\":\"1970-01-01T00:00:00.000000001Z\",\"name\":\"up\","
                       "\"type\":\"gauge\",\"value\":null,\"no_recorded_value\":true}\n");
}

static void a_metric_without_a_time_has_the_time_it_was_observed(void **unused)
{
    (void)unused;
    struct event event = { .kind = EVENT_GAUGE, .body = SLICE("load"), .observed_ns = observed_ns };

    check_line(&event,
               "{\"time\":\"2026-11-23T23:14:00.123Z\",\"name\":\"load\",\"type\":\"gauge\","
               "\"value\":0}\n");
    event.kind = EVENT_UPDOWN;
    event.number = (double)NAN;
    check_line(&event,
               "{\"time\":\"2026-11-23T23:14:00.123Z\",\"name\":\"load\",\"type\":\"updown\","
               "\"value\":null}\n");
}

static void an_array_is_valid_json_with_none_one_and_many_events(void **unused)
{
    (void)unused;
    struct encoder *encoder = make_encoder(ENCODE_JSON_ARRAY, LIMIT_BYTES);
    struct event event = { .kind = EVENT_LOG, .body = SLICE("x") };

    assert_true(slice_equals(encoder_end(encoder), SLICE("[\n]")));
    encoder_begin(encoder);
    assert_int_equal(encoder_add(encoder, &event), ENCODED);
    assert_true(slice_equals(encoder_end(encoder), SLICE("[\n{\"body\":\"x\"}\n]")));
    assert_true(slice_equals(encoder_end(encoder), SLICE("[\n{\"body\":\"x\"}\n]")));
    encoder_begin(encoder);
    assert_int_equal(encoder_add(encoder, &event), ENCODED);
    assert_int_equal(encoder_add(encoder, &event), ENCODED);
    assert_true(
        slice_equals(encoder_end(encoder), SLICE("[\n{\"body\":\"x\"},\n{\"body\":\"x\"}\n]")));
    encoder_free(&encoder);
}

/* ---- events by chance ---- */

static struct slice draw_text(struct random *random, char *room, size_t most)
{
    size_t bytes =
        random_below(random, 8) == 0 ? random_below(random, most) : random_below(random, most / 20);
    uint64_t mix = random_below(random, 3);

    for (size_t i = 0; i < bytes; i++)
        room[i] = (char)(mix == 0   ? random_below(random, 256)
                         : mix == 1 ? 'a' + random_below(random, 26)
                                    : random_below(random, 4));
    return (struct slice){ room, bytes };
}

static void draw_event(struct random *random, struct event *ret, struct attribute *attributes,
                       char *memory)
{
    enum { TEXT_BYTES = 1500, KEY_BYTES = 60 };
    *ret = (struct event){ .kind = (uint8_t)random_below(random, 4), .attributes = attributes };
    ret->body = draw_text(random, memory, TEXT_BYTES);
    ret->observed_ns = (int64_t)(random_next(random) >> 1);
    ret->number = (double)random_below(random, 1000) / 8;
    ret->attribute_count = (uint16_t)random_below(random, 4);
    for (size_t i = 0; i < ret->attribute_count; i++) {
        char *text = memory + (i + 1) * (size_t)(TEXT_BYTES + KEY_BYTES);
        attributes[i].key = draw_text(random, text + TEXT_BYTES, KEY_BYTES);
        attributes[i].value.kind = (enum value_kind)random_below(random, 4);
        attributes[i].value.integer = (int64_t)random_next(random);
        if (attributes[i].value.kind == VALUE_TEXT)
            attributes[i].value.text = draw_text(random, text, TEXT_BYTES);
        if (attributes[i].value.kind == VALUE_BOOL)
            attributes[i].value.boolean = random_below(random, 2) == 1;
    }
}

/* A second encoder with much room says how large the event is. */
static size_t size_alone(struct encoder *roomy, const struct event *event)
{
    encoder_begin(roomy);
    assert_int_equal(encoder_add(roomy, event), ENCODED);
    return encoder_bytes(roomy);
}

static uint64_t count_lines(struct slice text)
{
    uint64_t lines = 0;
    for (const char *next = text.data; next < text.data + text.bytes; lines++) {
        const char *end = memchr(next, '\n', (size_t)(text.data + text.bytes - next));
        assert_non_null(end);
        cJSON *parsed = cJSON_ParseWithLength(next, (size_t)(end - next));
        assert_non_null(parsed);
        cJSON_Delete(parsed);
        next = end + 1;
    }
    return lines;
}

static void fill_one_batch(struct random *random, struct encoder *encoder, struct encoder *roomy)
{
    struct attribute attributes[4];
    char memory[8000];
    struct event event;
    size_t bytes = 0;
    uint64_t events = 0;

    for (;;) {
        draw_event(random, &event, attributes, memory);
        size_t size = size_alone(roomy, &event);
        enum encoded wanted = bytes + size <= LIMIT_BYTES ? ENCODED
                              : events > 0                ? ENCODE_FULL
                                                          : ENCODE_NEVER;
        assert_int_equal(encoder_add(encoder, &event), wanted);
        if (wanted != ENCODED)
            break;
        bytes += size;
        events++;
    }
    assert_int_equal(encoder_bytes(encoder), bytes);
    assert_int_equal(count_lines(encoder_end(encoder)), events);
}

static void any_events_fill_batches_exactly_and_every_line_is_json(void **unused)
{
    (void)unused;
    uint64_t first_seed;

    random_bytes(&first_seed, sizeof(first_seed));
    print_message("seeds from %llu\n", (unsigned long long)first_seed);
    for (uint64_t seed = first_seed; seed - first_seed < 1000; seed++) {
        struct random random = random_make(seed);
        struct encoder *encoder = make_encoder(ENCODE_NDJSON, LIMIT_BYTES);
        struct encoder *roomy = make_encoder(ENCODE_NDJSON, 100000);
        fill_one_batch(&random, encoder, roomy);
        encoder_free(&encoder);
        encoder_free(&roomy);
    }
}

static void a_cut_at_a_piece_of_measuring_does_not_split_a_character(void **unused)
{
    (void)unused;
    static char body[200000];

    /* So large that it must be measured; the euro signs lie across every possible cut. At so many
     * cuts, some more bytes at each would be more than what a measure may be too large by. */
    for (size_t shift = 0; shift < 8; shift++) {
        memset(body, 'x', sizeof(body));
        for (size_t i = shift; i + 3 <= sizeof(body); i += 3)
            memcpy(body + i, "€", 3);
        struct event event = { .kind = EVENT_LOG, .body = { body, sizeof(body) - shift % 3 } };
        struct encoder *roomy = make_encoder(ENCODE_NDJSON, 2 * sizeof(body));
        size_t size = size_alone(roomy, &event);
        struct encoder *encoder = make_encoder(ENCODE_NDJSON, size);
        assert_int_equal(encoder_add(encoder, &event), ENCODED);
        encoder_free(&encoder);
        encoder_free(&roomy);
    }
}

/* ---- splitting ---- */

static void check_split(int encoding, const char *text, uint64_t events, const char *first,
                        const char *second)
{
    struct buf got_first = { 0 }, got_second = { 0 };

    assert_true(encoder_split(encoding, slice_of(text), events, &got_first, &got_second));
    assert_string_equal(got_first.data, first);
    assert_string_equal(got_second.data, second);
    buf_fini(&got_first);
    buf_fini(&got_second);
}

static void check_no_split(int encoding, const char *text, uint64_t events)
{
    struct buf first = { 0 }, second = { 0 };

    assert_false(encoder_split(encoding, slice_of(text), events, &first, &second));
    buf_fini(&first);
    buf_fini(&second);
}

static void a_text_is_not_split_where_a_half_would_be_empty(void **unused)
{
    (void)unused;
    for (int encoding = ENCODE_NDJSON; encoding <= ENCODE_JSON_ARRAY; encoding++) {
        check_no_split(encoding, "", 1);
        check_no_split(encoding, "{}", 1);
    }
    check_no_split(ENCODE_NDJSON, "{}\n{}\n", 0);
    check_no_split(ENCODE_NDJSON, "{}\n{}\n", 2);
    check_no_split(ENCODE_NDJSON, "{}\n{}\n", UINT64_MAX);
    check_no_split(ENCODE_JSON_ARRAY, "[\n]", 1);
    check_no_split(ENCODE_JSON_ARRAY, "[\n{}\n]", 1);
    check_no_split(ENCODE_JSON_ARRAY, "[\n{},\n{}\n]", 0);
    check_no_split(ENCODE_JSON_ARRAY, "[\n{},\n{}\n]", 2);
    check_no_split(ENCODE_JSON_ARRAY, "[\n{},\n{}\n]", 3);
}

static void both_halves_of_a_split_are_whole_texts(void **unused)
{
    (void)unused;
    check_split(ENCODE_NDJSON, "{\"a\":1}\n{}\n{}\n", 1, "{\"a\":1}\n", "{}\n{}\n");
    check_split(ENCODE_NDJSON, "{\"a\":1}\n{}\n{}\n", 2, "{\"a\":1}\n{}\n", "{}\n");
    check_split(ENCODE_JSON_ARRAY, "[\n{\"a\":1},\n{},\n{}\n]", 1, "[\n{\"a\":1}\n]",
                "[\n{},\n{}\n]");
    check_split(ENCODE_JSON_ARRAY, "[\n{\"a\":1},\n{},\n{}\n]", 2, "[\n{\"a\":1},\n{}\n]",
                "[\n{}\n]");
}

static void a_split_that_finds_no_memory_says_so(void **unused)
{
    (void)unused;
    struct buf first = { .limit = 2 }, second = { 0 };

    assert_false(encoder_split(ENCODE_NDJSON, SLICE("{}\n{}\n"), 1, &first, &second));
    buf_fini(&first);
    buf_fini(&second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_larger_than_a_batch_is_never_encoded),
        cmocka_unit_test(an_event_that_grows_over_the_limit_by_escaping_is_never_encoded),
        cmocka_unit_test(a_batch_is_filled_to_its_limit_and_not_a_byte_further),
        cmocka_unit_test(a_full_batch_keeps_what_it_has_and_takes_a_smaller_event),
        cmocka_unit_test(times_are_rfc_3339_and_whole_milliseconds_are_short),
        cmocka_unit_test(every_day_of_four_centuries_is_what_the_c_library_says),
        cmocka_unit_test(a_new_time_in_the_same_second_is_not_taken_from_the_cache),
        cmocka_unit_test(empty_fields_are_left_out),
        cmocka_unit_test(a_log_event_has_its_fields_in_order),
        cmocka_unit_test(a_metric_has_its_fields_in_order),
        cmocka_unit_test(the_delta_of_a_sum_and_the_end_of_a_series_say_so),
        cmocka_unit_test(a_metric_without_a_time_has_the_time_it_was_observed),
        cmocka_unit_test(an_array_is_valid_json_with_none_one_and_many_events),
        cmocka_unit_test(any_events_fill_batches_exactly_and_every_line_is_json),
        cmocka_unit_test(a_cut_at_a_piece_of_measuring_does_not_split_a_character),
        cmocka_unit_test(a_text_is_not_split_where_a_half_would_be_empty),
        cmocka_unit_test(both_halves_of_a_split_are_whole_texts),
        cmocka_unit_test(a_split_that_finds_no_memory_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
