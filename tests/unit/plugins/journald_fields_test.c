/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_sink.h"
#include "inputs/journald/fields.h"
#include "test.h"

enum { LINE_BYTES = 100 };

struct fixture {
    struct sink *sink;
    char memory[LINE_BYTES + ENTRY_ATTRIBUTE_BYTES];
    struct journal_entry entry;
};

static int setup(void **statep)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    fixture->sink = fake_sink_new();
    fixture->entry = (struct journal_entry){ .event = sink_event(fixture->sink),
                                             .memory = fixture->memory,
                                             .room = sizeof(fixture->memory),
                                             .max_line_bytes = LINE_BYTES };
    *statep = fixture;
    return 0;
}

static int teardown(void **statep)
{
    struct fixture *fixture = *statep;

    fake_sink_free(&fixture->sink);
    free(fixture);
    return 0;
}

/* The data is gone after the call, as the journal's is. */
static void field(struct fixture *fixture, const char *text)
{
    size_t bytes = strlen(text);
    char *copy = malloc(bytes);

    memcpy(copy, text, bytes);
    journal_entry_field(&fixture->entry, (struct slice){ copy, bytes });
    free(copy);
}

static void assert_text(const struct fixture *fixture, const char *key, const char *wanted)
{
    struct slice got = fake_sink_attribute(fixture->entry.event, key);

    if (!slice_equals(got, slice_of(wanted)))
        fail_msg("%s: got '%.*s', wanted '%s'", key, (int)got.bytes, got.data, wanted);
}

static int64_t integer_of(const struct fixture *fixture, const char *key)
{
    struct value value;

    assert_true(event_field(fixture->entry.event, slice_of(key), &value));
    assert_int_equal(value.kind, VALUE_INT);
    return value.integer;
}

static void fields_get_the_names_of_the_conventions(void **statep)
{
    struct fixture *fixture = *statep;

    field(fixture, "_PID=42");
    field(fixture, "MESSAGE=hello = world");
    field(fixture, "PRIORITY=3");
    field(fixture, "_SYSTEMD_UNIT=nginx.service");
    field(fixture, "_SOURCE_REALTIME_TIMESTAMP=1700000000123456");
    field(fixture, "CODE_LINE=seven");
    field(fixture, "UNKNOWN=x");
    const struct event *event = fixture->entry.event;
    assert_true(slice_equals(event->body, SLICE("hello = world")));
    assert_int_equal(event->severity, SEVERITY_ERROR);
    assert_true(slice_equals(event->severity_text, SLICE("err")));
    assert_int_equal(event->time_ns, INT64_C(1700000000123456000));
    assert_int_equal(integer_of(fixture, "process.pid"), 42);
    assert_text(fixture, "systemd.unit", "nginx.service");
    assert_text(fixture, "code.line.number", "seven"); /* no number: as it is */
    assert_int_equal(event->attribute_count, 3);
}

static void all_fields_get_a_name_if_asked_for(void **statep)
{
    struct fixture *fixture = *statep;

    fixture->entry.all_fields = true;
    field(fixture, "_HOSTNAME=web-01");
    field(fixture, "ORDER_ID=77");
    field(fixture, "__=x");
    field(fixture, "=x");
    field(fixture, "no data");
    assert_text(fixture, "journald.hostname", "web-01");
    assert_text(fixture, "journald.order_id", "77");
    assert_int_equal(fixture->entry.event->attribute_count, 2);
    assert_int_equal(fixture->entry.event->lost_attributes, 2);
}

static void senseless_numbers_are_passed_over(void **statep)
{
    struct fixture *fixture = *statep;

    field(fixture, "PRIORITY=8");
    field(fixture, "PRIORITY=");
    field(fixture, "_SOURCE_REALTIME_TIMESTAMP=999999999999999999");
    field(fixture, "_SOURCE_REALTIME_TIMESTAMP=-1");
    assert_int_equal(fixture->entry.event->severity, SEVERITY_NONE);
    assert_int_equal(fixture->entry.event->time_ns, 0);
}

static void a_long_message_is_cut_at_a_character_and_flagged(void **statep)
{
    struct fixture *fixture = *statep;
    char text[8 + LINE_BYTES + 10] = "MESSAGE=";

    memset(text + 8, 'x', LINE_BYTES + 9);
    memcpy(text + 8 + LINE_BYTES - 1, "\xc3\xa4", 2); /* over the limit */
    field(fixture, text);
    assert_int_equal(fixture->entry.event->body.bytes, LINE_BYTES - 1);
    assert_int_equal(fixture->entry.event->flags & EVENT_TRUNCATED, EVENT_TRUNCATED);
    assert_int_equal(integer_of(fixture, "log.record.original_bytes"), LINE_BYTES + 9);
}

static void attributes_of_an_entry_are_bounded_and_what_is_left_out_is_counted(void **statep)
{
    struct fixture *fixture = *statep;
    size_t bytes = ENTRY_ATTRIBUTE_BYTES - 100;
    char *text = calloc(1, bytes + 16);

    (void)strcpy(text, "_CMDLINE=");
    memset(text + 9, 'x', bytes);
    field(fixture, text);
    memcpy(text, "_EXE=xxx", 8);
    field(fixture, text);
    free(text);
    field(fixture, "_COMM=short");
    assert_int_equal(fixture->entry.event->attribute_count, 2);
    assert_int_equal(fixture->entry.event->lost_attributes, 1);
    assert_text(fixture, "process.executable.name", "short");
    assert_true(fixture->entry.used <= fixture->entry.room);
}

static void what_journald_suppressed_is_told_by_itself_alone(void **statep)
{
    struct fixture *fixture = *statep;
    struct slice of;

    field(fixture, "MESSAGE_ID=a596d6fe7bfa4994828e72309e95d61e");
    field(fixture, "N_DROPPED=35");
    field(fixture, "OBJECT_SYSTEMD_UNIT=noisy.service");
    field(fixture, "_TRANSPORT=journal"); /* any program can send those fields */
    assert_int_equal(journal_entry_suppressed(&fixture->entry, &of), 0);
    field(fixture, "_TRANSPORT=driver");
    assert_int_equal(journal_entry_suppressed(&fixture->entry, &of), 35);
    assert_true(slice_equals(of, SLICE("noisy.service")));
    assert_int_equal(integer_of(fixture, "journald.n_dropped"), 35);
}

#define WITH_SINK(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SINK(fields_get_the_names_of_the_conventions),
        WITH_SINK(all_fields_get_a_name_if_asked_for),
        WITH_SINK(senseless_numbers_are_passed_over),
        WITH_SINK(a_long_message_is_cut_at_a_character_and_flagged),
        WITH_SINK(attributes_of_an_entry_are_bounded_and_what_is_left_out_is_counted),
        WITH_SINK(what_journald_suppressed_is_told_by_itself_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
