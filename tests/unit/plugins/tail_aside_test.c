/* SPDX-License-Identifier: Apache-2.0 */
/* aside: what starts before this one died of is passed over, whatever it looks like. */
#include "inputs/tail/aside.h"
#include "tail_scene.h"

#include "base/in_hand.h"

/* What an agent would have died of. */
static struct fatal_place died_of;

static void note(void)
{
    died_of = (struct fatal_place){ in_hand_now.source, in_hand_now.from, in_hand_now.to };
}

/* The first event of that file is the one that the first start dies of. */
static void die_at(const char *text)
{
    rig_append(&rig, "app.log", text);
    rig_open(&rig);
    rig.sink->on_event = note;
    rig_drain(&rig);
    rig_close(&rig);
    fake_sink_clear(rig.sink);
}

static void begin_again(uint64_t from, uint64_t to)
{
    rig_open(&rig);
    rig.sink->fatal = (struct fatal_place){ died_of.source, from, to };
    rig_drain(&rig);
    assert_int_equal(rig.sink->aside_done, 1);
    assert_int_equal(in_hand_now.from, in_hand_now.to);
}

static void expect(const char *const *bodies, size_t count, const char *aside)
{
    assert_string_equal(rig.sink->aside.data == NULL ? "" : rig.sink->aside.data, aside);
    assert_int_equal(rig.sink->event_count, count);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(fake_sink_body(rig.sink, i), bodies[i]);
}

static void the_line_in_hand_is_said_and_set_aside_alone(void **unused)
{
    static const char *const bodies[] = { "two", "three" };

    (void)unused;
    die_at("one\r\ntwo\nthree\n");
    assert_int_equal(died_of.from, 0);
    assert_int_equal(died_of.to, 5);
    begin_again(0, 5);
    expect(bodies, 2, "one\r\n");
}

static void one_in_the_middle_and_one_at_the_end_too(void **unused)
{
    static const char *const bodies[] = { "one", "three" };

    (void)unused;
    die_at("one\ntwo\nthree\n");
    begin_again(4, 8);
    expect(bodies, 2, "two\n");
    fake_sink_clear(rig.sink);
    rig_close(&rig);
    begin_again(8, 14);
    assert_string_equal(rig.sink->aside.data, "three\n");
    assert_int_equal(rig.sink->event_count, 2);
}

static void a_last_line_without_its_newline_too(void **unused)
{
    static const char *const bodies[] = { "one" };

    (void)unused;
    die_at("one\ntwo");
    begin_again(4, 7);
    expect(bodies, 1, "two\n");
}

static void several_lines_are_several_records(void **unused)
{
    static const char *const bodies[] = { "one", "four" };

    (void)unused;
    die_at("one\ntwo\n\nthree\nmore\nfour\n");
    begin_again(4, 20);
    expect(bodies, 2, "two\nthree\nmore\n");
    assert_int_equal(rig.sink->aside_count, 3);
}

static void a_position_behind_it_is_taken(void **unused)
{
    (void)unused;
    die_at("one\ntwo\nthree\n");
    begin_again(8, 14);
    (void)fake_sink_settle(rig.sink, &input_tail, rig.state, 1000);
    rig_restart(&rig);
    fake_sink_clear(rig.sink);
    rig_drain(&rig);
    assert_int_equal(rig.sink->event_count, 0);
}

static void one_that_is_longer_than_the_buffer_is_set_aside_in_parts(void **unused)
{
    enum { LONG = 700 * 1024 };
    AUTO(auto_free) char *text = malloc(LONG + 16);

    (void)unused;
    memset(text, 'x', LONG);
    (void)strcpy(text + LONG, "\nnext\n");
    die_at("one\n");
    rig_append(&rig, "app.log", text);
    begin_again(4, 4 + LONG + 1);
    assert_true(rig.sink->aside_count > 1);
    assert_int_equal(rig.sink->aside.bytes, LONG + rig.sink->aside_count);
    assert_int_equal(rig.sink->event_count, 2);
    assert_string_equal(fake_sink_body(rig.sink, 1), "next");
}

static void what_is_joined_before_it_ends_there(void **unused)
{
    static const char *const bodies[] = { "1 a\n b", " d", "2 e" };

    (void)unused;
    rig.config.multiline__start = "^\\d";
    rig.config.multiline__wait = 0;
    die_at("1 a\n b\n c\n d\n2 e\n");
    assert_int_equal(died_of.from, 0); /* joined: the whole event is put together just now */
    assert_int_equal(died_of.to, 13);
    begin_again(7, 10);
    rig_drain(&rig);
    expect(bodies, 3, " c\n");
    assert_int_equal(rig.sink->numbers[SINK_EVENTS_ENDED], 0); /* it is whole as it is */
}

