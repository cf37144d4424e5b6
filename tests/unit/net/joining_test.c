/* SPDX-License-Identifier: Apache-2.0 */
/* joining: what is held comes to the sink whole, once, and through each change of the rules. */
#include "net/joining.h"

#include "net/listener.h"

#include "fake_sink.h"
#include "refused_memory.h"
#include "test.h"

struct scene {
    struct joining joining;
    struct joiner_rules rules;
    struct sink *sink;
    struct peer one, two;
};

static int setup(void **statep)
{
    struct scene *scene = calloc(1, sizeof(*scene));

    assert_non_null(scene);
    scene->rules = (struct joiner_rules){ .lines = { "^begin", "", NULL, 0 },
                                          .max_lines = 10,
                                          .max_bytes = 1024,
                                          .wait_ms = 60000,
                                          .sources = 4 };
    scene->sink = fake_sink_new();
    scene->one = (struct peer){ .address = "192.0.2.1", .address_bytes = 9, .port = 1 };
    scene->two = (struct peer){ .address = "192.0.2.2", .address_bytes = 9, .port = 2 };
    *statep = scene;
    return 0;
}

static int teardown(void **statep)
{
    struct scene *scene = *statep;

    joining_fini(&scene->joining);
    fake_sink_free(&scene->sink);
    free(scene);
    return 0;
}

static void set(struct scene *scene)
{
    struct err err = { "" };

    if (!joining_set(&scene->joining, &scene->rules, 256, &err))
        fail_msg("%s", err.text);
}

static void add(struct scene *scene, const struct peer *peer, const char *line)
{
    struct arrival arrival = { .data = { line, strlen(line) },
                               .whole_bytes = strlen(line),
                               .peer = peer };

    joining_add(&scene->joining, scene->sink, &arrival);
}

static void expect(struct scene *scene, size_t nth, const char *body, const struct peer *peer)
{
    (void)sink_flush(scene->sink);
    assert_true(scene->sink->event_count > nth);
    assert_string_equal(fake_sink_body(scene->sink, nth), body);
    struct slice from = fake_sink_attribute(&scene->sink->events[nth], "network.peer.address");
    assert_memory_equal(from.data, peer->address, peer->address_bytes);
}

static void the_lines_of_each_peer_are_events_of_their_own(void **statep)
{
    struct scene *scene = *statep;

    set(scene);
    add(scene, &scene->one, "begin 1");
    add(scene, &scene->two, "begin 2");
    add(scene, &scene->one, "more of 1");
    add(scene, &scene->two, "more of 2");
    (void)sink_flush(scene->sink);
    assert_int_equal(scene->sink->event_count, 0);
    joining_end(&scene->joining, scene->sink, &scene->two);
    expect(scene, 0, "begin 2\nmore of 2", &scene->two);
    joining_end_all(&scene->joining, scene->sink);
    expect(scene, 1, "begin 1\nmore of 1", &scene->one);
    assert_int_equal(scene->sink->numbers[SINK_EVENTS_ENDED], 0);
}

static void events_stay_as_they_are_until_the_round_is_over(void **statep)
{
    enum { EVENTS = 2000 }; /* more than a round's text has room for */
    struct scene *scene = *statep;
    char line[128];

    set(scene);
    joining_begin(&scene->joining, scene->sink);
    for (int i = 0; i < EVENTS; i++) {
        (void)snprintf(line, sizeof(line), "begin %-90d.", i);
        add(scene, &scene->one, line);
        add(scene, &scene->one, "more");
    }
    joining_end_all(&scene->joining, scene->sink);
    for (int i = 0; i < EVENTS; i++) {
        (void)snprintf(line, sizeof(line), "begin %-90d.\nmore", i);
        expect(scene, (size_t)i, line, &scene->one);
    }
}

static void one_over_its_bound_is_flagged_and_counted(void **statep)
{
    struct scene *scene = *statep;
    struct value value;

    scene->rules.max_lines = 2;
    set(scene);
    for (int i = 0; i < 3; i++)
        add(scene, &scene->one, i == 0 ? "begin" : "more");
    joining_end_all(&scene->joining, scene->sink);
    expect(scene, 0, "begin\nmore", &scene->one);
    expect(scene, 1, "more", &scene->one);
    assert_true(event_field(&scene->sink->events[0], SLICE("log.record.incomplete"), &value));
    assert_false(event_field(&scene->sink->events[1], SLICE("log.record.incomplete"), &value));
    assert_int_equal(scene->sink->numbers[SINK_EVENTS_ENDED], 1);
}

