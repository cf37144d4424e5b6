/* SPDX-License-Identifier: Apache-2.0 */
/* A full lane, and a reading that waits at it: each wait ends by what it should, and at once. */
#include "test.h"

#include "base/bell.h"
#include "base/file.h"
#include "event/resource.h"
#include "input/sink.h"
#include "own_ledger.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { PIECE = 16 * 1024, PIECES = 8, BODY = 1000, AT_ONCE_MS = 60000, HOUR_MS = 3600 * 1000 };

static struct feed feed;
static unsigned lanes_made;

/* One reading's sink with a lane, which it has filled to the brim. */
struct scene {
    struct sink sink;
    struct gate gate;
    struct lane *lane;
    const char *output;
    struct resource *resource;
    pthread_t thread;
    uint64_t offered;
    _Atomic bool waits; /* the reading looked after its reads: so it waits for room */
    _Atomic bool flushed, taken;
    _Atomic bool is_deaf; /* does not hear of room */
};

static int64_t note_wait(void *context)
{
    struct scene *scene = context;
    atomic_store(&scene->waits, true);
    return 0; /* nothing is due */
}

static void ring(void *context)
{
    struct scene *scene = context;
    if (!atomic_load(&scene->is_deaf))
        bell_ring(scene->sink.bell);
}

static void add_events(struct scene *scene, unsigned count)
{
    static char body[BODY];
    for (unsigned i = 0; i < count; i++) {
        struct event *event = sink_event(&scene->sink);
        event->body = (struct slice){ body, sizeof(body) };
    }
    scene->offered += count;
}

static struct scene *make_shedding(bool rereadable, int64_t block_for_ms,
                                   struct shedder_config shed)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    struct err err = { "" };
    char name[32];

    (void)snprintf(name, sizeof(name), "input%u", lanes_made++);
    feed = (struct feed){ .full_events = 1 << 20, .full_bytes = 1 << 30 };
    struct lane_config config = { .capacity_bytes = PIECE * PIECES,
                                  .piece_bytes = PIECE,
                                  .overflow = LANE_BLOCK,
                                  .shed = shed,
                                  .weight = 1,
                                  .books = ledger_lane(ledger, name, "out", rereadable),
                                  .feed = &feed,
                                  .on_room = ring,
                                  .on_room_context = scene };
    scene->lane = lane_new(&config);
    assert_non_null(scene->lane);
    scene->output = "out";
    assert_true(sink_init(&scene->sink, &err));
    scene->sink.input = "in";
    scene->sink.lanes = &scene->lane;
    scene->sink.lane_outputs = &scene->output;
    scene->sink.lane_count = 1;
    scene->sink.rereadable = rereadable;
    scene->sink.block_for_ms = block_for_ms;
    scene->sink.on_wait = note_wait;
    scene->sink.on_wait_context = scene;
    scene->sink.gate = &scene->gate;
    assert_true(bell_open(&scene->sink.bell));
    return scene;
}

static struct scene *make(bool rereadable, int64_t block_for_ms)
{
    return make_shedding(rereadable, block_for_ms, (struct shedder_config){ .high = 1 });
}

static void *flush(void *context)
{
    struct scene *scene = context;
    atomic_store(&scene->taken, sink_flush(&scene->sink));
    atomic_store(&scene->flushed, true);
    return NULL;
}

/* More than fits: the thread is in its wait when this returns. */
static void begin_to_wait_with(struct scene *scene, unsigned count)
{
    add_events(scene, count); /* a piece takes 15 */
    assert_int_equal(pthread_create(&scene->thread, NULL, flush, scene), 0);
    while (!atomic_load(&scene->waits)) {
        ring(scene); /* a bell without a reason: it looks again, and waits again */
        (void)usleep(1000);
    }
    assert_false(atomic_load(&scene->flushed));
}

static void begin_to_wait(struct scene *scene)
{
    begin_to_wait_with(scene, 400);
}

/* Joins; fails if that takes long. */
static void expect_end(struct scene *scene)
{
    int64_t until_ms = clock_now_ms() + AT_ONCE_MS;
    while (!atomic_load(&scene->flushed) && clock_now_ms() < until_ms)
        (void)usleep(1000);
    assert_true(atomic_load(&scene->flushed));
    assert_int_equal(pthread_join(scene->thread, NULL), 0);
}

static uint64_t flow_of(const struct scene *scene, enum flow flow)
{
    return ledger_flow(lane_books(scene->lane), flow).events;
}

