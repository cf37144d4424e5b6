/* SPDX-License-Identifier: Apache-2.0 */
/* host_metrics: samples of this host, in groups, one file each in the folder of the same name.
 * A group that cannot be had is told and counted; the others go on, and it is tried again in the
 * next round. Runs in its reading's thread. */
#include "host_metrics/groups.h"

enum { PATH_BYTES = 64 };

#define GROUP_NAMES                                                                                \
    "cpu|load|memory|paging|filesystem|disk|network|connections|uptime|processes|top_processes|"   \
    "pressure|temperature|units"
#define HOST_METRICS_OPTIONS(X, T)                                                                 \
    X(T, collect, list, "cpu, load, memory, paging, filesystem, disk, network, uptime, processes", \
      GROUP_NAMES, ANY,                                                                            \
      "Groups to collect. connections: TCP by state; top_processes: those that use the most; "     \
      "units: the services, scopes and containers that do (control groups version 2); "            \
      "pressure: time that tasks were stalled; temperature: thermal zones")                        \
    X(T, top_count, count, "10", "1", "100",                                                       \
      "top_processes, units: how many by processor time, and as many by memory")                   \
    X(T, root_path, text, "/", ANY, ANY,                                                           \
      "Where the host's root is mounted, for an agent in a container")                             \
    X(T, filesystem_types, list, "", ANY, ANY,                                                     \
      "Types of file systems to sample, as in /proc/mounts; empty: the local ones. A network "     \
      "file system whose server is gone would hold this input")
DECLARE_OPTIONS(host_metrics_config, HOST_METRICS_OPTIONS);

struct group {
    const char *name;
    bool (*collect)(struct round *round, struct err *err);
};

static const struct group groups[] = {
    { "cpu", group_cpu },
    { "load", group_load },
    { "memory", group_memory },
    { "paging", group_paging },
    { "filesystem", group_filesystem },
    { "disk", group_disk },
    { "network", group_network },
    { "connections", group_connections },
    { "uptime", group_uptime },
    { "processes", group_processes },
    { "top_processes", group_top_processes },
    { "pressure", group_pressure },
    { "temperature", group_temperature },
    { "units", group_units },
};
enum { GROUPS = sizeof(groups) / sizeof(groups[0]) };

/* Where each file is. Those below "self" are of the host's first process where the root is another:
 * "self" would be ours. */
static const char *const paths[HOST_FILES] = {
    [HOST_STAT] = "proc/stat",
    [HOST_LOADAVG] = "proc/loadavg",
    [HOST_MEMINFO] = "proc/meminfo",
    [HOST_VMSTAT] = "proc/vmstat",
    [HOST_UPTIME] = "proc/uptime",
    [HOST_MOUNTS] = "proc/self/mounts",
    [HOST_MOUNTINFO] = "proc/self/mountinfo",
    [HOST_DISKSTATS] = "proc/diskstats",
    [HOST_NETWORK] = "proc/self/net/dev",
    [HOST_PRESSURE_CPU] = "proc/pressure/cpu",
    [HOST_PRESSURE_MEMORY] = "proc/pressure/memory",
    [HOST_PRESSURE_IO] = "proc/pressure/io",
};

struct host_metrics {
    const struct host_metrics_config *config;
    char *root;      /* without a slash at its end */
    int64_t boot_ns; /* Unix; kept, so that the sums keep their begin when the clock is set */
    bool wanted[GROUPS];
    struct proc_file files[HOST_FILES];
    struct top *top;
    struct units *units;
    struct disks *disks;
};

bool round_read(struct round *round, enum host_file file, struct slice *ret_text, struct err *err)
{
    static const char self[] = "proc/self/";
    char path[PATH_BYTES];

    if (round->texts[file].data == NULL) {
        bool is_of_self = strncmp(paths[file], self, sizeof(self) - 1) == 0;
        if (is_of_self && round->root[0] != '\0')
            (void)snprintf(path, sizeof(path), "proc/1/%s", paths[file] + sizeof(self) - 1);
        else
            (void)snprintf(path, sizeof(path), "%s", paths[file]);
        if (!proc_file_read(&round->files[file], round->root, path, &round->texts[file], err))
            return false;
    }
    *ret_text = round->texts[file];
    return true;
}

