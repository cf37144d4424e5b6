/* SPDX-License-Identifier: Apache-2.0 */
/* units: the services, scopes and containers that used the most processor time since the last
 * round, and those that hold the most memory: control groups of version 2, see cgroups(7) and
 * Documentation/admin-guide/cgroup-v2.rst of Linux. What is below a unit counts to it, as the
 * kernel counts; slices are sums of units and are only gone through. A control group is known by
 * the number of its folder, which the kernel never uses again. Of each unit two files are read, by
 * descriptors that stay open from round to round where there are plenty (opening costs more than
 * reading), and the others only of those that are chosen. */
#include "groups.h"
#include "unit_name.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>

enum {
    UNITS_MOST = 2048,   /* more are left out and told, as are deeper ones and longer paths */
    FOLDERS_MOST = 1024, /* that are gone through */
    DEPTH = 12,
    PATH_BYTES = 256,
    FILE_BYTES = 4096,
    IO_BYTES = 64 * 1024, /* a line for each device: some hundreds */
    FIRST_ROOM = 64
};

struct unit {
    uint64_t number;               /* of its folder */
    int64_t since_ns;              /* its sums began then, or later */
    uint64_t user, system, memory; /* microseconds, bytes */
    uint64_t used;                 /* microseconds since the last round, or since it began */
    int cpu_fd, memory_fd;         /* kept open; -1: not. Passed from round to round */
    bool chosen, has_memory;
    char path[PATH_BYTES]; /* below the mount, without a slash before it */
};

struct unit_list {
    struct unit *items;
    size_t count, room;
};

struct units {
    struct unit_list now, before; /* `before` is in the order of numbers */
    int64_t before_ns;            /* 0: this is the first round */
    bool was_partial;             /* in that round units were left out, or not to be read */
    bool told_no_memory;
    char io_text[IO_BYTES];
};

/* The way down, without recursion: names come from outside. */
struct walk {
    DIR *folders[DEPTH];
    size_t ends[DEPTH];     /* of each folder's part of the path */
    bool has_memory[DEPTH]; /* what is in it has that controller */
    size_t depth, seen;
    char path[PATH_BYTES];
    bool left_out; /* over a bound */
    bool missed;   /* gone meanwhile, or not to be read this time */
};

static void empty_list(struct unit_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        proc_close_kept(&list->items[i].cpu_fd);
        proc_close_kept(&list->items[i].memory_fd);
    }
    list->count = 0;
}

void units_free(struct units **unitsp)
{
    struct units *units = *unitsp;
    *unitsp = NULL;
    if (units == NULL)
        return;
    empty_list(&units->now);
    empty_list(&units->before);
    free(units->now.items);
    free(units->before.items);
    free(units);
}

/* ---- reading ---- */

/* The number after a word that begins a line: "oom_kill 2". */
static bool find_number(struct slice text, struct slice key, uint64_t *ret)
{
    struct slice line, word;

    while (proc_take_line(&text, &line)) {
        if (proc_take_word(&line, &word) && slice_equals(word, key))
            return proc_take_number(&line, ret);
    }
    return false;
}

/* A file of one number. "max" is none. */
static bool read_number(int folder, const char *name, const char *file, uint64_t *ret)
{
    char buffer[FILE_BYTES];
    struct slice text, line;

    return proc_read_small(folder, name, file, buffer, sizeof(buffer), &text) &&
           proc_take_line(&text, &line) && proc_take_number(&line, ret);
}

/* false: it is gone, or what it says is no time. Without its controller it has no memory. */
static bool read_unit(int folder, const char *name, bool has_memory, struct unit *unit)
{
    char buffer[FILE_BYTES];
    struct slice text, line;

    if (!proc_read_kept(&unit->cpu_fd, folder, name, "cpu.stat", buffer, sizeof(buffer), &text) ||
        !find_number(text, SLICE("user_usec"), &unit->user) ||
        !find_number(text, SLICE("system_usec"), &unit->system))
        return false;
    unit->has_memory = has_memory &&
                       proc_read_kept(&unit->memory_fd, folder, name, "memory.current", buffer,
                                      sizeof(buffer), &text) &&
                       proc_take_line(&text, &line) && proc_take_number(&line, &unit->memory);
    return true;
}

