/* SPDX-License-Identifier: Apache-2.0 */
/* host_metrics_rig: the input over a folder that looks like a host's root. */
#pragma once

#include "fake_sink.h"
#include "folder.h"
#include "test.h"

#include <math.h>
#include <sys/stat.h>

extern const struct input input_host_metrics;

struct host_metrics_config {
    opt_list collect;
    opt_count top_count;
    opt_text root_path;
    opt_list filesystem_types;
};

#define ZONE "sys/class/thermal/thermal_zone0"

struct fixture {
    char root[64];
    const char *groups[8];
    void *state;
    struct host_metrics_config config;
    struct sink *sink;
};

static inline int setup(void **statep)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    static const char *const folders[] = { "proc",    "proc/1", "proc/1/net", "proc/pressure",
                                           "proc/22", "sys",    "sys/class",  "sys/class/thermal",
                                           ZONE };
    char path[128];

    assert_int_equal(sizeof(fixture->config), input_host_metrics.type.config_bytes);
    (void)snprintf(fixture->root, sizeof(fixture->root), "/tmp/spillway_host_XXXXXX");
    assert_non_null(mkdtemp(fixture->root));
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", fixture->root, folders[i]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    fixture->state = calloc(1, input_host_metrics.type.state_bytes);
    fixture->config.root_path = fixture->root;
    fixture->config.top_count = 1;
    fixture->sink = fake_sink_new();
    *statep = fixture;
    return 0;
}

static inline int teardown(void **statep)
{
    struct fixture *fixture = *statep;

    input_host_metrics.close(fixture->state);
    fake_sink_free(&fixture->sink);
    free(fixture->state);
    (void)folder_remove(fixture->root);
    free(fixture);
    return 0;
}

static inline void open_groups(struct fixture *fixture, const char *first, const char *second)
{
    struct host host = { .name = "host" };
    struct err err;

    fixture->groups[0] = first;
    fixture->groups[1] = second;
    fixture->config.collect =
        (struct text_list){ fixture->groups, second == NULL ? (size_t)1 : (size_t)2 };
    assert_true(input_host_metrics.open(fixture->state, &fixture->config, &host, &err));
}

static inline void put_file(const struct fixture *fixture, const char *name, const char *text,
                            size_t bytes)
{
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/%s", fixture->root, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}

static inline void put_text(const struct fixture *fixture, const char *name, const char *text)
{
    put_file(fixture, name, text, strlen(text));
}

static inline void collect(struct fixture *fixture)
{
    fake_sink_clear(fixture->sink);
    assert_int_equal(fake_sink_collect(fixture->sink, &input_host_metrics, fixture->state),
                     COLLECT_IDLE);
}

static inline bool has_text(const struct event *event, const char *key, const char *text)
{
    struct value value;

    return event_field(event, slice_of(key), &value) && value.kind == VALUE_TEXT &&
           slice_equals(value.text, slice_of(text));
}

/* The only sample of this name whose attributes are these; a key that is NULL asks for nothing. */
static const struct event *find(const struct fixture *fixture, const char *name, const char *key,
                                const char *text, const char *key2, const char *text2)
{
    const struct event *found = NULL;

    for (size_t i = 0; i < fixture->sink->event_count; i++) {
        const struct event *event = &fixture->sink->events[i];
        if (!slice_equals(event->body, slice_of(name)) ||
            (key != NULL && !has_text(event, key, text)) ||
            (key2 != NULL && !has_text(event, key2, text2)))
            continue;
        assert_null(found);
        found = event;
    }
    assert_non_null(found);
    return found;
}

static inline void is_near(double got, double wanted)
{
    if (fabs(got - wanted) > 1e-9 * fabs(wanted))
        fail_msg("got %.17g, wanted %.17g", got, wanted);
}

static inline void is_sample(const struct event *event, enum event_kind kind, const char *unit,
                             double number)
{
    assert_int_equal(event->kind, kind);
    assert_int_equal(event->unit.bytes, strlen(unit));
    assert_memory_equal(event->unit.data, unit, strlen(unit));
    is_near(event->number, number);
    assert_true(event->time_ns > 0);
    assert_int_equal(event->start_ns > 0, kind == EVENT_SUM);
    assert_true(event->start_ns < event->time_ns);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
