/* SPDX-License-Identifier: Apache-2.0 */
/* top: the processes that used the most processor time since the last round, and those that hold
 * the most memory: /proc/PID/stat and /proc/PID/cgroup, see proc(5) and cgroups(7). A process is
 * known by its number and its start: numbers are used again. */
#include "groups.h"

#include <dirent.h>
#include <limits.h>

enum {
    PROCESSES_MOST = 8192, /* more are left out and told */
    FIRST_ROOM = 256,
    STAT_BYTES = 1024,
    CGROUP_BYTES = 1024,
    NAME_BYTES = 16 /* the kernel's TASK_COMM_LEN */
};

static const uint64_t STARTED_MOST = UINT64_C(1) << 40; /* centuries of ticks */

struct process {
    uint64_t pid, started; /* started: in ticks since the boot */
    uint64_t user, system; /* ticks */
    uint64_t used;         /* ticks since the last round, or since it began */
    uint64_t threads, virtual_bytes, resident_bytes;
    char name[NAME_BYTES + 1];
    bool chosen;
};

struct list {
    struct process *items;
    size_t count, room;
};

struct top {
    struct list now, before; /* `before` is in the order of numbers */
};

void top_free(struct top **topp)
{
    struct top *top = *topp;
    *topp = NULL;
    if (top == NULL)
        return;
    free(top->now.items);
    free(top->before.items);
    free(top);
}

static struct process *add_process(struct list *list)
{
    if (list->count == list->room) {
        size_t room = list->room == 0 ? FIRST_ROOM : list->room * 2;
        struct process *items = realloc(list->items, room * sizeof(*items));
        if (items == NULL)
            return NULL;
        list->items = items;
        list->room = room;
    }
    struct process *process = &list->items[list->count++];
    memset(process, 0, sizeof(*process));
    return process;
}

/* ---- reading ---- */

/* "7 (a name) S 1 …": the name may have anything in it, so the last parenthesis ends it. */
static bool parse_stat(struct slice text, struct process *ret)
{
    enum { UTIME, STIME, CUTIME, CSTIME, PRIORITY, NICE, THREADS, INTERVAL, STARTED, SIZE, RSS };
    const uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
    const char *open = memchr(text.data, '(', text.bytes);
    const char *close = memrchr(text.data, ')', text.bytes);
    struct slice rest, word;
    uint64_t numbers[RSS + 1];

    if (open == NULL || close == NULL || close < open || !proc_take_number(&text, &ret->pid))
        return false;
    size_t name_bytes = (size_t)(close - open - 1);
    memcpy(ret->name, open + 1, name_bytes < NAME_BYTES ? name_bytes : NAME_BYTES);
    rest = (struct slice){ close + 1, (size_t)(text.data + text.bytes - close - 1) };
    for (int skipped = 0; skipped < 11; skipped++) { /* state … cmajflt */
        if (!proc_take_word(&rest, &word))
            return false;
    }
    for (size_t i = 0; i <= RSS; i++) { /* priority and nice may be negative, and are not used */
        struct slice digits;
        if (!proc_take_word(&rest, &digits))
            return false;
        if (!proc_take_number(&digits, &numbers[i]) && i != PRIORITY && i != NICE)
            return false;
    }
    ret->user = numbers[UTIME];
    ret->system = numbers[STIME];
    ret->threads = numbers[THREADS];
    ret->started = numbers[STARTED];
    ret->virtual_bytes = numbers[SIZE];
    return ret->started < STARTED_MOST &&
           !__builtin_mul_overflow(numbers[RSS], page_bytes, &ret->resident_bytes);
}

static bool is_number(const char *name)
{
    return name[0] >= '1' && name[0] <= '9';
}

/* A process that ended meanwhile is none. */
static bool read_processes(struct round *round, DIR *proc, struct list *list)
{
    char buffer[STAT_BYTES];
    struct slice text;
    const struct dirent *entry;

    list->count = 0;
    while ((entry = readdir(proc)) != NULL) {
        if (!is_number(entry->d_name) ||
            !proc_read_small(dirfd(proc), entry->d_name, "stat", buffer, sizeof(buffer), &text))
            continue;
        if (list->count == PROCESSES_MOST) {
            round_tell_left_out(round, "top_processes");
            return true;
        }
        struct process *process = add_process(list);
        if (process == NULL)
            return false;
        if (!parse_stat(text, process))
            list->count--;
    }
    return true;
}

/* ---- choosing ---- */

static int by_number(const void *a, const void *b)
{
    const struct process *left = a, *right = b;
    return left->pid < right->pid ? -1 : left->pid > right->pid;
}

static int by_use(const void *a, const void *b)
{
    const struct process *left = a, *right = b;
    return left->used > right->used ? -1 : left->used < right->used;
}

static int by_memory(const void *a, const void *b)
{
    const struct process *left = a, *right = b;
    return left->resident_bytes > right->resident_bytes
               ? -1
               : left->resident_bytes < right->resident_bytes;
}