struct event *round_sample(struct round *round, const char *name, enum event_kind kind,
                           const char *unit, double number)
{
    struct event *event = sink_event(round->sink);

    event->kind = (uint8_t)kind;
    event->body = slice_of(name);
    event->unit = slice_of(unit);
    event->number = number;
    event->time_ns = round->now_ns;
    event->start_ns = kind == EVENT_SUM ? round->boot_ns : 0;
    return event;
}

void round_tell_left_out(struct round *round, const char *group)
{
    sink_tell(round->sink, LOG_WARN, "some rows are left out", group, "there are too many");
}

static bool host_metrics_check(const void *config, struct err *err)
{
    const struct host_metrics_config *cfg = config;

    if (cfg->root_path[0] != '/')
        return err_set(err, "root_path '%s' does not begin with '/'", cfg->root_path);
    return true;
}

static int64_t boot_time_ns(int64_t now_ns)
{
    return now_ns - clock_boot_ms() * NS_PER_MS;
}

static bool host_metrics_open(void *state, const void *config, const struct host *host,
                              struct err *err)
{
    struct host_metrics *metrics = state;

    (void)host;
    metrics->config = config;
    metrics->boot_ns = boot_time_ns(clock_real_ns());
    for (size_t i = 0; i < HOST_FILES; i++)
        proc_file_init(&metrics->files[i]);
    for (size_t i = 0; i < metrics->config->collect.count; i++) {
        for (size_t j = 0; j < GROUPS; j++)
            metrics->wanted[j] |= strcmp(metrics->config->collect.items[i], groups[j].name) == 0;
    }
    metrics->root = strdup(metrics->config->root_path);
    if (metrics->root == NULL)
        return err_set(err, "out of memory");
    size_t bytes = strlen(metrics->root);
    while (bytes > 0 && metrics->root[bytes - 1] == '/')
        metrics->root[--bytes] = '\0';
    return true;
}

static enum collected host_metrics_collect(void *state, struct sink *sink)
{
    struct host_metrics *metrics = state;
    int64_t now_ns = clock_real_ns();

    if (metrics->boot_ns > now_ns) /* the clock was set back by more than the host is up */
        metrics->boot_ns = boot_time_ns(now_ns);
    struct round round = {
        .sink = sink,
        .root = metrics->root,
        .now_ns = now_ns,
        .boot_ns = metrics->boot_ns,
        .filesystem_types = &metrics->config->filesystem_types,
        .top_count = (size_t)metrics->config->top_count,
        .top = &metrics->top,
        .units = &metrics->units,
        .disks = &metrics->disks,
        .files = metrics->files,
    };

    for (size_t i = 0; i < GROUPS; i++) {
        struct err err = { "" };
        if (!metrics->wanted[i] || groups[i].collect(&round, &err))
            continue;
        sink_tell(sink, LOG_WARN, "cannot collect", groups[i].name, err.text);
        sink_add(sink, SINK_COLLECT_FAILURES, 1);
    }
    return COLLECT_IDLE; /* never COLLECT_FAILED: the failures of groups are counted one by one */
}

static void host_metrics_close(void *state)
{
    struct host_metrics *metrics = state;

    for (size_t i = 0; i < HOST_FILES; i++)
        proc_file_fini(&metrics->files[i]);
    top_free(&metrics->top);
    units_free(&metrics->units);
    disks_free(&metrics->disks);
    free(metrics->root);
}

const struct input input_host_metrics = {
    .type = { PLUGIN_TYPE("host_metrics",
                          "Processor, memory, disks, network and processes of this host",
                          host_metrics_config, host_metrics),
              .traits = INPUT_SAMPLES | INPUT_READS_ALL, .check = host_metrics_check },
    .open = host_metrics_open,
    .collect = host_metrics_collect,
    .close = host_metrics_close,
};
