/* SPDX-License-Identifier: Apache-2.0 */
/* kmsg: a pipe in packet mode takes the place of the device: there too each read() is one record.
 * (pipe(2), O_DIRECT.) It has no history, so what a restart meets is written again. */
#include "fake_sink.h"
#include "test.h"

#include <fcntl.h>

extern const struct input input_kmsg;

struct kmsg_config {
    opt_text path;
    opt_choice start_at;
};
enum { BEGINNING, END };

struct fixture {
    char path[64];
    int reader, writer;
    void *state;
    struct kmsg_config config;
    struct sink *sink;
};

static const struct host host = { .name = "kernel", .buffer_bytes = 64 * 1024 };

static int setup(void **statep)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    int ends[2];

    assert_int_equal(sizeof(fixture->config), input_kmsg.type.config_bytes);
    assert_int_equal(pipe2(ends, O_DIRECT | O_NONBLOCK), 0);
    fixture->reader = ends[0]; /* for its name; the input opens one of its own */
    fixture->writer = ends[1];
    (void)fcntl(fixture->writer, F_SETPIPE_SZ, 1 << 20);
    (void)snprintf(fixture->path, sizeof(fixture->path), "/proc/self/fd/%d", fixture->reader);
    fixture->config.path = fixture->path;
    fixture->sink = fake_sink_new();
    *statep = fixture;
    return 0;
}

static void close_input(struct fixture *fixture)
{
    if (fixture->state != NULL)
        input_kmsg.close(fixture->state);
    free(fixture->state);
    fixture->state = NULL;
}

static int teardown(void **statep)
{
    struct fixture *fixture = *statep;

    close_input(fixture);
    fake_sink_free(&fixture->sink);
    (void)close(fixture->writer);
    (void)close(fixture->reader);
    free(fixture);
    return 0;
}

static void open_input(struct fixture *fixture)
{
    struct err err = { "" };

    fixture->state = calloc(1, input_kmsg.type.state_bytes);
    if (!input_kmsg.open(fixture->state, &fixture->config, &host, &err))
        fail_msg("%s", err.text);
}

static void put(struct fixture *fixture, const char *record)
{
    assert_int_equal(write(fixture->writer, record, strlen(record)), (ssize_t)strlen(record));
}

static void put_number(struct fixture *fixture, unsigned sequence)
{
    char record[64];
    (void)snprintf(record, sizeof(record), "6,%u,1000,-;message %u\n", sequence, sequence);
    put(fixture, record);
}

static void drain(struct fixture *fixture)
{
    assert_int_equal(fake_sink_drain(fixture->sink, &input_kmsg, fixture->state, 100),
                     COLLECT_IDLE);
}

static void save(struct fixture *fixture, struct buf *ret)
{
    (void)fake_sink_settle(fixture->sink, &input_kmsg, fixture->state, 1000);
    assert_true(input_kmsg.save(fixture->state, ret));
}

static void restart(struct fixture *fixture, const struct buf *checkpoint)
{
    struct err err = { "" };

    close_input(fixture);
    fake_sink_clear(fixture->sink);
    open_input(fixture);
    if (!input_kmsg.restore(fixture->state, buf_slice(checkpoint), &err))
        fail_msg("%s", err.text);
}

static int64_t integer_of(const struct event *event, const char *key)
{
    struct value value;

    assert_true(event_field(event, slice_of(key), &value));
    assert_int_equal(value.kind, VALUE_INT);
    return value.integer;
}

static void a_message_is_an_event_with_level_time_and_origin(void **statep)
{
    struct fixture *fixture = *statep;

    open_input(fixture);
    put(fixture,
        "3,7,5000000,-,caller=T42;usb 1-1: device\\x09lost\n SUBSYSTEM=usb\n DEVICE=c189:0\n");
    drain(fixture);
    assert_int_equal(fixture->sink->event_count, 1);
    const struct event *event = &fixture->sink->events[0];
    assert_string_equal(fake_sink_body(fixture->sink, 0), "usb 1-1: device\tlost");
    assert_int_equal(event->severity, SEVERITY_ERROR);
    assert_true(slice_equals(event->severity_text, SLICE("err")));
    assert_int_equal(integer_of(event, "linux.kmsg.sequence"), 7);
    assert_int_equal(integer_of(event, "log.syslog.facility.code"), 0);
    assert_int_equal(integer_of(event, "thread.id"), 42);
    assert_true(slice_equals(fake_sink_attribute(event, "linux.kmsg.subsystem"), SLICE("usb")));
    assert_true(slice_equals(fake_sink_attribute(event, "linux.kmsg.device"), SLICE("c189:0")));
    /* Five seconds after the boot. */
    int64_t boot_ns = clock_real_ns() - clock_now_ms() * NS_PER_MS;
    int64_t off_ns = event->time_ns - boot_ns - 5 * NS_PER_S;
    assert_true(off_ns > -NS_PER_S && off_ns < NS_PER_S);
}