static void find_use(struct top *top)
{
    for (size_t i = 0; i < top->now.count; i++) {
        struct process *process = &top->now.items[i];
        const struct process *before = top->before.count == 0
                                           ? NULL
                                           : bsearch(process, top->before.items, top->before.count,
                                                     sizeof(*process), by_number);
        uint64_t ticks = process->user + process->system;
        uint64_t earlier = before != NULL && before->started == process->started
                               ? before->user + before->system
                               : 0;
        process->used = ticks > earlier ? ticks - earlier : 0;
    }
}

static void choose(struct list *list, size_t count)
{
    qsort(list->items, list->count, sizeof(*list->items), by_use);
    for (size_t i = 0; i < list->count && i < count && list->items[i].used > 0; i++)
        list->items[i].chosen = true;
    qsort(list->items, list->count, sizeof(*list->items), by_memory);
    for (size_t i = 0; i < list->count && i < count && list->items[i].resident_bytes > 0; i++)
        list->items[i].chosen = true;
}

/* ---- samples ---- */

/* "0::/system.slice/nginx.service", or of version 1 systemd's own hierarchy. */
static struct slice find_cgroup(struct slice text)
{
    static const struct slice heads[] = { SLICE("0::"), SLICE("1:name=systemd:") };
    struct slice line, found = { NULL, 0 };

    while (proc_take_line(&text, &line)) {
        for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
            size_t bytes = heads[i].bytes;
            if (line.bytes > bytes + 1 && memcmp(line.data, heads[i].data, bytes) == 0)
                found = (struct slice){ line.data + bytes, line.bytes - bytes };
        }
    }
    return found;
}

static void describe(struct event *event, const struct process *process, struct slice cgroup)
{
    event_integer(event, "process.pid", (int64_t)process->pid);
    event_text(event, "process.executable.name", event_keep(event, slice_of(process->name)));
    if (cgroup.bytes > 0)
        event_text(event, "process.linux.cgroup", event_keep(event, cgroup));
}

static void sample_process(struct round *round, int proc, const struct process *process)
{
    double per_s = (double)sysconf(_SC_CLK_TCK);
    const struct {
        const char *mode;
        uint64_t ticks;
    } times[] = { { "user", process->user }, { "system", process->system } };
    const struct {
        const char *name, *unit;
        uint64_t number;
    } stocks[] = { { "process.memory.usage", "By", process->resident_bytes },
                   { "process.memory.virtual", "By", process->virtual_bytes },
                   { "process.thread.count", "{thread}", process->threads } };
    char number[24], buffer[CGROUP_BYTES];
    struct slice text;

    (void)snprintf(number, sizeof(number), "%llu", (unsigned long long)process->pid);
    (void)proc_read_small(proc, number, "cgroup", buffer, sizeof(buffer), &text);
    struct slice cgroup = find_cgroup(text);
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        struct event *event =
            round_sample(round, "process.cpu.time", EVENT_SUM, "s", (double)times[i].ticks / per_s);
        event->start_ns += (int64_t)((double)process->started / per_s * 1e9);
        describe(event, process, cgroup);
        event_text(event, "cpu.mode", slice_of(times[i].mode));
    }
    for (size_t i = 0; i < sizeof(stocks) / sizeof(stocks[0]); i++)
        describe(round_sample(round, stocks[i].name, EVENT_UPDOWN, stocks[i].unit,
                              (double)stocks[i].number),
                 process, cgroup);
}

static bool collect_top(struct round *round, DIR *proc, struct top *top, struct err *err)
{
    if (!read_processes(round, proc, &top->now))
        return err_set(err, "out of memory for %zu processes", top->now.count);
    if (top->now.count == 0)
        return err_set(err, "no process in proc");
    find_use(top);
    choose(&top->now, round->top_count);
    for (size_t i = 0; i < top->now.count; i++) {
        if (top->now.items[i].chosen)
            sample_process(round, dirfd(proc), &top->now.items[i]);
    }
    qsort(top->now.items, top->now.count, sizeof(*top->now.items), by_number);
    struct list before = top->before;
    top->before = top->now;
    top->now = before;
    return true;
}

bool group_top_processes(struct round *round, struct err *err)
{
    char path[PATH_MAX];

    if (*round->top == NULL)
        *round->top = calloc(1, sizeof(**round->top));
    if (*round->top == NULL)
        return err_set(err, "out of memory");
    if (snprintf(path, sizeof(path), "%s/proc", round->root) >= (int)sizeof(path))
        return err_set(err, "the path of proc is too long");
    DIR *proc = opendir(path);
    if (proc == NULL)
        return err_set(err, "cannot open '%s': %s", path, strerror(errno));
    bool collected = collect_top(round, proc, *round->top, err);
    (void)closedir(proc);
    return collected;
}