static void unmake(struct scene *scene)
{
    lane_abandon(scene->lane, FLOW_drain_timeout_ring);
    lane_free(&scene->lane);
    sink_fini(&scene->sink);
    (void)close(scene->sink.bell);
    free(scene);
}

static void room_ends_the_wait_and_nothing_is_lost(void **unused)
{
    (void)unused;
    struct scene *scene = make(false, 0);
    begin_to_wait(scene);
    while (!atomic_load(&scene->flushed)) {
        for (struct piece *piece; (piece = lane_gather(scene->lane, 0, 0)) != NULL;)
            lane_give_back(scene->lane, &piece);
        (void)usleep(1000);
    }
    expect_end(scene);
    assert_true(atomic_load(&scene->taken));
    assert_int_equal(flow_of(scene, FLOW_admit), scene->offered);
    unmake(scene);
}

static void a_deadline_ends_the_wait_and_the_newest_are_counted(void **unused)
{
    (void)unused;
    struct scene *scene = make(false, 100);
    int64_t began_ms = clock_now_ms();
    begin_to_wait(scene); /* a bell without a reason does not begin it anew */
    while (!atomic_load(&scene->flushed) && clock_now_ms() - began_ms < AT_ONCE_MS) {
        ring(scene);
        (void)usleep(1000);
    }
    expect_end(scene);
    assert_in_range(clock_now_ms() - began_ms, 100, AT_ONCE_MS);
    assert_true(atomic_load(&scene->taken));
    assert_true(flow_of(scene, FLOW_block_timeout) > 0);
    assert_int_equal(flow_of(scene, FLOW_admit) + flow_of(scene, FLOW_block_timeout),
                     scene->offered);
    unmake(scene);
}

static void the_end_of_the_grace_ends_the_wait_of_what_can_be_read_again(void **unused)
{
    (void)unused;
    struct scene *scene = make(true, HOUR_MS); /* also one that has a deadline */
    begin_to_wait(scene);
    atomic_store(&scene->sink.aborting, true);
    ring(scene);
    expect_end(scene);
    assert_false(atomic_load(&scene->taken)); /* still in the source, and so in no account */
    assert_int_equal(flow_of(scene, FLOW_block_timeout), 0);
    assert_true(flow_of(scene, FLOW_admit) < scene->offered);
    unmake(scene);
}

/* Whatever looks at it may be what kills the agent: see ledger/suspect.h. */
static void what_is_just_being_offered_is_known_to_the_next_start(void **unused)
{
    (void)unused;
    struct scene *scene = make(true, 0);
    struct numbers *numbers = ledger_lane_numbers(lane_books(scene->lane));
    begin_to_wait(scene);
    assert_int_equal(numbers_get(numbers, NUMBER_run_events), scene->offered);
    atomic_store(&scene->sink.aborting, true);
    ring(scene);
    expect_end(scene);
    assert_int_equal(numbers_get(numbers, NUMBER_run_events), 0);
    unmake(scene);
}

static void the_end_of_the_grace_counts_what_cannot_be_read_again(void **unused)
{
    (void)unused;
    struct scene *scene = make(false, 0);
    begin_to_wait(scene);
    atomic_store(&scene->sink.aborting, true);
    ring(scene);
    expect_end(scene);
    assert_true(atomic_load(&scene->taken));
    assert_true(flow_of(scene, FLOW_block_timeout) > 0);
    assert_int_equal(flow_of(scene, FLOW_admit) + flow_of(scene, FLOW_block_timeout),
                     scene->offered);
    unmake(scene);
}

/* The log as it is now. */
static const char *read_log(int fd)
{
    static char text[4096];
    ssize_t bytes = pread(fd, text, sizeof(text) - 1, 0);

    assert_true(bytes >= 0);
    text[bytes] = '\0';
    return text;
}

/* It begins to shed, and then finds no room: the line does not wait with it, and when the lane has
 * been emptied meanwhile, the next line does not take its place. */