static void a_jump_in_the_numbers_is_counted_as_lost(void **statep)
{
    struct fixture *fixture = *statep;

    open_input(fixture);
    put_number(fixture, 100); /* what was before the first start is nobody's loss */
    put_number(fixture, 101);
    drain(fixture);
    assert_int_equal(fixture->sink->loss_count, 0);
    put_number(fixture, 152);
    put_number(fixture, 153);
    drain(fixture);
    assert_int_equal(fixture->sink->loss_count, 1);
    assert_int_equal(fixture->sink->losses[0].events, 50);
    assert_string_equal(fixture->sink->losses[0].what, fixture->path);
    assert_int_equal(fixture->sink->event_count, 4);
}

/* Also where it is the first that is read: its number is not asked for. */
static void a_record_that_starts_before_died_of_is_set_aside_and_no_gap(void **statep)
{
    static const char fatal[] = "6,101,1000,-;message 101\n";
    struct fixture *fixture = *statep;

    open_input(fixture);
    fixture->sink->fatal =
        (struct fatal_place){ in_hand_name(fatal, sizeof(fatal) - 1), 0, sizeof(fatal) - 1 };
    for (unsigned i = 100; i < 104; i++)
        put_number(fixture, i);
    drain(fixture);
    assert_int_equal(fixture->sink->aside_count, 1);
    assert_int_equal(fixture->sink->aside_done, 1);
    assert_memory_equal(fixture->sink->aside.data, fatal, sizeof(fatal) - 1);
    assert_int_equal(fixture->sink->loss_count, 0);
    assert_int_equal(fixture->sink->event_count, 3);
    assert_string_equal(fake_sink_body(fixture->sink, 1), "message 102");
}

static struct fatal_place died_of;

static void note_record(void)
{
    died_of = (struct fatal_place){ in_hand_now.source, in_hand_now.from, in_hand_now.to };
}

static void the_record_in_hand_is_said(void **statep)
{
    struct fixture *fixture = *statep;
    const char *record = "6,100,1000,-;message 100\n";

    open_input(fixture);
    fixture->sink->on_event = note_record;
    put_number(fixture, 100);
    drain(fixture);
    assert_int_equal(died_of.source, in_hand_name(record, strlen(record)));
    assert_int_equal(died_of.to - died_of.from, strlen(record));
    assert_int_equal(in_hand_now.from, in_hand_now.to); /* and it is over */
}

static void after_a_restart_only_what_was_not_settled_comes(void **statep)
{
    struct fixture *fixture = *statep;
    struct buf checkpoint = { 0 };

    open_input(fixture);
    put_number(fixture, 5);
    put_number(fixture, 6);
    drain(fixture);
    save(fixture, &checkpoint);
    put_number(fixture, 7);
    drain(fixture); /* not settled */
    restart(fixture, &checkpoint);
    for (unsigned i = 5; i < 9; i++)
        put_number(fixture, i);
    drain(fixture);
    assert_int_equal(fixture->sink->loss_count, 0);
    assert_int_equal(fixture->sink->event_count, 2);
    assert_string_equal(fake_sink_body(fixture->sink, 0), "message 7");
    buf_fini(&checkpoint);
}

static void what_was_overwritten_while_it_was_down_is_counted(void **statep)
{
    struct fixture *fixture = *statep;
    struct buf checkpoint = { 0 };

    open_input(fixture);
    put_number(fixture, 5);
    drain(fixture);
    save(fixture, &checkpoint);
    restart(fixture, &checkpoint);
    put_number(fixture, 9);
    drain(fixture);
    assert_int_equal(fixture->sink->loss_count, 1);
    assert_int_equal(fixture->sink->losses[0].events, 3);
    buf_fini(&checkpoint);
}

static void after_a_reboot_all_of_the_new_boot_has_to_come(void **statep)
{
    struct fixture *fixture = *statep;
    struct buf checkpoint = { 0 };

    fixture->config.start_at = END;
    assert_true(buf_add_text(&checkpoint, "spillway-kmsg 1 another-boot 900\n"));
    restart(fixture, &checkpoint);
    put_number(fixture, 2);
    put_number(fixture, 3);
    drain(fixture);
    assert_int_equal(fixture->sink->event_count, 2);
    assert_int_equal(fixture->sink->loss_count, 1);
    assert_int_equal(fixture->sink->losses[0].events, 2);
    buf_fini(&checkpoint);
}