static void drop_last(struct unit_list *list)
{
    struct unit_list last = { &list->items[list->count - 1], 1, 1 };

    empty_list(&last);
    list->count--;
}

static struct unit *add_unit(struct unit_list *list)
{
    if (list->count == list->room) {
        size_t room = list->room == 0 ? FIRST_ROOM : list->room * 2;
        struct unit *items = realloc(list->items, room * sizeof(*items));
        if (items == NULL)
            return NULL;
        list->items = items;
        list->room = room;
    }
    struct unit *unit = &list->items[list->count++];
    memset(unit, 0, sizeof(*unit));
    unit->cpu_fd = unit->memory_fd = -1;
    return unit;
}

static int by_number(const void *a, const void *b)
{
    const struct unit *left = a, *right = b;
    return left->number < right->number ? -1 : left->number > right->number;
}

static struct unit *find_unit(const struct unit_list *list, uint64_t number)
{
    const struct unit wanted = { .number = number };

    return list->count == 0 ? NULL
                            : bsearch(&wanted, list->items, list->count, sizeof(wanted), by_number);
}

static void take_descriptors(struct unit *unit, struct unit *before)
{
    if (before == NULL)
        return;
    unit->cpu_fd = before->cpu_fd;
    unit->memory_fd = before->memory_fd;
    before->cpu_fd = before->memory_fd = -1;
}

/* ---- the way down ---- */

/* Whether what is in this folder has the memory controller: one look instead of one for each. */
static bool gives_memory(int folder)
{
    char buffer[FILE_BYTES];
    struct slice text, line, word;

    if (!proc_read_small(folder, ".", "cgroup.subtree_control", buffer, sizeof(buffer), &text) ||
        !proc_take_line(&text, &line))
        return false;
    while (proc_take_word(&line, &word)) {
        if (slice_equals(word, SLICE("memory")))
            return true;
    }
    return false;
}

static void enter(struct walk *walk, int parent, const char *name, size_t end)
{
    if (walk->depth == DEPTH || walk->seen == FOLDERS_MOST) {
        walk->left_out = true;
        return;
    }
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    if (folder == NULL) { /* it is gone meanwhile */
        walk->missed = true;
        if (fd >= 0)
            (void)close(fd);
        return;
    }
    walk->seen++;
    walk->ends[walk->depth] = end;
    walk->has_memory[walk->depth] = gives_memory(fd);
    walk->folders[walk->depth++] = folder;
}

static void leave(struct walk *walk)
{
    (void)closedir(walk->folders[--walk->depth]);
}

/* false: out of memory. */
static bool take_folder(struct walk *walk, const struct dirent *entry, struct units *units)
{
    struct unit_list *list = &units->now;
    size_t end = walk->ends[walk->depth - 1], bytes = strlen(entry->d_name);
    int parent = dirfd(walk->folders[walk->depth - 1]);

    if (end + 1 + bytes >= PATH_BYTES) {
        walk->left_out = true;
        return true;
    }
    if (end > 0)
        walk->path[end++] = '/';
    memcpy(walk->path + end, entry->d_name, bytes + 1);
    if (!unit_name_of(slice_of(entry->d_name)).is_unit) {
        enter(walk, parent, entry->d_name, end + bytes);
        return true;
    }
    if (list->count == UNITS_MOST) {
        walk->left_out = true;
        return true;
    }
    struct unit *unit = add_unit(list);
    if (unit == NULL)
        return false;
    unit->number = entry->d_ino;
    memcpy(unit->path, walk->path, end + bytes + 1);
    take_descriptors(unit, find_unit(&units->before, unit->number));
    if (!read_unit(parent, entry->d_name, walk->has_memory[walk->depth - 1], unit)) {
        walk->missed = true;
        drop_last(list);
    }
    return true;
}

/* ret_partial: some may be missing. */
static bool find_units(struct round *round, int mount, struct units *units, bool *ret_partial)
{
    struct walk walk = { .depth = 0 };
    bool has_room = true;

    empty_list(&units->now);
    enter(&walk, mount, ".", 0);
    while (walk.depth > 0) {
        const struct dirent *entry = has_room ? readdir(walk.folders[walk.depth - 1]) : NULL;
        if (entry == NULL)
            leave(&walk);
        else if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
            has_room = take_folder(&walk, entry, units);
    }
    if (walk.left_out)
        round_tell_left_out(round, "units");
    *ret_partial = walk.left_out || walk.missed;
    return has_room;
}

