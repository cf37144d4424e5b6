/* SPDX-License-Identifier: Apache-2.0 */
/* tail in a world that does not wait: a writer and a rotation act between any two system calls of
 * the input, from a seed. The rotation copies the file and cuts it off (what is written between
 * these is destroyed, and nobody can read it), or renames it and begins a new one; the oldest is
 * removed. Each line that is in a file, or in one that the input held open, comes once and in
 * order. No more bytes are counted as lost than did not come, and none less than it had seen of
 * these. A failure prints the seed and the steps; TAIL_RACE_SEED=N runs that one, TAIL_RACE_RUNS=N
 * so many from there. Linked with --wrap for the system calls and the monotonic clock. */
#include "base/clock.h"
#include "base/random.h"
#include "inputs/tail/state.h"
#include "seeds.h"
#include "tail_rig.h"

#include <dirent.h>
#include <linux/stat.h>

enum { RUNS = 150, TURNS = 60, LINES_MAX = 4096, LINE_BYTES = 16, LINES_AT_ONCE = 12 };
enum { CHUNK_MAX = 400, OPEN_FEW = 3, ROTATIONS_KEPT = 40, ACTS_WHILE_STOPPED = 40 };

enum phase { PHASE_REST, PHASE_RENAME, PHASE_COPY, PHASE_CUT, PHASE_REOPEN };

struct span { /* of lines */
    int first, end;
};

struct world {
    struct random random;
    struct rig rig;
    struct buf story;
    bool runs, acts;   /* the world; it is in the middle of an act */
    unsigned haste;    /* acts at a system call, in a thousand */
    int64_t now_ms;    /* added to the clock */
    bool reads_copies; /* else they are not in the pattern */
    bool copies;       /* else it renames */
    bool opens_few;    /* so files are closed and opened again */
    bool halves;       /* lines are written in two halves, to one file */
    int half_bytes;    /* written of the last line */
    enum phase phase;
    int rename_from, rotations_kept; /* the former is the next to be renamed */
    size_t copied_bytes;
    int writer_fd;                         /* it keeps the file open, as programs do */
    int line_count, first_line;            /* the latter: of what is in app.log */
    struct span spans[ROTATIONS_KEPT + 2]; /* of app.log.N */
    bool loose[LINES_MAX];                 /* in no order to the others */
    bool removed[LINES_MAX];               /* with their file */
    bool known[LINES_MAX]; /* and destroyed: if they do not come, they are counted */
    bool destroyed[LINES_MAX], came[LINES_MAX], settled[LINES_MAX];
    int last_came;
    size_t seen_events, settled_events, seen_losses;
    uint64_t unproven_bytes; /* may be counted as lost, though they came from a copy */
};

static struct world world;

static void tell(const char *act, int number)
{
    (void)buf_printf(&world.story, "%s(%d) ", act, number);
}

/* ---- what happens to the files ---- */

static void open_live(void)
{
    if (world.writer_fd >= 0)
        (void)close(world.writer_fd);
    world.writer_fd = open(rig_path(&world.rig, "app.log"), O_WRONLY | O_CREAT | O_APPEND, 0644);
    assert_true(world.writer_fd >= 0);
}

static void write_part(int from, int to)
{
    char text[LINE_BYTES + 1];

    (void)snprintf(text, sizeof(text), "line %010d\n", world.line_count);
    assert_int_equal(write(world.writer_fd, text + from, (size_t)(to - from)), to - from);
    world.half_bytes = to % LINE_BYTES;
    world.line_count += to == LINE_BYTES;
}

static void end_half(void)
{
    if (world.half_bytes > 0)
        write_part(world.half_bytes, LINE_BYTES);
}

static void write_lines(void)
{
    int lines = 1 + (int)random_below(&world.random, LINES_AT_ONCE);

    tell("write", lines);
    end_half();
    for (int i = 0; i < lines && world.line_count < LINES_MAX - 1; i++) {
        write_part(0, world.halves && i == lines - 1 ? (int)random_below(&world.random, LINE_BYTES)
                                                     : LINE_BYTES);
    }
}

static const struct tail_file *find_known(const char *name)
{
    const struct tail *tail = world.rig.state;
    struct tail_stat stat;

    if (tail == NULL || !tail_stat_path(rig_path(&world.rig, name), &stat))
        return NULL;
    const struct tail_file *file =
        tail_table_by_inode(&tail->table, stat.identity.device, stat.identity.inode);
    return file != NULL && tail_identity_same(&file->identity, &stat.identity) ? file : NULL;
}