static void another_file_and_a_place_that_is_none_any_more_lose_nothing(void **unused)
{
    static const char *const bodies[] = { "one", "two", "three" };

    (void)unused;
    die_at("one\ntwo\nthree\n");
    begin_again(4, 6); /* in the middle of a line */
    expect(bodies, 3, "");
    fake_sink_clear(rig.sink);
    rig_close(&rig);
    begin_again(5, 8); /* begins in the middle of one */
    expect(bodies, 3, "");
    fake_sink_clear(rig.sink);
    rig_close(&rig);
    rig_open(&rig);
    rig.sink->fatal = (struct fatal_place){ died_of.source + 1, 4, 8 };
    rig_drain(&rig);
    expect(bodies, 3, "");
    assert_int_equal(rig.sink->aside_done, 0);
}

/* ---- at random ---- */

enum { SEEDS = 300, LINES = 30, TOKEN = 8 };

/* Lines of two streams, some in parts, some that are none of a container; each has its number. */
static void write_lines(struct random *random, char *ret)
{
    static const char *const streams[] = { "stdout F", "stderr F", "stdout P", "stderr P" };
    char *at = ret;

    for (unsigned i = 0; i < LINES; i++) {
        uint64_t kind = random_below(random, 10);
        at += kind == 0 ? sprintf(at, "no log: <%03u>\n", i)
                        : sprintf(at, "2024-01-31T10:00:00.5Z %s %s<%03u>\n",
                                  streams[kind < 7 ? kind % 2 : kind % 2 + 2],
                                  random_below(random, 2) ? "" : "  at ", i);
    }
}

static bool is_in(const char *text, unsigned line)
{
    char token[TOKEN];

    (void)snprintf(token, sizeof(token), "<%03u>", line);
    return text != NULL && strstr(text, token) != NULL;
}

static bool is_in_events(unsigned line)
{
    for (size_t i = 0; i < rig.sink->event_count; i++) {
        if (is_in(fake_sink_body(rig.sink, i), line))
            return true;
    }
    return false;
}

static void check_lines(const char *text, unsigned seed)
{
    const char *at = text;

    for (unsigned i = 0; i < LINES; i++) {
        uint64_t offset = (uint64_t)(at - text);
        bool is_fatal = offset >= died_of.from && offset < died_of.to;
        bool is_aside = is_in(rig.sink->aside.data, i), is_event = is_in_events(i);
        if (is_aside != is_fatal || is_event == is_fatal)
            fail_msg("seed %u: line %u%s%s%s", seed, i, is_fatal ? ", which was fatal," : "",
                     is_aside ? " is set aside" : "", is_event ? " is an event" : "");
        at = strchr(at, '\n') + 1;
    }
}

static unsigned events_until_death;

static void die_or_go_on(void)
{
    if (events_until_death-- == 0)
        note();
    else
        rig.sink->on_event = die_or_go_on;
}

static void drain_twice(void)
{
    rig_drain(&rig);
    rig_drain(&rig); /* what waited is taken as it is */
}

static void whatever_was_in_hand_all_else_comes(void **unused)
{
    static char text[LINES * 64];

    (void)unused;
    rig.config.format = TAIL_CRI;
    rig.config.multiline__continuation = "^\\s";
    rig.config.multiline__wait = 0;
    for (unsigned seed = 1; seed <= SEEDS; seed++) {
        struct random random = random_make(seed);
        write_lines(&random, text);
        events_until_death = (unsigned)random_below(&random, 10);
        died_of = (struct fatal_place){ .from = 0 };
        rig_append(&rig, "app.log", text);
        rig_open(&rig);
        rig.sink->on_event = die_or_go_on;
        drain_twice();
        rig_close(&rig);
        fake_sink_clear(rig.sink);
        rig_open(&rig);
        rig.sink->fatal = died_of;
        drain_twice();
        assert_int_equal(rig.sink->aside_done, died_of.from != died_of.to);
        check_lines(text, seed);
        rig_close(&rig);
        fake_sink_clear(rig.sink);
        assert_int_equal(unlink(rig_path(&rig, "app.log")), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_line_in_hand_is_said_and_set_aside_alone),
        TEST(one_in_the_middle_and_one_at_the_end_too),
        TEST(a_last_line_without_its_newline_too),
        TEST(several_lines_are_several_records),
        TEST(a_position_behind_it_is_taken),
        TEST(one_that_is_longer_than_the_buffer_is_set_aside_in_parts),
        TEST(what_is_joined_before_it_ends_there),
        TEST(whatever_was_in_hand_all_else_comes),
        TEST(another_file_and_a_place_that_is_none_any_more_lose_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
