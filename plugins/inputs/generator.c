/* SPDX-License-Identifier: Apache-2.0 */
/* generator: numbered log lines of its own making, at an even pace, for demos and tests. The lines
 * are those of `spillway generate`: ` seq=RUN.N ` in each tells a receiver which are missing.
 * How many are due follows from the time since the start alone. Lines that could not be made in
 * time, since a lane was full and blocked, are made later, but not more than those of one second.
 */
#include "plugin.h"

enum { BUFFER_BYTES = 128 * 1024, SLICES_PER_S = 50, EXTRA_BYTES = 1024, RUN_BYTES = 9 };

#define GENERATOR_OPTIONS(X, T)                                                                    \
    X(T, rate, rate, "10/s", "1/s", "1000000/s", "Lines a second, evenly")                         \
    X(T, count, count, "0", ANY, ANY, "End after so many lines; 0: never")                         \
    X(T, bytes, size, "230", "64", "64KiB", "Mean length of a line")                               \
    X(T, run, text, "", ANY, ANY, "Name of the run in the lines; without: by chance")              \
    X(T, seed, count, "1", ANY, ANY, "Same seed, same lines, but for the times in them")
DECLARE_OPTIONS(generator_config, GENERATOR_OPTIONS);

struct generator {
    const struct generator_config *config;
    struct lines lines;
    char run[RUN_BYTES]; /* by chance */
    char *buffer;        /* the lines of one collection */
    int64_t start_ms;    /* of the pace */
    uint64_t made;       /* since then */
    uint64_t total;
};

static uint64_t generator_max_event_bytes(const void *config)
{
    const struct generator_config *cfg = config;
    return cfg->bytes * 2 + EXTRA_BYTES;
}

static bool generator_check(const void *config, struct err *err)
{
    const struct generator_config *cfg = config;
    size_t bytes = strlen(cfg->run);
    size_t valid =
        strspn(cfg->run, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

    return (valid == bytes && bytes <= 32) ||
           err_set(err, "run: '%s' is not a name of at most 32 letters, digits, '_' or '-'",
                   cfg->run);
}

static void use_config(struct generator *generator, const struct generator_config *cfg)
{
    generator->config = cfg;
    generator->lines.mean_bytes = cfg->bytes;
    generator->lines.run = cfg->run[0] == '\0' ? generator->run : cfg->run;
    generator->start_ms = clock_now_ms();
    generator->made = 0;
}

static bool generator_open(void *state, const void *config, const struct host *host,
                           struct err *err)
{
    const struct generator_config *cfg = config;
    struct generator *generator = state;
    uint32_t chance;

    (void)host;
    random_bytes(&chance, sizeof(chance));
    (void)snprintf(generator->run, sizeof(generator->run), "%08x", (unsigned)chance);
    generator->lines.next = 1;
    generator->lines.random = random_make(cfg->seed);
    generator->buffer = malloc(BUFFER_BYTES + LINES_ROOM);
    if (generator->buffer == NULL)
        return err_set(err, "no memory for lines");
    use_config(generator, cfg);
    return true;
}

/* The numbers go on; the pace begins anew. */
static bool generator_change(void *state, const void *config, const struct host *host,
                             struct err *err)
{
    (void)host;
    (void)err;
    use_config(state, config);
    return true;
}

static uint64_t lines_due(struct generator *generator)
{
    const struct generator_config *cfg = generator->config;
    uint64_t elapsed_ms = (uint64_t)(clock_now_ms() - generator->start_ms);
    uint64_t asked = cfg->rate * elapsed_ms / MS_PER_S;
    uint64_t due = asked > generator->made ? asked - generator->made : 0;

    if (due > cfg->rate) { /* a second behind: the rest is given up */
        generator->made += due - cfg->rate;
        due = cfg->rate;
    }
    uint64_t left = cfg->count > generator->total ? cfg->count - generator->total : 0;
    return cfg->count > 0 && due > left ? left : due;
}

static void make_line(struct generator *generator, struct sink *sink, int64_t now_ns, size_t *used)
{
    struct event *event = sink_event(sink);
    char *line = generator->buffer + *used;
    size_t bytes = lines_write(&generator->lines, now_ns, line);

    *used += bytes;
    event->body = (struct slice){ line, bytes - 1 };
    event->time_ns = now_ns;
    generator->made++;
    generator->total++;
}

static enum collected generator_collect(void *state, struct sink *sink)
{
    struct generator *generator = state;
    const struct generator_config *cfg = generator->config;
    uint64_t due = lines_due(generator), made = 0;
    int64_t now_ns = clock_real_ns();
    size_t used = 0;

    for (; made < due && used < BUFFER_BYTES; made++)
        make_line(generator, sink, now_ns, &used);
    sink_add(sink, SINK_LINES, made);
    if (cfg->count > 0 && generator->total >= cfg->count)
        return COLLECT_DONE;
    return made < due ? COLLECT_MORE : COLLECT_IDLE;
}

static void generator_wait(void *state, struct waits *waits)
{
    const struct generator *generator = state;
    uint64_t rate = generator->config->rate;
    uint64_t slice = rate < SLICES_PER_S ? 1 : rate / SLICES_PER_S;

    waits->until_ms =
        generator->start_ms + (int64_t)((generator->made + slice) * MS_PER_S / rate) + 1;
}

static void generator_close(void *state)
{
    struct generator *generator = state;
    free(generator->buffer);
}

const struct input input_generator = {
    .type = { PLUGIN_TYPE("generator", "Numbered log lines of its own making, for demos and tests",
                          generator_config, generator),
              .max_event_bytes = generator_max_event_bytes, .check = generator_check },
    .open = generator_open,
    .collect = generator_collect,
    .wait = generator_wait,
    .close = generator_close,
    .change = generator_change,
};