/* What the input holds open it reads to the end. */
static void remove_oldest(void)
{
    struct span span = world.spans[world.rotations_kept];
    char name[32];

    (void)snprintf(name, sizeof(name), "app.log.%d", world.rotations_kept);
    const struct tail_file *known = find_known(name);
    if (unlink(rig_path(&world.rig, name)) != 0)
        return;
    tell("remove", span.first);
    for (int i = span.first; i < span.end; i++) {
        world.removed[i] = true;
        world.destroyed[i] |= known == NULL || known->fd < 0 || world.opens_few;
        world.known[i] |= known != NULL && known->fd < 0 &&
                          (uint64_t)(i + 1 - span.first) * LINE_BYTES <= known->size;
    }
}

static void rename_next(void)
{
    int n = world.rename_from--;
    char from[32], to[32];

    (void)snprintf(from, sizeof(from), n == 0 ? "app.log" : "app.log.%d", n);
    (void)snprintf(to, sizeof(to), "app.log.%d", n + 1);
    if (rename(rig_path(&world.rig, from), rig_path(&world.rig, to)) == 0)
        tell("rename", n);
    world.spans[n + 1] = world.spans[n];
}

static void begin_copy(void)
{
    tell("copy", 0);
    rig_put(&world.rig, "app.log.1", O_EXCL, "", 0);
    world.copied_bytes = 0;
    world.phase = PHASE_COPY;
}

static void copy_more(void)
{
    char chunk[CHUNK_MAX];
    size_t bytes = 1 + (size_t)random_below(&world.random, sizeof(chunk));
    int fd = open(rig_path(&world.rig, "app.log"), O_RDONLY);

    assert_true(fd >= 0);
    ssize_t got = pread(fd, chunk, bytes, (off_t)world.copied_bytes);
    assert_true(got >= 0);
    (void)close(fd);
    rig_put(&world.rig, "app.log.1", O_APPEND, chunk, (size_t)got);
    world.copied_bytes += (size_t)got;
    tell("copied", (int)world.copied_bytes);
    if (got == 0)
        world.phase = PHASE_CUT;
}

/* Cut off while nothing of it was read: its copy may be taken for a file of its own. */
static void doubt(struct span span)
{
    for (int i = span.first; i < span.end; world.loose[i++] = true)
        world.unproven_bytes += world.loose[i] ? 0 : LINE_BYTES;
}

static void cut_off(void)
{
    const struct tail_file *known = find_known("app.log");
    bool is_proven = world.came[world.first_line] && known != NULL && tail_file_offset(known) > 0;

    tell("cut", world.line_count);
    if (!world.came[world.first_line]) /* since a restart */
        doubt((struct span){ world.first_line, world.line_count });
    assert_int_equal(ftruncate(world.writer_fd, 0), 0);
    int copied = world.reads_copies ? (int)world.copied_bytes / LINE_BYTES : 0;
    world.spans[1] = (struct span){ world.first_line, world.first_line + copied };
    for (int i = world.first_line + copied; i < world.line_count; i++) {
        world.destroyed[i] = true;
        world.known[i] =
            is_proven && (uint64_t)(i + 1 - world.first_line) * LINE_BYTES <= known->size;
    }
    world.first_line = world.line_count;
    world.phase = PHASE_REST;
}

/* A content that was replaced twice between two looks is lost to anybody, so the first line of the
 * last one has come. A few bytes are no proof of what a copy is: there are more. */
static bool may_rotate(void)
{
    return world.first_line + TAIL_PREFIX_BYTES / LINE_BYTES <= world.line_count &&
           world.came[world.first_line];
}

static void rotate(void)
{
    switch (world.phase) {
    case PHASE_REST:
        if (!may_rotate())
            return;
        remove_oldest();
        world.rename_from = world.rotations_kept - 1;
        while (world.rename_from > 3)
            rename_next();
        world.phase = PHASE_RENAME;
        return;
    case PHASE_RENAME:
        rename_next();
        if (world.copies && world.rename_from == 0)
            begin_copy();
        else if (world.rename_from < 0)
            world.phase = PHASE_REOPEN;
        return;
    case PHASE_COPY:
        copy_more();
        return;
    case PHASE_CUT:
        cut_off();
        return;
    case PHASE_REOPEN: /* until now it wrote into the renamed one */
        tell("reopen", world.line_count);
        end_half();
        open_live();
        world.spans[1] = (struct span){ world.first_line, world.line_count };
        world.first_line = world.line_count;
        world.phase = PHASE_REST;
        return;
    }
}

