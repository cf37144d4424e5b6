/* SPDX-License-Identifier: Apache-2.0 */
/* exec: what a command writes, at an interval or kept running.
 * The process is started by the core's starter and tied to this instance: it is never left behind.
 * Its output is read as fast as the lanes take it; with overflow: block the command waits.
 * Runs in its reading's thread. */
#include "plugin.h"

#include "exec/options.h"
#include "exec/run.h"
#include "exec/schedule.h"

struct exec {
    const struct exec_config *config;
    const struct host *host;
    struct buf request, spare; /* spare: of the configuration before, so there is a way back */
    struct random random;
    struct schedule schedule;
    struct run run;
    uint64_t in_use;  /* the sum of the request that the schedule and the run are of */
    bool has_changed; /* what follows from it waits until there is no way back */
    bool restarts;    /* the command is another one: run it as soon as the old one has ended */
};

static void exec_command(const void *config, struct command_line *ret)
{
    const struct exec_config *cfg = config;

    *ret = (struct command_line){ .words = cfg->command,
                                  .environment = cfg->environment,
                                  .folder = cfg->working_directory };
}

/* FNV-1a. */
static uint64_t sum_of(struct slice bytes)
{
    uint64_t sum = UINT64_C(14695981039346656037);

    for (size_t i = 0; i < bytes.bytes; i++)
        sum = (sum ^ (unsigned char)bytes.data[i]) * UINT64_C(1099511628211);
    return sum;
}

static bool pack(const struct exec_config *config, struct buf *ret, struct err *err)
{
    struct command_line command;

    exec_command(config, &command);
    buf_clear(ret);
    return request_pack(&command, ret, err);
}

static bool exec_check(const void *config, struct err *err)
{
    const struct exec_config *cfg = config;
    struct buf request = { 0 };

    if (cfg->command.count == 0 || cfg->command.items[0][0] == '\0')
        return err_set(err, "command: name a program");
    if (cfg->working_directory[0] != '\0' && cfg->working_directory[0] != '/')
        return err_set(err, "working_directory: '%.200s' must be an absolute path",
                       cfg->working_directory);
    if (cfg->restart_min > cfg->restart_max)
        return err_set(err, "restart_min is above restart_max");
    for (size_t i = 0; i < cfg->environment.count; i++) {
        const char *key = cfg->environment.items[i].key;
        if (key[0] == '\0' || strchr(key, '=') != NULL)
            return err_set(err, "environment: '%.100s' is no name of a variable", key);
    }
    bool ok = pack(cfg, &request, err);
    buf_fini(&request);
    return ok;
}

static int64_t interval_of(const struct exec *exec)
{
    return exec->config->mode == EXEC_INTERVAL ? exec->host->interval_ms : 0;
}

static void set_schedule(struct exec *exec)
{
    const struct exec_config *cfg = exec->config;

    exec->schedule = (struct schedule){ .interval_ms = interval_of(exec),
                                        .rest_ms = cfg->restart_min,
                                        .most_ms = cfg->restart_max };
}

static bool exec_open(void *state, const void *config, const struct host *host, struct err *err)
{
    struct exec *exec = state;
    uint64_t seed;

    exec->config = config;
    exec->host = host;
    if (host->starter == NULL)
        return err_set(err, "the agent was started without a command to run: restart it");
    if (!pack(exec->config, &exec->request, err) || !run_init(&exec->run, exec->config)) {
        buf_fini(&exec->request);
        run_fini(&exec->run);
        return err_set(err, "out of memory for a command");
    }
    random_bytes(&seed, sizeof(seed));
    exec->random = random_make(seed);
    set_schedule(exec);
    exec->in_use = sum_of(buf_slice(&exec->request));
    return true;
}

static void exec_close(void *state)
{
    struct exec *exec = state;

    run_fini(&exec->run);
    buf_fini(&exec->request);
    buf_fini(&exec->spare);
}

static bool exec_change(void *state, const void *config, const struct host *host, struct err *err)
{
    struct exec *exec = state;

    if (!run_change(&exec->run, config) || !pack(config, &exec->spare, err))
        return err_set(err, "out of memory for a command");
    if (!slice_equals(buf_slice(&exec->spare), buf_slice(&exec->request))) {
        struct buf before = exec->request;
        exec->request = exec->spare;
        exec->spare = before;
    }
    exec->config = config;
    exec->host = host;
    exec->has_changed = true;
    return true;
}

