/* SPDX-License-Identifier: Apache-2.0 */
/* exec, with the real starter and real processes. */
#include "fake_sink.h"
#include "test.h"

#include "inputs/exec/options.h"

#include <poll.h>

extern const struct input input_exec;

enum { LONG_MS = 3600 * 1000 };

struct scene {
    struct starter starter;
    size_t no_bounds;
    struct host host;
    struct exec_config config, next;
    const char *words[3], *next_words[3];
    void *state;
    struct sink *sink;
};

static int set_up(void **statep)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    struct starter_config starter = { .any_command = true, .bounds = &scene->no_bounds };
    struct err err = { "" };

    assert_non_null(scene);
    assert_true(starter_start(&scene->starter, &starter, &err));
    assert_int_equal(sizeof(scene->config), input_exec.type.config_bytes);
    scene->host = (struct host){ .name = "in", .starter = &scene->starter, .interval_ms = LONG_MS };
    scene->config = (struct exec_config){ .command = { scene->words, 3 },
                                          .mode = EXEC_INTERVAL,
                                          .max_event_bytes = 1024,
                                          .timeout = LONG_MS,
                                          .kill_after = LONG_MS,
                                          .restart_min = 10,
                                          .restart_max = 10,
                                          .working_directory = "" };
    scene->next = scene->config;
    scene->next.command.items = scene->next_words;
    scene->words[0] = scene->next_words[0] = "/bin/sh";
    scene->words[1] = scene->next_words[1] = "-c";
    scene->state = calloc(1, input_exec.type.state_bytes);
    scene->sink = fake_sink_new();
    *statep = scene;
    return 0;
}

static int tear_down(void **statep)
{
    struct scene *scene = *statep;

    input_exec.close(scene->state);
    starter_stop(&scene->starter);
    fake_sink_free(&scene->sink);
    free(scene->state);
    free(scene);
    return 0;
}

static void open_with(struct scene *scene, const char *script)
{
    struct err err = { "" };

    scene->words[2] = script;
    assert_true(input_exec.open(scene->state, &scene->config, &scene->host, &err));
}

static void change_to(struct scene *scene, const struct exec_config *config)
{
    struct err err = { "" };

    assert_true(input_exec.change(scene->state, config, &scene->host, &err));
}

/* Collects, and waits, as the core does. */
static void await_body(struct scene *scene, const char *body)
{
    int64_t give_up_ms = clock_now_ms() + 60000;

    (void)fake_sink_drain(scene->sink, &input_exec, scene->state, 10000);
    while (fake_sink_find(scene->sink, body) == NULL) {
        struct waits waits = { .fd_count = 0 };
        struct pollfd fds[WAIT_FDS];
        input_exec.wait(scene->state, &waits);
        for (unsigned i = 0; i < waits.fd_count; i++)
            fds[i] = (struct pollfd){ .fd = waits.fds[i], .events = POLLIN };
        (void)poll(fds, waits.fd_count, 20);
        (void)fake_sink_drain(scene->sink, &input_exec, scene->state, 10000);
        assert_true(clock_now_ms() < give_up_ms);
    }
}

static void at_the_stop_the_time_of_the_next_run_is_not_waited_for(void **statep)
{
    struct scene *scene = *statep;
    struct waits waits = { .fd_count = 0 };
    scene->host.interval_ms = 1; /* it is past at once */
    open_with(scene, "trap '' TERM; echo up; while :; do sleep 0.05; done");
    await_body(scene, "up");
    assert_int_equal(input_exec.last(scene->state, scene->sink), COLLECT_WAIT);
    input_exec.wait(scene->state, &waits);
    assert_true(waits.until_ms > clock_now_ms() + LONG_MS / 2); /* SIGKILL is due then */
}

static void another_command_runs_as_soon_as_the_one_before_has_ended(void **statep)
{
    struct scene *scene = *statep;
    open_with(scene, "trap 'echo bye; exit' TERM; echo up; while :; do sleep 0.05; done");
    await_body(scene, "up");
    scene->next_words[2] = "echo another";
    change_to(scene, &scene->next);
    await_body(scene, "another"); /* the interval is an hour */
    assert_non_null(fake_sink_find(scene->sink, "bye"));
    assert_int_equal(scene->sink->numbers[SINK_RUNS], 2);
    assert_int_equal(scene->sink->numbers[SINK_RUNS_SKIPPED], 0);
}

static void a_change_that_is_taken_back_leaves_the_run_alone(void **statep)
{
    struct scene *scene = *statep;
    open_with(scene, "trap 'echo bye; exit' TERM; i=0; while :; do i=$((i+1)); echo $i; "
                     "sleep 0.02; done");
    await_body(scene, "1");
    scene->next_words[2] = "echo another";
    change_to(scene, &scene->next);
    change_to(scene, &scene->config);
    await_body(scene, "9");
    assert_null(fake_sink_find(scene->sink, "bye"));
    assert_int_equal(scene->sink->numbers[SINK_RUNS], 1);
    assert_int_equal(scene->sink->numbers[SINK_RUNS_SKIPPED], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(at_the_stop_the_time_of_the_next_run_is_not_waited_for,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_command_runs_as_soon_as_the_one_before_has_ended,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_change_that_is_taken_back_leaves_the_run_alone, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