static void what_is_shed_is_told_before_the_wait_and_again_after_it(void **unused)
{
    (void)unused;
    int fd = memfd_create("log", MFD_CLOEXEC);
    struct scene *scene =
        make_shedding(false, 0, (struct shedder_config){ .high = 0.5, .low = 0.25, .keep = 0.9 });
    log_set_fd(fd);
    add_events(scene, 80); /* six pieces of eight */
    assert_true(sink_flush(&scene->sink));
    assert_string_equal(read_log(fd), "");
    begin_to_wait_with(scene, 100);
    assert_non_null(strstr(read_log(fd), "msg=\"shedding started\" input=in output=out fill=0.75 "
                                         "events=80 bytes=80000 high=0.5 low=0.25 keep=0.9"));
    atomic_store(&scene->is_deaf, true);
    for (struct piece *piece; (piece = lane_gather(scene->lane, 0, 0)) != NULL;)
        lane_give_back(scene->lane, &piece);
    atomic_store(&scene->is_deaf, false);
    ring(scene);
    expect_end(scene);
    log_set_fd(STDERR_FILENO);
    const char *stopped = strstr(read_log(fd), "msg=\"shedding stopped\" input=in output=out ");
    assert_non_null(stopped);
    char shed[64];
    (void)snprintf(shed, sizeof(shed), " high=0.5 low=0.25 shed_events=%llu ",
                   (unsigned long long)flow_of(scene, FLOW_shed_sample));
    assert_non_null(strstr(stopped, shed));
    assert_int_equal(flow_of(scene, FLOW_admit) + flow_of(scene, FLOW_shed_sample), scene->offered);
    unmake(scene);
    (void)close(fd);
}

/* A lane is to be taken out by a reload: what was read for it is counted in its books. */
static void a_lane_that_is_taken_out_ends_the_wait(void **unused)
{
    (void)unused;
    struct scene *scene = make(true, 0);
    begin_to_wait(scene);
    atomic_store(&scene->sink.gives_way, true);
    ring(scene);
    expect_end(scene);
    assert_true(atomic_load(&scene->taken));
    assert_true(flow_of(scene, FLOW_block_timeout) > 0);
    assert_int_equal(flow_of(scene, FLOW_admit) + flow_of(scene, FLOW_block_timeout),
                     scene->offered);
    unmake(scene);
}

static void an_event_begins_empty_whatever_lay_in_its_place(void **unused)
{
    (void)unused;
    struct scene *scene = make(false, 0);
    const struct event blank = { .scratch = &scene->sink.scratch };
    memset(scene->sink.events, 0xa5, sizeof(*scene->sink.events));
    struct event *event = sink_event(&scene->sink);
    assert_int_not_equal(event->observed_ns, 0);
    event->observed_ns = 0;
    assert_memory_equal(event, &blank, offsetof(struct event, trace_id)); /* the ids have a flag */
    scene->sink.count = 0;
    unmake(scene);
}

static void what_waited_in_its_source_counts_as_waited_in_the_lane(void **unused)
{
    (void)unused;
    struct scene *scene = make(false, 0);
    sink_waited(&scene->sink, 5000);
    add_events(scene, 1);
    int64_t latest_ms = clock_boot_ms() - 5000;
    assert_true(sink_flush(&scene->sink));
    assert_in_range(clock_boot_ms() - lane_level(scene->lane).oldest_boot_ms, 5000,
                    5000 + AT_ONCE_MS);
    assert_true(lane_level(scene->lane).oldest_boot_ms >= latest_ms);
    unmake(scene);
}

static void what_came_before_it_was_said_has_not_waited(void **unused)
{
    (void)unused;
    struct scene *scene = make(false, 0);
    int64_t earliest_ms = clock_boot_ms();
    add_events(scene, 1);
    sink_waited(&scene->sink, 5000);
    assert_true(sink_flush(&scene->sink));
    assert_true(lane_level(scene->lane).oldest_boot_ms >= earliest_ms);
    unmake(scene);
}

static void the_least_patient_lane_says_how_long_events_wait(void **unused)
{
    (void)unused;
    struct scene *scene = make(false, 0);
    struct feed other = { .max_wait_ms = 200 };
    struct lane_config config = { .capacity_bytes = PIECE * PIECES,
                                  .piece_bytes = PIECE,
                                  .overflow = LANE_BLOCK,
                                  .shed = { .high = 1 },
                                  .weight = 1,
                                  .books = ledger_lane(ledger, "input-beside", "out", false),
                                  .feed = &other };
    struct lane *lanes[] = { scene->lane, lane_new(&config) };
    assert_non_null(lanes[1]);
    scene->sink.lanes = lanes;
    scene->sink.lane_count = 2;
    feed.max_wait_ms = 1000;
    assert_int_equal(sink_max_wait_ms(&scene->sink), 200);
    other.max_wait_ms = 3000;
    assert_int_equal(sink_max_wait_ms(&scene->sink), 1000);
    scene->sink.lanes = &scene->lane;
    scene->sink.lane_count = 1;
    lane_free(&lanes[1]);
    unmake(scene);
}

enum { ADDED = 9 };
struct adding {
    unsigned seen, lost, without_host;
};