/* Only another command ends the one that runs. */
static void take_change_up(struct exec *exec)
{
    bool is_same = exec->schedule.interval_ms == interval_of(exec);
    int64_t next_ms = exec->schedule.next_ms;

    if (!exec->has_changed)
        return;
    exec->has_changed = false;
    uint64_t sum = sum_of(buf_slice(&exec->request));
    if (sum != exec->in_use) {
        exec->restarts = true;
        run_tell_to_end(&exec->run);
    }
    exec->in_use = sum;
    set_schedule(exec);
    exec->schedule.next_ms = is_same && !exec->restarts ? next_ms : 0;
}

static void start_if_due(struct exec *exec, struct sink *sink)
{
    int64_t now_ms = clock_now_ms();
    uint64_t skipped;

    if (exec->restarts && exec->run.child != NULL)
        return; /* a run that is not made for the end of that one is not skipped */
    bool is_due = schedule_take(&exec->schedule, now_ms, exec->run.child != NULL, &skipped);
    sink_add(sink, SINK_RUNS_SKIPPED, skipped);
    if (!is_due)
        return;
    exec->restarts = false;
    if (!run_start(&exec->run, exec->config, exec->host, buf_slice(&exec->request), sink))
        schedule_note_end(&exec->schedule, now_ms, 0, &exec->random);
}

static enum collected step(struct exec *exec, struct sink *sink)
{
    enum collected collected = run_step(&exec->run, exec->config, exec->host, sink);
    int64_t now_ms = clock_now_ms();

    if (exec->run.child != NULL || exec->restarts)
        return collected;
    schedule_note_end(&exec->schedule, now_ms, now_ms - exec->run.began_ms, &exec->random);
    return collected;
}

static enum collected exec_collect(void *state, struct sink *sink)
{
    struct exec *exec = state;

    take_change_up(exec);
    start_if_due(exec, sink);
    return exec->run.child == NULL ? COLLECT_IDLE : step(exec, sink);
}

static enum collected exec_last(void *state, struct sink *sink)
{
    struct exec *exec = state;

    if (exec->run.child == NULL)
        return COLLECT_DONE;
    run_tell_to_end(&exec->run);
    enum collected collected = step(exec, sink);
    if (exec->run.child == NULL)
        return COLLECT_DONE;
    return collected == COLLECT_MORE ? COLLECT_MORE : COLLECT_WAIT;
}

static void exec_wait(void *state, struct waits *waits)
{
    struct exec *exec = state;
    const struct schedule *schedule = &exec->schedule;

    if (exec->run.child != NULL)
        waits->until_ms = run_wait(&exec->run, exec->config, waits);
    /* While one that is to end has not ended, no other is started. */
    if (exec->run.child != NULL && (schedule->interval_ms == 0 || exec->run.is_unwanted))
        return;
    int64_t next_ms = schedule->next_ms > 0 ? schedule->next_ms : clock_now_ms();
    if (waits->until_ms == 0 || next_ms < waits->until_ms)
        waits->until_ms = next_ms;
}

static uint64_t exec_max_event_bytes(const void *config)
{
    const struct exec_config *cfg = config;
    return cfg->max_event_bytes + RUN_EVENT_EXTRA;
}

static uint64_t exec_memory_bytes(const void *config)
{
    const struct exec_config *cfg = config;
    return cfg->max_event_bytes + RUN_READ_BYTES + RUN_ERROR_BYTES + 2 * REQUEST_BYTES;
}

const struct input input_exec = {
    .type = { PLUGIN_TYPE("exec", "What a command writes, at an interval or kept running",
                          exec_config, exec),
              .traits = INPUT_TIMED, .max_event_bytes = exec_max_event_bytes,
              .memory_bytes = exec_memory_bytes, .check = exec_check, .command = exec_command },
    .open = exec_open,
    .collect = exec_collect,
    .wait = exec_wait,
    .close = exec_close,
    .last = exec_last,
    .change = exec_change,
};