static void a_pattern_that_goes_astray_is_counted_and_told(void **statep)
{
    struct scene *scene = *statep;
    char line[1001] = "";

    scene->rules.lines = (struct multiline_rules){ "", "^(a|aa)+$", NULL, 0 };
    scene->rules.max_bytes = 4096;
    set(scene);
    memset(line, 'a', sizeof(line) - 1);
    line[sizeof(line) - 2] = 'b';
    add(scene, &scene->one, line);
    add(scene, &scene->one, line);
    joining_tend(&scene->joining, scene->sink);
    joining_end_all(&scene->joining, scene->sink);
    expect(scene, 1, line, &scene->one); /* no match: each by itself */
    assert_true(scene->sink->numbers[SINK_PATTERNS_GIVEN_UP] > 0);
    assert_true(fake_sink_told(scene->sink, "given up"));
}

static void what_was_cut_or_broke_off_is_flagged(void **statep)
{
    struct scene *scene = *statep;
    struct arrival cut = { .data = SLICE("begin"), .whole_bytes = 25, .peer = &scene->one };
    struct arrival torn = {
        .data = SLICE("mo"), .whole_bytes = 2, .is_unfinished = true, .peer = &scene->two
    };
    struct value value;

    set(scene);
    joining_add(&scene->joining, scene->sink, &cut);
    add(scene, &scene->two, "begin");
    joining_add(&scene->joining, scene->sink, &torn);
    joining_end(&scene->joining, scene->sink, &scene->two);
    joining_end(&scene->joining, scene->sink, &scene->one);
    expect(scene, 0, "begin\nmo", &scene->two);
    expect(scene, 1, "begin", &scene->one);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(scene->sink->events[i].flags & EVENT_TRUNCATED, EVENT_TRUNCATED);
        assert_true(
            event_field(&scene->sink->events[i], SLICE("log.record.original_bytes"), &value));
        assert_int_equal(value.integer, i == 0 ? 8 : 25);
    }
}

/* A line that could not be held comes cut in the middle of a connection, and others come after. */
static void only_the_event_of_a_torn_line_is_flagged(void **statep)
{
    struct scene *scene = *statep;
    const struct peer *peers[] = { &scene->one, &scene->two };

    set(scene);
    for (size_t i = 0; i < 2; i++) {
        struct arrival torn = {
            .data = SLICE("mo"), .whole_bytes = 2, .is_unfinished = true, .peer = peers[i]
        };
        add(scene, peers[i], "begin 1");
        joining_add(&scene->joining, scene->sink, &torn);
    }
    for (size_t i = 0; i < 2; i++) {
        add(scene, peers[i], "begin 2");
        add(scene, peers[i], "begin 3");
    }
    for (size_t i = 0; i < 4; i++) {
        expect(scene, i, i % 2 == 0 ? "begin 1\nmo" : "begin 2", peers[i / 2]);
        assert_int_equal(scene->sink->events[i].flags & EVENT_TRUNCATED,
                         i % 2 == 0 ? EVENT_TRUNCATED : 0);
    }
    joining_end_all(&scene->joining, scene->sink);
}

static void the_wait_of_what_is_held_names_the_deadline(void **statep)
{
    struct scene *scene = *statep;
    struct waits waits = { .until_ms = 0 };

    set(scene);
    joining_wait(&scene->joining, &waits);
    assert_int_equal(waits.until_ms, 0);
    int64_t before_ms = clock_now_ms();
    add(scene, &scene->one, "begin");
    joining_wait(&scene->joining, &waits);
    assert_in_range(waits.until_ms, before_ms + 60000, clock_now_ms() + 60000);
    waits.until_ms = 1;
    joining_wait(&scene->joining, &waits);
    assert_int_equal(waits.until_ms, 1);
    joining_tend(&scene->joining, scene->sink);
    (void)sink_flush(scene->sink);
    assert_int_equal(scene->sink->event_count, 0);
}

static void other_rules_give_what_was_held_at_the_next_round_and_the_same_keep_it(void **statep)
{
    struct scene *scene = *statep;

    set(scene);
    add(scene, &scene->one, "begin");
    set(scene);
    add(scene, &scene->one, "more");
    scene->rules.lines.start = "";
    set(scene);
    assert_null(scene->joining.now);
    (void)sink_flush(scene->sink);
    assert_int_equal(scene->sink->event_count, 0);
    joining_begin(&scene->joining, scene->sink);
    expect(scene, 0, "begin\nmore", &scene->one);
    assert_null(scene->joining.before);
}