/* ---- choosing ---- */

static int by_use(const void *a, const void *b)
{
    const struct unit *left = a, *right = b;
    return left->used > right->used ? -1 : left->used < right->used;
}

static int by_memory(const void *a, const void *b)
{
    const struct unit *left = a, *right = b;
    return left->memory > right->memory ? -1 : left->memory < right->memory;
}

/* A unit that was not there a round ago began after that; of the others it is not known, nor of any
 * where that round did not see all: those have used nothing yet. */
static void find_use(struct units *units, int64_t boot_ns, int64_t now_ns)
{
    for (size_t i = 0; i < units->now.count; i++) {
        struct unit *unit = &units->now.items[i];
        const struct unit *before = find_unit(&units->before, unit->number);
        uint64_t time = unit->user + unit->system;
        uint64_t earlier = before != NULL       ? before->user + before->system
                           : units->was_partial ? time
                                                : 0;
        unit->used = time > earlier ? time - earlier : 0;
        unit->since_ns = before != NULL                                ? before->since_ns
                         : units->before_ns == 0 || units->was_partial ? boot_ns
                                                                       : units->before_ns;
        if (unit->since_ns > now_ns) /* the clock was set back */
            unit->since_ns = boot_ns;
    }
}

static void choose(struct unit_list *list, size_t count)
{
    qsort(list->items, list->count, sizeof(*list->items), by_use);
    for (size_t i = 0; i < list->count && i < count && list->items[i].used > 0; i++)
        list->items[i].chosen = true;
    qsort(list->items, list->count, sizeof(*list->items), by_memory);
    for (size_t i = 0; i < list->count && i < count && list->items[i].memory > 0; i++)
        list->items[i].chosen = true;
}

/* ---- samples ---- */

enum figure { CPU, MEMORY, LIMIT, KILLS, IO, TASKS, FIGURES };

static struct event *sample(struct round *round, const struct unit *unit, enum figure figure,
                            double number)
{
    static const struct {
        const char *of_unit, *of_container, *unit;
        enum event_kind kind;
    } names[FIGURES] = {
        [CPU] = { "systemd.unit.cpu.time", "container.cpu.time", "s", EVENT_SUM },
        [MEMORY] = { "systemd.unit.memory.usage", "container.memory.usage", "By", EVENT_UPDOWN },
        [LIMIT] = { "systemd.unit.memory.limit", "container.memory.limit", "By", EVENT_UPDOWN },
        [KILLS] = { "systemd.unit.memory.oom_kills", "container.memory.oom_kills", "{process}",
                    EVENT_SUM },
        [IO] = { "systemd.unit.disk.io", "container.disk.io", "By", EVENT_SUM },
        [TASKS] = { "systemd.unit.thread.count", "container.thread.count", "{thread}",
                    EVENT_UPDOWN },
    };
    const char *slash = strrchr(unit->path, '/');
    struct unit_name name = unit_name_of(slice_of(slash == NULL ? unit->path : slash + 1));
    bool is_container = name.container.bytes > 0;
    struct event *event =
        round_sample(round, is_container ? names[figure].of_container : names[figure].of_unit,
                     names[figure].kind, names[figure].unit, number);
    char path[PATH_BYTES + 1];

    if (names[figure].kind == EVENT_SUM)
        event->start_ns = unit->since_ns;
    if (is_container)
        event_text(event, "container.id", event_keep(event, name.container));
    if (name.systemd.bytes > 0)
        event_text(event, "systemd.unit.name", event_keep(event, name.systemd));
    (void)snprintf(path, sizeof(path), "/%s", unit->path);
    event_text(event, "process.linux.cgroup", event_keep(event, slice_of(path)));
    return event;
}

/* "8:0 rbytes=4096 wbytes=0 …", a line for each device: their sum, as the conventions ask for. */
static bool sum_io(struct slice text, uint64_t *ret_read, uint64_t *ret_written)
{
    static const struct slice keys[] = { SLICE("rbytes="), SLICE("wbytes=") };
    uint64_t *const sums[] = { ret_read, ret_written };
    uint64_t number;
    struct slice line, word;
    bool found = false;

    *ret_read = *ret_written = 0;
    while (proc_take_line(&text, &line)) {
        while (proc_take_word(&line, &word)) {
            for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
                size_t bytes = keys[i].bytes;
                if (word.bytes <= bytes || memcmp(word.data, keys[i].data, bytes) != 0)
                    continue;
                struct slice digits = { word.data + bytes, word.bytes - bytes };
                if (!proc_take_number(&digits, &number) ||
                    __builtin_add_overflow(*sums[i], number, sums[i]))
                    return false;
                found = true;
            }
        }
    }
    return found;
}