static void act(void)
{
    if (random_below(&world.random, 3) == 0)
        write_lines();
    else
        rotate();
    world.now_ms += (int64_t)random_below(&world.random, 20);
}

static void let_world_act(void)
{
    int error = errno;

    if (!world.runs || world.acts)
        return;
    world.acts = true;
    while (random_below(&world.random, 1000) < world.haste)
        act();
    if (random_below(&world.random, 50) == 0) /* the input was not scheduled for long */
        for (int i = 0; i < ACTS_WHILE_STOPPED; i++)
            act();
    world.acts = false;
    errno = error;
}

/* ---- the system calls of the input ---- */

#define WRAPPED(type, name, args)                                                                  \
    type __real_##name args;                                                                       \
    type __wrap_##name args;                                                                       \
    type __wrap_##name args

WRAPPED(int64_t, clock_now_ms, (void))
{
    return __real_clock_now_ms() + world.now_ms;
}

WRAPPED(ssize_t, pread, (int fd, void *to, size_t bytes, off_t at))
{
    let_world_act();
    return __real_pread(fd, to, bytes, at);
}

WRAPPED(ssize_t, __pread_chk, (int fd, void *to, size_t bytes, off_t at, size_t room))
{
    let_world_act();
    return __real___pread_chk(fd, to, bytes, at, room);
}

WRAPPED(int, statx, (int at, const char *path, int flags, unsigned mask, struct statx *ret))
{
    let_world_act();
    return __real_statx(at, path, flags, mask, ret);
}

WRAPPED(int, open, (const char *path, int flags, mode_t mode))
{
    let_world_act();
    return __real_open(path, flags, mode);
}

WRAPPED(DIR *, opendir, (const char *path))
{
    let_world_act();
    return __real_opendir(path);
}

/* ---- the runs ---- */

static int number_of(size_t event)
{
    const char *body = fake_sink_body(world.rig.sink, event);
    int number = 0;

    if (strlen(body) != LINE_BYTES - 1 || sscanf(body, "line %d", &number) != 1 || number < 0 ||
        number >= world.line_count)
        fail_msg("not a line of ours: '%s'", body);
    return number;
}

static void take_events(void)
{
    for (; world.seen_events < world.rig.sink->event_count; world.seen_events++) {
        int number = number_of(world.seen_events);
        if (world.came[number])
            fail_msg("line %d came twice", number);
        world.came[number] = true;
        if (world.loose[number])
            continue;
        if (number < world.last_came)
            fail_msg("line %d came after %d", number, world.last_came);
        world.last_came = number;
    }
}

static void settle_some(void)
{
    struct sink *sink = world.rig.sink;
    size_t left = sink->mark_count - sink->settled;

    (void)fake_sink_settle(sink, &input_tail, world.rig.state,
                           (size_t)random_below(&world.random, left + 1));
    size_t events = sink->settled == 0 ? 0 : sink->marks[sink->settled - 1].events;
    for (; world.settled_events < events; world.settled_events++)
        world.settled[number_of(world.settled_events)] = true;
}

static void bound_open(struct tail *tail)
{
    tail->max_open = world.opens_few ? OPEN_FEW : tail->max_open;
}

static void collect(void)
{
    tell("collect", (int)world.seen_events);
    (void)fake_sink_collect(world.rig.sink, &input_tail, world.rig.state);
    take_events();
    for (; world.seen_losses < world.rig.sink->loss_count; world.seen_losses++)
        tell("lost", (int)world.rig.sink->losses[world.seen_losses].bytes);
    settle_some();
}

static void reload(void)
{
    struct err err;

    tell("reload", (int)world.seen_events);
    assert_true(input_tail.change(world.rig.state, &world.rig.config, &world.rig.host, &err));
}

