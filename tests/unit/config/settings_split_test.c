/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "sample.h"

#include <stdlib.h>

static const char *two_by(const char *limit, const char *lane, const char *batch)
{
    static char text[512];
    (void)snprintf(
        text, sizeof(text),
        "agent: {memory_limit: %s}\n"
        "inputs: {a: {type: files, paths: /x, lane: {capacity: %s}}, b: {type: pipe}}\n"
        "outputs: {m: {type: print, batch: {max_bytes: %s}}, n: {type: print, memory_weight: 3}}\n",
        limit, lane, batch);
    return text;
}

static void parts_that_do_not_fit_are_refused_with_the_numbers(void **unused)
{
    (void)unused;
    assert_problem(two_by("64MiB", "3MiB", "1MiB"), "a.yaml:2:55: inputs.a.lane.capacity: 3MiB is "
                                                    "too small: a lane holds at least 4 batches of "
                                                    "output 'm' (batch.max_bytes 1MiB)");
    assert_problem(
        two_by("64MiB", "0", "3MiB"),
        "inputs.b.lane.capacity: the automatic 8MiB is too small: a lane holds at least 4 batches "
        "of "
        "output 'm' (batch.max_bytes 3MiB) and 4 of the largest events: set it to at least 12MiB");
    assert_problem(two_by("8MiB", "0", "1MiB"),
                   "a.yaml:1:23: agent.memory_limit: 8MiB is too small for 4 lanes of 1MiB");
    assert_problem(two_by("64MiB", "30MiB", "1MiB"), "agent.memory_limit: 64MiB is too small");
    assert_problem(
        "inputs: {a: {type: files, paths: /x, max_bytes: 4MiB}}\noutputs: {m: {type: print}}\n",
        "a.yaml:1:10: inputs.a.lane.capacity: the automatic 8MiB is too small");
}

static void the_limit_that_a_message_names_is_the_least_that_is_enough(void **unused)
{
    (void)unused;
    static const char *const lanes[] = { "0", "5MiB", "30MiB" };

    for (size_t i = 0; i < 3; i++) {
        const char *raise = strstr(problems_of(two_by("8MiB", lanes[i], "1MiB")), "at least ");
        while (raise != NULL && strstr(raise + 1, "raise it to at least ") != NULL)
            raise = strstr(raise + 1, "raise it to at least ") + strlen("raise it to ");
        assert_non_null(raise);
        unsigned long least = strtoul(raise + strlen("at least "), NULL, 10);
        char limit[32];
        (void)snprintf(limit, sizeof(limit), "%luMiB", least);
        assert_string_equal(problems_of(two_by(limit, lanes[i], "1MiB")), "");
        (void)snprintf(limit, sizeof(limit), "%luMiB", least - 1);
        assert_true(problems_of(two_by(limit, lanes[i], "1MiB"))[0] != '\0');
    }
}

/* While one is sent the next one can be sealed. The small share is an eighth. */
static void with_the_least_limit_each_output_has_memory_for_two_sealed_batches(void **unused)
{
    (void)unused;
    static const char format[] = "agent: {memory_limit: %uMiB}\n"
                                 "inputs: {a: {type: files, paths: /x, lane: {capacity: 8MiB}}}\n"
                                 "outputs: {m: {type: print, batch: {max_bytes: 2MiB}}, n: {type: "
                                 "print, memory_weight: 7}}\n";
    const uint64_t mib = 1 << 20;
    char text[512];

    for (unsigned limit = 1; limit <= 256; limit++) {
        (void)snprintf(text, sizeof(text), format, limit);
        if (problems_of(text)[0] == '\0')
            break;
    }
    struct settings settings = settings_of(text);
    assert_in_range(settings.sealed_bytes[0], 2 * 2 * mib, 5 * mib);
    settings_free(&settings);
}

static void several_inputs_and_outputs_work_with_the_defaults(void **unused)
{
    (void)unused;
    assert_string_equal(problems_of("inputs: {a: {type: files, paths: /x}, b: {type: pipe}, c: "
                                    "{type: gauge}, d: {type: pipe}}\n"
                                    "outputs: {m: {type: print}, n: {type: print}}\n"),
                        "");
    assert_string_equal(
        problems_of("inputs: {a: {type: files, paths: /x}, b: {type: gauge}}\n"
                    "outputs: {m: {type: print}, n: {type: print}, o: {type: print}}\n"),
        "");
}

static void the_parts_of_the_memory_are_within_the_limit(void **unused)
{
    (void)unused;
    struct settings settings = settings_of(two_by("64MiB", "5MiB", "512KiB"));
    uint64_t mib = 1 << 20;

    assert_int_equal(settings.inputs[0].lane_bytes, 5 * mib);
    assert_int_equal(settings.inputs[1].lane_bytes, 8 * mib);
    assert_int_equal(settings.sealed_bytes[1], 3 * settings.sealed_bytes[0]);
    uint64_t workshops = 2 * (512 * 1024 + 512 * 1024 + 5242 + 4096 + 512 * 1024) +
                         2 * (mib + mib + 10485 + 4096 + 512 * 1024);
    uint64_t readings = 3 * 512 * 1024; /* the files' two and the pipe's one */
    uint64_t rest = 64 * mib - 26 * mib - workshops - readings;
    uint64_t sealed = settings.sealed_bytes[0] + settings.sealed_bytes[1];
    assert_true(sealed <= rest && sealed + 4 > rest);
    settings_free(&settings);
}

/* Those of the three outputs together have 4 MiB beyond the limit, and what was put aside. */
static void connections_have_a_bound_in_memory_and_one_is_always_had(void **unused)
{
    (void)unused;
    static const char *const limits[] = { "48MiB", "128MiB", "1GiB" };
    uint64_t mib = 1 << 20, before = 0;

    for (size_t i = 0; i < 3; i++) {
        char text[256];
        (void)snprintf(
            text, sizeof(text),
            "agent: {memory_limit: %s}\ninputs: {a: {type: pipe, lane: {capacity: 4MiB}}}\n"
            "outputs: {m: {type: far}, n: {type: far}, o: {type: far}}\n",
            limits[i]);
        struct settings settings = settings_of(text);
        uint64_t connections = 0, sealed = 0;
        for (size_t j = 0; j < 3; j++) {
            assert_in_range(settings.connections[j], 1, 128);
            connections += settings.connections[j];
            sealed += settings.sealed_bytes[j];
        }
        assert_true(sealed + 12 * mib + connections * 4 * mib <=
                    settings.agent.memory_limit + 4 * mib);
        assert_true(connections > before);
        before = connections;
        settings_free(&settings);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_that_do_not_fit_are_refused_with_the_numbers),
        cmocka_unit_test(the_limit_that_a_message_names_is_the_least_that_is_enough),
        cmocka_unit_test(with_the_least_limit_each_output_has_memory_for_two_sealed_batches),
        cmocka_unit_test(several_inputs_and_outputs_work_with_the_defaults),
        cmocka_unit_test(the_parts_of_the_memory_are_within_the_limit),
        cmocka_unit_test(connections_have_a_bound_in_memory_and_one_is_always_had),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