static void sample_files(struct round *round, int mount, const struct unit *unit)
{
    char buffer[FILE_BYTES], *io_text = (*round->units)->io_text;
    struct slice text;
    uint64_t number, written;

    if (read_number(mount, unit->path, "memory.max", &number))
        (void)sample(round, unit, LIMIT, (double)number);
    if (proc_read_small(mount, unit->path, "memory.events", buffer, sizeof(buffer), &text) &&
        find_number(text, SLICE("oom_kill"), &number))
        (void)sample(round, unit, KILLS, (double)number);
    if (proc_read_whole(mount, unit->path, "io.stat", io_text, IO_BYTES, &text) &&
        sum_io(text, &number, &written)) {
        event_text(sample(round, unit, IO, (double)number), "disk.io.direction", SLICE("read"));
        event_text(sample(round, unit, IO, (double)written), "disk.io.direction", SLICE("write"));
    }
    if (read_number(mount, unit->path, "pids.current", &number))
        (void)sample(round, unit, TASKS, (double)number);
}

static void sample_unit(struct round *round, int mount, const struct unit *unit)
{
    static const double per_s = 1e6;

    event_text(sample(round, unit, CPU, (double)unit->user / per_s), "cpu.mode", SLICE("user"));
    event_text(sample(round, unit, CPU, (double)unit->system / per_s), "cpu.mode", SLICE("system"));
    if (unit->has_memory)
        (void)sample(round, unit, MEMORY, (double)unit->memory);
    sample_files(round, mount, unit);
}

/* On a host that has version 1 beside it, the controllers may all be there. */
static void tell_no_memory(struct round *round, struct units *units)
{
    for (size_t i = 0; i < units->now.count; i++) {
        if (units->now.items[i].has_memory)
            return;
    }
    if (units->told_no_memory || units->now.count == 0)
        return;
    units->told_no_memory = true;
    sink_tell(round->sink, LOG_INFO, "some figures cannot be had", "units",
              "the memory controller is not of control groups version 2");
}

static bool collect_units(struct round *round, int mount, struct units *units, struct err *err)
{
    bool is_partial;

    if (!find_units(round, mount, units, &is_partial))
        return err_set(err, "out of memory for %zu units", units->now.count);
    tell_no_memory(round, units);
    find_use(units, round->boot_ns, round->now_ns);
    if (units->now.count > 0)
        choose(&units->now, round->top_count);
    for (size_t i = 0; i < units->now.count; i++) {
        if (units->now.items[i].chosen)
            sample_unit(round, mount, &units->now.items[i]);
    }
    if (units->now.count > 0)
        qsort(units->now.items, units->now.count, sizeof(*units->now.items), by_number);
    struct unit_list before = units->before;
    empty_list(&before); /* what is gone is let go */
    units->before = units->now;
    units->now = before;
    units->before_ns = round->now_ns;
    units->was_partial = is_partial;
    return true;
}

bool group_units(struct round *round, struct err *err)
{
    char path[PATH_MAX];
    struct slice mounts;
    char mount_point[PATH_MAX];

    if (*round->units == NULL)
        *round->units = calloc(1, sizeof(**round->units));
    if (*round->units == NULL)
        return err_set(err, "out of memory");
    if (!round_read(round, HOST_MOUNTINFO, &mounts, err))
        return false;
    if (!unit_mount_point(mounts, mount_point, sizeof(mount_point)))
        return err_set(err, "control groups version 2 are not mounted");
    if (snprintf(path, sizeof(path), "%s%s", round->root, mount_point) >= (int)sizeof(path))
        return err_set(err, "the path of the control groups is too long");
    int mount = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (mount < 0)
        return err_set(err, "cannot open '%s': %s", path, strerror(errno));
    bool collected = collect_units(round, mount, *round->units, err);
    (void)close(mount);
    return collected;
}