/* The agent stops: what is read is thrown away. */
static void refuse(void)
{
    world.rig.sink->stopping = true;
    for (uint64_t i = random_below(&world.random, 3); i > 0; i--)
        (void)fake_sink_collect(world.rig.sink, &input_tail, world.rig.state);
    world.rig.sink->stopping = false;
    settle_some();
}

/* What is not settled comes again, from wherever it is by then. */
static void restart(void)
{
    tell("restart", (int)world.settled_events);
    refuse();
    rig_save(&world.rig);
    rig_close(&world.rig);
    world.rig.sink->settled = world.rig.sink->mark_count;
    world.settled_events = world.seen_events;
    if (world.copies && !world.came[world.first_line] && !world.settled[world.spans[1].first])
        doubt(world.spans[1]); /* it may not have seen that it was cut off */
    for (int i = 0; i < world.line_count; i++) {
        if (world.came[i] && !world.settled[i]) /* it knows of those that it read, and can count */
            world.known[i] = world.removed[i];
        world.destroyed[i] |= world.removed[i] && !world.settled[i];
    }
    memcpy(world.came, world.settled, sizeof(world.came));
    world.last_came = 0;
    let_world_act();
    rig_restore(&world.rig);
    bound_open(world.rig.state);
}

static void finish(void)
{
    world.runs = false;
    while (world.phase != PHASE_REST)
        rotate();
    end_half();
    for (int i = 0; i < 4; i++) {
        world.now_ms += 1000;
        rig_drain(&world.rig);
        take_events();
    }
}

static void check_end(void)
{
    uint64_t destroyed = 0, known = 0, lost = fake_sink_lost_bytes(world.rig.sink, NULL);

    for (int i = 0; i < world.line_count; i++) {
        if (!world.came[i] && !world.destroyed[i])
            fail_msg("line %d did not come", i);
        destroyed += world.came[i] ? 0 : LINE_BYTES;
        known += !world.came[i] && world.known[i] ? LINE_BYTES : 0;
    }
    if (lost < known)
        fail_msg("%llu bytes counted as lost, %llu are known to be", (unsigned long long)lost,
                 (unsigned long long)known);
    if (lost > destroyed + world.unproven_bytes)
        fail_msg("%llu bytes counted as lost, %llu are", (unsigned long long)lost,
                 (unsigned long long)destroyed);
}

static void run(uint64_t seed)
{
    world = (struct world){ .random = random_make(seed), .writer_fd = -1, .copies = seed % 4 != 0 };
    bool may_restart = seed % 3 == 0, may_reload = seed % 11 == 0;
    world.haste = 20 + (unsigned)random_below(&world.random, 600);
    world.reads_copies = seed % 5 != 0;
    world.rotations_kept = seed % 9 > 4 ? (int)(seed % 9 - 3) : ROTATIONS_KEPT;
    world.opens_few = seed % 13 == 0;
    world.halves = !world.copies && seed % 8 != 4;
    rig_init(&world.rig, world.reads_copies ? "app.log*" : "app.log");
    world.rig.config.max_line_bytes = 64;
    world.rig.host.buffer_bytes = seed % 7 == 0 ? 256 + random_below(&world.random, 4096) : 65536;
    world.rig.config.rescan = seed % 2 == 0 ? 0 : 3600000;
    open_live();
    write_lines();
    rig_open(&world.rig);
    bound_open(world.rig.state);
    rig_drain(&world.rig);
    take_events();
    world.runs = true;
    for (int i = 0; i < TURNS && world.line_count < LINES_MAX - 1; i++) {
        collect();
        if (may_restart && random_below(&world.random, 20) == 0)
            restart();
        if (may_reload && random_below(&world.random, 20) == 0)
            reload();
    }
    finish();
    check_end();
    (void)close(world.writer_fd);
    rig_fini(&world.rig);
    buf_fini(&world.story);
}

static int show_story(void **unused)
{
    (void)unused;
    world.runs = false;
    if (world.rig.sink != NULL) {
        (void)fprintf(stderr, "%s\n%s\n", world.rig.folder, world.story.data);
        rig_fini(&world.rig);
        buf_fini(&world.story);
    }
    return 0;
}

static void every_line_comes_once_whatever_happens_between_two_calls(void **unused)
{
    (void)unused;
    seeds_run("TAIL_RACE", RUNS, run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(every_line_comes_once_whatever_happens_between_two_calls,
                                  show_story),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
