/* SPDX-License-Identifier: Apache-2.0 */
/* A pipeline that runs, with an input that has nothing to say, on a host without memory. */
#include "test.h"

#include "base/bell.h"
#include "base/clock.h"
#include "own_catalog.h"
#include "own_generation.h"
#include "pipeline_state.h"

#include <fcntl.h>

enum { PATIENCE_MS = 60000 };

static enum collected nothing_collect(void *state, struct sink *sink)
{
    (void)state, (void)sink;
    return COLLECT_IDLE;
}

static void nothing_wait(void *state, struct waits *waits)
{
    (void)state, (void)waits;
}

static const struct input input_quiet = { .type = { PLUGIN_TYPE("quiet", "", nowhere_config,
                                                                nowhere) },
                                          .open = nothing_open,
                                          .collect = nothing_collect,
                                          .wait = nothing_wait };

static int null_fd;

static void null_format(const void *config, enum encoding *ret_encoding)
{
    (void)config;
    *ret_encoding = ENCODE_NDJSON;
}

static int null_descriptor(void *state)
{
    (void)state;
    return null_fd;
}

static const struct output output_null = {
    .type = { PLUGIN_TYPE("null", "", nowhere_config, nowhere), .traits = OUTPUT_STREAM },
    .open = nothing_open,
    .format = null_format,
    .descriptor = null_descriptor
};
static const struct plugin_type *const inputs[] = { &input_quiet.type, &input_nothing.type, NULL };
static const struct plugin_type *const outputs[] = { &output_null.type, &output_nowhere, NULL };
const struct catalog catalog = { inputs, known_processors, outputs };

static unsigned strays = UINT_MAX; /* there is memory for so many more */

struct channel *__real_channel_of_strays(const char *input);
struct channel *__wrap_channel_of_strays(const char *input);
struct channel *__wrap_channel_of_strays(const char *input)
{
    if (strays == 0)
        return NULL;
    strays--;
    return __real_channel_of_strays(input);
}

static bool is_over(void *context)
{
    (void)context;
    return false;
}

struct scene {
    struct generation *generation;
    struct disk *disk;
    int bell;
    struct pipeline *pipeline;
};

static void start(struct scene *scene)
{
    struct spools spools;
    struct err err = { "" };

    null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    assert_true(null_fd >= 0 && bell_open(&scene->bell));
    scene->generation = load_generation(1, "{app: {type: quiet}, web: {type: quiet}}",
                                        "{one: {type: 'null'}, two: {type: 'null'},"
                                        " three: {type: 'null', inputs: [app, web]}}");
    scene->disk = disk_start(&err);
    assert_non_null(scene->disk);
    assert_true(spools_prepare(&spools, &scene->generation->settings, &err));
    scene->pipeline =
        pipeline_start(scene->generation, ledger, scene->disk, scene->bell, &spools, NULL, &err);
    if (scene->pipeline == NULL)
        fail_msg("%s", err.text);
    spools_close(&spools);
}

static void stop(struct scene *scene)
{
    assert_true(pipeline_stop(scene->pipeline));
    pipeline_free(&scene->pipeline);
    assert_true(disk_stop(&scene->disk, INT64_MAX));
    generation_release(&scene->generation);
    (void)close(scene->bell);
    (void)close(null_fd);
}

static bool change(struct scene *scene, const char *to, struct err *err)
{
    struct generation *next = load_generation(2, "{app: {type: quiet}, web: {type: quiet}}", to);
    struct patience patience = { .deadline_ms = clock_now_ms() + PATIENCE_MS, .is_over = is_over };
    bool has_changed = pipeline_change(scene->pipeline, next, &patience, err);

    generation_release(&next);
    return has_changed;
}

/* Else they would go on to outputs that the configuration does not have any more. */
static void lanes_that_cannot_leave_for_want_of_memory_refuse_the_change(void **unused)
{
    (void)unused;
    static const char fewer[] = "{one: {type: 'null', inputs: [web]}, three: {type: 'null'}}";
    struct scene scene;
    struct err err = { "" };
    start(&scene);
    const struct channel *app = scene.pipeline->channels[0];
    strays = 1; /* and two are needed by it alone */
    assert_false(change(&scene, fewer, &err));
    assert_non_null(strstr(err.text, "out of memory for the lane"));
    assert_int_equal(scene.pipeline->channel_count, 2);
    assert_int_equal(scene.pipeline->outlet_count, 3);
    assert_int_equal(app->strand_count, 3);
    strays = UINT_MAX;
    assert_true(change(&scene, fewer, &err));
    assert_int_equal(app->strand_count, 1);
    assert_int_equal(scene.pipeline->channel_count, 2 + 3);
    assert_ptr_equal(scene.pipeline->channels[0], app);
    stop(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lanes_that_cannot_leave_for_want_of_memory_refuse_the_change),
    };
    return RUN_WITH_LEDGER(tests);
}