/* Adds more attributes than the first room has, keeps every second event. */
static enum processed add_attributes(void *state, struct event *event)
{
    static const char *const keys[ADDED] = { "a", "b", "c", "d", "e", "f", "g", "h", "i" };
    struct adding *adding = state;
    struct value host;

    for (size_t i = 0; i < ADDED; i++)
        event_integer(event, keys[i], (int64_t)i);
    adding->lost += event->lost_attributes;
    adding->without_host += !event_field(event, SLICE("resource.host.name"), &host) ||
                            !slice_equals(host.text, SLICE("here"));
    return adding->seen++ % 2 == 0 ? PROCESS_KEEP : PROCESS_DROP;
}

static void process(struct scene *scene, unsigned count, struct adding *adding)
{
    static const struct processor processor = { .process = add_attributes };
    struct processor_instance instance = { &processor, adding };

    scene->sink.processors = &instance;
    scene->sink.processor_count = 1;
    for (unsigned i = 0; i < count; i++)
        event_integer(sink_event(&scene->sink), "from.input", 1);
    assert_true(sink_flush(&scene->sink));
    scene->sink.processor_count = 0;
}

static void attributes_that_processors_add_have_room_however_long_the_run_is(void **unused)
{
    static const unsigned counts[] = { 1, 3, SINK_EVENTS, 2 * SINK_EVENTS + 1 };

    (void)unused;
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        struct scene *scene = make(false, 1);
        struct adding adding = { 0 };
        process(scene, counts[i], &adding);
        assert_int_equal(adding.seen, counts[i]);
        assert_int_equal(adding.lost, 0);
        assert_int_equal(flow_of(scene, FLOW_filter), counts[i] / 2);
        assert_int_equal(flow_of(scene, FLOW_admit) + flow_of(scene, FLOW_block_timeout),
                         counts[i] - counts[i] / 2);
        unmake(scene);
    }
}

static uint64_t give_up_twice(void *state)
{
    (void)state;
    return 2;
}

static void patterns_that_processors_gave_up_are_counted(void **unused)
{
    static const struct processor processor = { .process = add_attributes,
                                                .given_up = give_up_twice };
    struct adding adding = { 0 };
    struct processor_instance instance = { &processor, &adding };

    (void)unused;
    struct scene *scene = make(false, 1);
    scene->sink.processors = &instance;
    scene->sink.processor_count = 1;
    (void)sink_event(&scene->sink);
    assert_true(sink_flush(&scene->sink));
    assert_int_equal(numbers_get(ledger_lane_numbers(lane_books(scene->sink.lanes[0])),
                                 NUMBER_patterns_given_up),
                     2);
    scene->sink.processor_count = 0;
    unmake(scene);
}

static void processors_see_the_resource_of_the_reading(void **unused)
{
    const struct attribute host = { SLICE("host.name"),
                                    { .kind = VALUE_TEXT, .text = SLICE("here") } };
    struct adding adding = { 0 };

    (void)unused;
    struct scene *scene = make(false, 0);
    scene->sink.resource = resource_new(&host, 1);
    assert_non_null(scene->sink.resource);
    process(scene, 3, &adding);
    assert_int_equal(adding.seen, 3);
    assert_int_equal(adding.without_host, 0);
    unmake(scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_begins_empty_whatever_lay_in_its_place),
        cmocka_unit_test(what_waited_in_its_source_counts_as_waited_in_the_lane),
        cmocka_unit_test(what_came_before_it_was_said_has_not_waited),
        cmocka_unit_test(attributes_that_processors_add_have_room_however_long_the_run_is),
        cmocka_unit_test(patterns_that_processors_gave_up_are_counted),
        cmocka_unit_test(processors_see_the_resource_of_the_reading),
        cmocka_unit_test(the_least_patient_lane_says_how_long_events_wait),
        cmocka_unit_test(room_ends_the_wait_and_nothing_is_lost),
        cmocka_unit_test(a_deadline_ends_the_wait_and_the_newest_are_counted),
        cmocka_unit_test(the_end_of_the_grace_ends_the_wait_of_what_can_be_read_again),
        cmocka_unit_test(what_is_just_being_offered_is_known_to_the_next_start),
        cmocka_unit_test(the_end_of_the_grace_counts_what_cannot_be_read_again),
        cmocka_unit_test(a_lane_that_is_taken_out_ends_the_wait),
        cmocka_unit_test(what_is_shed_is_told_before_the_wait_and_again_after_it),
    };
    return RUN_WITH_LEDGER(tests);
}