static void a_change_that_is_taken_back_has_changed_nothing(void **statep)
{
    struct scene *scene = *statep;

    joining_undo(&scene->joining);
    set(scene);
    joining_undo(&scene->joining); /* there was nothing before it */
    assert_null(scene->joining.now);
    set(scene);
    add(scene, &scene->one, "begin");
    const struct joining_way *way = scene->joining.now;
    for (int i = 0; i < 2; i++) {
        scene->rules.max_lines = 5;
        set(scene);
        assert_ptr_not_equal(scene->joining.now, way);
        if (i == 0) {
            joining_undo(&scene->joining);
        } else { /* a reload that goes back says so by the rules */
            scene->rules.max_lines = 10;
            set(scene);
        }
        assert_ptr_equal(scene->joining.now, way);
    }
    joining_begin(&scene->joining, scene->sink);
    add(scene, &scene->one, "more");
    joining_end_all(&scene->joining, scene->sink);
    expect(scene, 0, "begin\nmore", &scene->one);
}

static void the_way_back_needs_no_memory(void **statep)
{
    struct scene *scene = *statep;
    struct err err = { "" };

    set(scene);
    const struct joining_way *way = scene->joining.now;
    scene->rules.lines.start = "^other";
    set(scene);
    scene->rules.lines.start = "^begin";
    memory_is_refused = true;
    bool is_back = joining_set(&scene->joining, &scene->rules, 256, &err);
    memory_is_refused = false;
    assert_true(is_back);
    assert_ptr_equal(scene->joining.now, way);
}

static void each_rule_makes_another_way_and_the_same_rules_make_none(void **statep)
{
    static const char *names[] = { "java", "python" };
    struct scene *scene = *statep;
    struct joiner_rules rules[8];

    for (size_t i = 0; i < 8; i++)
        rules[i] = scene->rules;
    rules[1].lines.continuation = "^ ";
    rules[2].lines.traces = names;
    rules[2].lines.trace_count = 1;
    rules[3].lines.traces = names;
    rules[3].lines.trace_count = 2;
    rules[4].max_lines++;
    rules[5].max_bytes++;
    rules[6].wait_ms++;
    rules[7].sources++;
    const struct joining_way *ways[8];
    for (size_t i = 0; i < 8; i++) {
        scene->rules = rules[i];
        set(scene);
        ways[i] = scene->joining.now;
        for (size_t k = 0; k < i; k++)
            assert_ptr_not_equal(ways[k], ways[i]);
    }
    for (size_t i = 0; i < 8; i++) {
        scene->rules = rules[i];
        set(scene);
        assert_ptr_equal(scene->joining.now, ways[i]);
    }
}

static void memory_is_named_for_all_side_by_side_and_none_where_nothing_is_joined(void **statep)
{
    struct scene *scene = *statep;

    assert_true(joining_memory_bytes(&scene->rules, 256) > 4 * 1024 + 64 * 1024);
    assert_true(joining_event_bytes(&scene->rules, 256) > 1024);
    scene->rules.lines.start = "";
    assert_int_equal(joining_memory_bytes(&scene->rules, 256), 0);
    assert_int_equal(joining_event_bytes(&scene->rules, 256), 256);
}

static void a_pattern_that_is_none_is_refused(void **statep)
{
    struct scene *scene = *statep;
    struct err err = { "" };

    assert_true(joining_check(&scene->rules, &err));
    scene->rules.lines.start = "(";
    assert_false(joining_check(&scene->rules, &err));
    assert_string_not_equal(err.text, "");
    assert_false(joining_set(&scene->joining, &scene->rules, 256, &err));
    assert_null(scene->joining.now);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_lines_of_each_peer_are_events_of_their_own),
        TEST(events_stay_as_they_are_until_the_round_is_over),
        TEST(one_over_its_bound_is_flagged_and_counted),
        TEST(a_pattern_that_goes_astray_is_counted_and_told),
        TEST(what_was_cut_or_broke_off_is_flagged),
        TEST(only_the_event_of_a_torn_line_is_flagged),
        TEST(the_wait_of_what_is_held_names_the_deadline),
        TEST(other_rules_give_what_was_held_at_the_next_round_and_the_same_keep_it),
        TEST(a_change_that_is_taken_back_has_changed_nothing),
        TEST(the_way_back_needs_no_memory),
        TEST(each_rule_makes_another_way_and_the_same_rules_make_none),
        TEST(memory_is_named_for_all_side_by_side_and_none_where_nothing_is_joined),
        TEST(a_pattern_that_is_none_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
