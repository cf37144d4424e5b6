/* SPDX-License-Identifier: Apache-2.0 */
/* tail_rig: a tail input on a folder of its own, and what is done to files.
 * `rescan` is 0 in it: each collection looks at all names, so no test waits for a notification. */
#pragma once

#include "fake_sink.h"
#include "folder.h"
#include "inputs/tail/options.h"
#include "test.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

extern const struct input input_tail;

enum { RIG_PATHS = 4, RIG_ROUNDS = 100000 };

struct rig {
    char folder[64];
    const char *paths[RIG_PATHS];
    struct tail_config config;
    struct host host;
    struct attribute base;
    void *state;
    struct sink *sink;
    struct buf checkpoint;
};

static inline const char *rig_path(const struct rig *rig, const char *name)
{
    static char paths[4][PATH_MAX];
    static unsigned next;
    char *path = paths[next++ % 4];
    (void)snprintf(path, PATH_MAX, "%s/%s", rig->folder, name);
    return path;
}

static inline void rig_add_path(struct rig *rig, const char *pattern)
{
    rig->paths[rig->config.paths.count] = strdup(rig_path(rig, pattern));
    assert_non_null(rig->paths[rig->config.paths.count++]);
    rig->config.paths.items = rig->paths;
}

static inline void rig_init(struct rig *rig, const char *pattern)
{
    *rig = (struct rig){ .folder = "/tmp/spillway-tail-XXXXXX",
                         .config = { .start_at = TAIL_START_BEGINNING,
                                     .max_line_bytes = 64 * 1024,
                                     .rotate_wait = 60000,
                                     .multiline__start = "",
                                     .multiline__continuation = "",
                                     .multiline__max_lines = 1000,
                                     .multiline__max_bytes = 64 * 1024,
                                     .multiline__wait = 1000,
                                     .max_files = 1000,
                                     .max_folders = 1000 },
                         .base = { SLICE("host.name"), { .text = SLICE("box") } } };
    rig->host = (struct host){ .name = "files", .buffer_bytes = 256 * 1024, .base_count = 1 };
    assert_non_null(mkdtemp(rig->folder));
    rig_add_path(rig, pattern);
    rig->sink = fake_sink_new();
}

static inline void rig_open(struct rig *rig)
{
    struct err err = { "" };

    rig->host.base = &rig->base;
    assert_int_equal(input_tail.type.config_bytes, sizeof(rig->config));
    rig->state = calloc(1, input_tail.type.state_bytes);
    assert_non_null(rig->state);
    if (!input_tail.open(rig->state, &rig->config, &rig->host, &err))
        fail_msg("open: %s", err.text);
}

static inline void rig_close(struct rig *rig)
{
    input_tail.close(rig->state);
    free(rig->state);
    rig->state = NULL;
}

static inline void rig_save(struct rig *rig)
{
    buf_clear(&rig->checkpoint);
    assert_true(input_tail.save(rig->state, &rig->checkpoint));
}

static inline void rig_restore(struct rig *rig)
{
    struct err err = { "" };
    rig_open(rig);
    if (!input_tail.restore(rig->state, buf_slice(&rig->checkpoint), &err))
        fail_msg("restore: %s\n%s", err.text, rig->checkpoint.data);
}

/* Ends it as a crash would, with what was settled until now; begins again. */
static inline void rig_restart(struct rig *rig)
{
    rig_save(rig);
    rig_close(rig);
    rig->sink->settled = rig->sink->mark_count; /* marks of the dead instance */
    rig_restore(rig);
}

static inline void rig_fini(struct rig *rig)
{
    if (rig->state != NULL)
        rig_close(rig);
    fake_sink_free(&rig->sink);
    buf_fini(&rig->checkpoint);
    for (size_t i = 0; i < rig->config.paths.count; i++)
        free((char *)rig->paths[i]);
    assert_int_equal(folder_remove(rig->folder), 0);
}

static inline void rig_drain(struct rig *rig)
{
    assert_int_equal(fake_sink_drain(rig->sink, &input_tail, rig->state, RIG_ROUNDS), COLLECT_IDLE);
}

static inline void rig_settle_all(struct rig *rig)
{
    (void)fake_sink_settle(rig->sink, &input_tail, rig->state, SIZE_MAX);
}

static inline void rig_put(const struct rig *rig, const char *name, int flags, const char *data,
                           size_t bytes)
{
    int fd = open(rig_path(rig, name), O_WRONLY | O_CREAT | flags, 0644);
    assert_true(fd >= 0);
    while (bytes > 0) {
        ssize_t written = write(fd, data, bytes);
        assert_true(written > 0);
        data += written;
        bytes -= (size_t)written;
    }
    (void)close(fd);
}

static inline void rig_append(const struct rig *rig, const char *name, const char *text)
{
    rig_put(rig, name, O_APPEND, text, strlen(text));
}

/* Cut off in place, and written anew: the inode stays. */
static inline void rig_rewrite(const struct rig *rig, const char *name, const char *text)
{
    rig_put(rig, name, O_TRUNC, text, strlen(text));
}

static inline void rig_rename(const struct rig *rig, const char *from, const char *to)
{
    assert_int_equal(rename(rig_path(rig, from), rig_path(rig, to)), 0);
}

static inline void rig_unlink(const struct rig *rig, const char *name)
{
    assert_int_equal(unlink(rig_path(rig, name)), 0);
}

/* app.log becomes app.log.1, that becomes app.log.2, and so on. */
static inline void rig_rotate(const struct rig *rig)
{
    char from[32] = "app.log.8", to[32];
    for (int n = 9; n > 0; n--) {
        (void)snprintf(to, sizeof(to), "app.log.%d", n);
        (void)snprintf(from, sizeof(from), n == 1 ? "app.log" : "app.log.%d", n - 1);
        (void)rename(rig_path(rig, from), rig_path(rig, to));
    }
}

/* The bodies, in order, each ended by a blank, as one text: "a b c ". */
static inline const char *rig_bodies(const struct rig *rig)
{
    static struct buf all;
    buf_clear(&all);
    (void)buf_add_text(&all, "");
    for (size_t i = 0; i < rig->sink->event_count; i++) {
        (void)buf_add_text(&all, fake_sink_body(rig->sink, i));
        (void)buf_add_text(&all, " ");
    }
    return all.data;
}

static inline void rig_expect(struct rig *rig, const char *bodies)
{
    rig_drain(rig);
    assert_string_equal(rig_bodies(rig), bodies);
}