static void from_the_end_what_is_there_is_passed_over_and_its_place_is_known(void **statep)
{
    struct fixture *fixture = *statep;
    struct buf checkpoint = { 0 };

    fixture->config.start_at = END;
    open_input(fixture);
    put_number(fixture, 5);
    put_number(fixture, 6);
    drain(fixture);
    assert_int_equal(fixture->sink->event_count, 0);
    save(fixture, &checkpoint); /* nothing was delivered, and yet there is a position */
    restart(fixture, &checkpoint);
    put_number(fixture, 6);
    put_number(fixture, 7);
    drain(fixture);
    assert_int_equal(fixture->sink->event_count, 1);
    assert_string_equal(fake_sink_body(fixture->sink, 0), "message 7");
    buf_fini(&checkpoint);
}

static void what_is_no_record_is_shipped_as_it_is_flagged_and_counted(void **statep)
{
    struct fixture *fixture = *statep;

    open_input(fixture);
    put(fixture, "what is this?\n");
    put_number(fixture, 1);
    drain(fixture);
    assert_string_equal(fake_sink_body(fixture->sink, 0), "what is this?");
    assert_true(fake_sink_attribute(&fixture->sink->events[0], "log.parse_error").bytes > 0);
    assert_int_equal(fixture->sink->numbers[SINK_LINES_UNPARSED], 1);
    assert_int_equal(fixture->sink->numbers[SINK_LINES], 2);
}

static void more_messages_than_the_buffer_takes_come_in_several_rounds(void **statep)
{
    struct fixture *fixture = *statep;
    char record[4000];

    open_input(fixture);
    for (int i = 0; i < 16; i++) {
        int length = snprintf(record, sizeof(record), "6,%d,1,-;%03d ", i, i);
        memset(record + length, 'x', sizeof(record) - (size_t)length);
        assert_int_equal(write(fixture->writer, record, sizeof(record)), sizeof(record));
    }
    drain(fixture);
    assert_int_equal(fixture->sink->event_count, 16);
    for (size_t i = 0; i < 16; i++)
        assert_int_equal(atoi(fake_sink_body(fixture->sink, i)), i);
}

static void a_wrong_checkpoint_is_refused_and_an_empty_one_is_none(void **statep)
{
    static const char *const wrong[] = { "x", "spillway-kmsg 2 boot 1\n", "spillway-kmsg 1 boot\n",
                                         "spillway-kmsg 1 boot 1 more\n" };
    struct fixture *fixture = *statep;
    struct err err = { "" };

    open_input(fixture);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_false(input_kmsg.restore(fixture->state, slice_of(wrong[i]), &err));
    assert_true(input_kmsg.restore(fixture->state, SLICE(""), &err));
    put_number(fixture, 4);
    drain(fixture);
    assert_int_equal(fixture->sink->event_count, 1);
    assert_int_equal(fixture->sink->loss_count, 0);
}

static void a_device_that_is_not_there_is_told_with_its_path(void **statep)
{
    struct fixture *fixture = *statep;
    struct err err = { "" };
    void *state = calloc(1, input_kmsg.type.state_bytes);

    fixture->config.path = "/nonexistent/kmsg";
    assert_false(input_kmsg.open(state, &fixture->config, &host, &err));
    assert_non_null(strstr(err.text, "/nonexistent/kmsg"));
    free(state);
}

#define WITH_PIPE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_PIPE(a_message_is_an_event_with_level_time_and_origin),
        WITH_PIPE(a_jump_in_the_numbers_is_counted_as_lost),
        WITH_PIPE(after_a_restart_only_what_was_not_settled_comes),
        WITH_PIPE(a_record_that_starts_before_died_of_is_set_aside_and_no_gap),
        WITH_PIPE(the_record_in_hand_is_said),
        WITH_PIPE(what_was_overwritten_while_it_was_down_is_counted),
        WITH_PIPE(after_a_reboot_all_of_the_new_boot_has_to_come),
        WITH_PIPE(from_the_end_what_is_there_is_passed_over_and_its_place_is_known),
        WITH_PIPE(what_is_no_record_is_shipped_as_it_is_flagged_and_counted),
        WITH_PIPE(more_messages_than_the_buffer_takes_come_in_several_rounds),
        WITH_PIPE(a_wrong_checkpoint_is_refused_and_an_empty_one_is_none),
        WITH_PIPE(a_device_that_is_not_there_is_told_with_its_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
