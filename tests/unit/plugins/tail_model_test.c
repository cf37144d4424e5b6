/* SPDX-License-Identifier: Apache-2.0 */
/* tail against a model: random writes, rotations, truncations, removals and restarts from a seed.
 * Each line that was not destroyed unread arrives once, or again after a restart if it was not
 * settled; bytes that were destroyed after they had been seen are counted exactly. A failure prints
 * the seed and the steps; TAIL_MODEL_SEED=N runs that one, TAIL_MODEL_RUNS=N so many. */
#include "base/random.h"
#include "seeds.h"
#include "tail_rig.h"

enum {
    LINE_TEXT = 7,
    LINE_BYTES = 8,
    PART_BYTES = 3,
    STEPS = 60,
    LINES_MAX = 1024,
    FILES_MAX = 128
};
enum { RUNS = 300 };

struct model_line {
    int file;
    bool whole; /* its newline was written */
    bool done;  /* arrived since it had to */
    bool settled;
    bool gone; /* destroyed: it need not arrive, and if it was not done it cannot */
};

struct model_file {
    int first_line, end_line;
    int known_bytes;    /* at the last look; 0: not met yet */
    int consumed_bytes; /* at the last look: all whole lines */
    bool held;          /* open in the input, which outlives a removal */
    bool removed, cut;
    bool dead;       /* removed, and not held open by anybody */
    bool cut_unseen; /* and nobody has looked since */
    bool part;       /* ends within a line */
};

struct model {
    struct random random;
    struct rig rig;
    struct model_line lines[LINES_MAX];
    int line_count;
    struct model_file files[FILES_MAX]; /* the last one is at the path, if has_file */
    int file_count;
    bool has_file;
    bool only_drains; /* then losses are exact */
    size_t seen_events, epoch_events, settled_marks;
    uint64_t lost_min, lost_max;
    struct buf story;
};

static struct model model;

static void tell(const char *step, int number)
{
    (void)buf_printf(&model.story, "%s(%d) ", step, number);
}

static struct model_file *current(void)
{
    if (!model.has_file) {
        assert_true(model.file_count < FILES_MAX);
        model.files[model.file_count++] =
            (struct model_file){ .first_line = model.line_count, .end_line = model.line_count };
        model.has_file = true;
    }
    return &model.files[model.file_count - 1];
}

static int bytes_of(const struct model_file *file)
{
    int lines = file->end_line - file->first_line;
    return file->part ? (lines - 1) * LINE_BYTES + PART_BYTES : lines * LINE_BYTES;
}

/* ---- what is done to files ---- */

static void write_line(bool part)
{
    struct model_file *file = current();
    char text[16];

    if (!file->part) {
        (void)snprintf(text, sizeof(text), "L%06d\n", model.line_count);
        if (part)
            text[PART_BYTES] = '\0';
        rig_append(&model.rig, "app.log", text);
        model.lines[model.line_count++] =
            (struct model_line){ .file = model.file_count - 1, .whole = !part };
        file->end_line = model.line_count;
        file->part = part;
    } else if (!part) {
        (void)snprintf(text, sizeof(text), "L%06d\n", model.line_count - 1);
        rig_append(&model.rig, "app.log", text + PART_BYTES);
        model.lines[model.line_count - 1].whole = true;
        file->part = false;
    }
}

static void rotate(void)
{
    char from[32], to[32];

    for (int n = FILES_MAX; n > 0; n--) {
        (void)snprintf(to, sizeof(to), "app.log.%d", n);
        (void)snprintf(from, sizeof(from), n == 1 ? "app.log" : "app.log.%d", n - 1);
        (void)rename(rig_path(&model.rig, from), rig_path(&model.rig, to));
    }
    model.has_file = false;
}

/* What was seen of a file and not consumed is destroyed. */
static void lose(const struct model_file *file, int consumed_bytes, bool certain)
{
    uint64_t lost = (uint64_t)(file->known_bytes - consumed_bytes);
    if (file->known_bytes <= consumed_bytes)
        return;
    model.lost_max += lost;
    model.lost_min += certain ? lost : 0;
}

static int settled_bytes(const struct model_file *file)
{
    int bytes = 0;
    for (int i = file->first_line; i < file->end_line && model.lines[i].settled; i++)
        bytes += LINE_BYTES;
    return bytes;
}

static void destroy_lines(const struct model_file *file)
{
    for (int i = file->first_line; i < file->end_line; i++)
        model.lines[i].gone |= !model.lines[i].done;
}

/* That it was cut is certain only if something had been consumed before. */
static void see_cut(struct model_file *file, int consumed_bytes)
{
    if (file->cut_unseen)
        lose(file, consumed_bytes, consumed_bytes > 0);
    file->cut_unseen = false;
}

/* In place: the inode stays. */
static void cut_off(bool down)
{
    struct model_file *file = current();
    rig_append(&model.rig, "app.log", ""); /* it may not be there yet */
    rig_rewrite(&model.rig, "app.log", "");
    destroy_lines(file);
    file->cut = file->cut_unseen = true;
    if (down)
        see_cut(file, settled_bytes(file));
    model.has_file = false;
    current()->held = file->held;
}

static void remove_file(bool down)
{
    struct model_file *file = current();

    rig_append(&model.rig, "app.log", "");
    rig_unlink(&model.rig, "app.log");
    file->removed = true;
    model.has_file = false;
    file->dead = !file->held;
    if (down)
        lose(file, settled_bytes(file), true);
    if (file->dead)
        destroy_lines(file); /* nobody holds it open */
}

static void change_files(bool down)
{
    uint64_t dice = random_below(&model.random, 20);
    int lines = (int)random_below(&model.random, 6);

    if (dice < 10) {
        tell("write", lines);
        for (int i = 0; i < lines; i++)
            write_line(false);
    } else if (dice < 13) {
        tell("part", model.line_count);
        write_line(true);
    } else if (dice < 17) {
        tell("rotate", model.file_count);
        rotate();
    } else if (dice < 19) {
        tell("cut", model.line_count);
        cut_off(down);
    } else {
        tell("remove", model.file_count);
        remove_file(down);
    }
}

/* ---- what the input does ---- */

static void take_events(void)
{
    const struct sink *sink = model.rig.sink;

    for (; model.seen_events < sink->event_count; model.seen_events++) {
        const char *body = fake_sink_body(sink, model.seen_events);
        int number = (int)strtol(body + 1, NULL, 10);
        if (strlen(body) != LINE_TEXT || number < 0 || number >= model.line_count)
            fail_msg("not a line of ours: '%s'", body);
        struct model_line *line = &model.lines[number];
        if (line->done || line->gone || !line->whole)
            fail_msg("line %d came and should not: done %d gone %d", number, line->done,
                     line->gone);
        line->done = true;
    }
}

static void note_look(void)
{
    for (int i = 0; i < model.file_count; i++) {
        struct model_file *file = &model.files[i];
        see_cut(file, file->consumed_bytes);
        file->held |= !file->removed;
        file->known_bytes = file->cut || file->dead ? 0 : bytes_of(file);
        file->consumed_bytes = file->known_bytes - (file->part ? PART_BYTES : 0);
    }
}

static void drain(void)
{
    tell("drain", (int)model.seen_events);
    rig_drain(&model.rig);
    take_events();
    note_look();
}

static void collect(void)
{
    if (model.only_drains) {
        drain();
        return;
    }
    tell("collect", (int)model.seen_events);
    (void)fake_sink_collect(model.rig.sink, &input_tail, model.rig.state);
    take_events();
    note_look();
}

static void settle(void)
{
    size_t left = model.rig.sink->mark_count - model.rig.sink->settled;
    size_t count = (size_t)random_below(&model.random, left + 1);

    tell("settle", (int)count);
    (void)fake_sink_settle(model.rig.sink, &input_tail, model.rig.state, count);
    if (model.rig.sink->settled == 0)
        return;
    size_t events = model.rig.sink->marks[model.rig.sink->settled - 1].events;
    for (size_t i = model.epoch_events; i < events; i++)
        model.lines[strtol(fake_sink_body(model.rig.sink, i) + 1, NULL, 10)].settled = true;
}

static void restart(void)
{
    settle();
    tell("restart", (int)model.settled_marks);
    rig_save(&model.rig);
    rig_close(&model.rig);
    model.rig.sink->settled = model.rig.sink->mark_count;
    model.epoch_events = model.rig.sink->event_count;
    for (int i = 0; i < model.line_count; i++) {
        struct model_line *line = &model.lines[i];
        line->done = line->settled;
    }
    for (int i = 0; i < model.file_count; i++) { /* what only we held open is gone now */
        struct model_file *file = &model.files[i];
        see_cut(file, settled_bytes(file));
        file->held = false;
        if (file->cut)
            destroy_lines(file);
        if (file->removed && !file->dead) {
            file->dead = true;
            lose(file, settled_bytes(file), true);
            destroy_lines(file);
            file->known_bytes = 0;
        }
    }
    for (uint64_t changes = random_below(&model.random, 4); changes > 0; changes--)
        change_files(true);
    rig_restore(&model.rig);
    drain();
}

static void step(void)
{
    uint64_t dice = random_below(&model.random, 20);

    if (dice < 10)
        change_files(false);
    else if (dice < 15)
        collect();
    else if (dice < 18)
        settle();
    else
        restart();
}

/* ---- the runs ---- */

static void check_end(void)
{
    drain();
    for (int i = 0; i < model.line_count; i++) {
        if (!model.lines[i].done && !model.lines[i].gone && model.lines[i].whole)
            fail_msg("line %d did not come", i);
    }
    uint64_t lost = fake_sink_lost_bytes(model.rig.sink, NULL);
    if (model.only_drains && (lost < model.lost_min || lost > model.lost_max))
        fail_msg("%llu bytes counted as lost, it is %llu to %llu", (unsigned long long)lost,
                 (unsigned long long)model.lost_min, (unsigned long long)model.lost_max);
}

static void run(uint64_t seed)
{
    model = (struct model){ .random = random_make(seed), .only_drains = seed % 2 == 0 };
    rig_init(&model.rig, "app.log");
    model.rig.config.max_line_bytes = 16;
    model.rig.host.buffer_bytes = 20 + random_below(&model.random, 200);
    if (seed % 3 == 0)
        rig_add_path(&model.rig, "app.log*");
    rig_open(&model.rig);
    write_line(false); /* rotations are missed of a path that was seen, not of one that never was */
    drain();
    for (int i = 0; i < STEPS; i++)
        step();
    check_end();
    rig_fini(&model.rig);
    buf_fini(&model.story);
}

static int show_story(void **unused)
{
    (void)unused;
    if (model.rig.sink != NULL) {
        print_error("%s\n%s\n", model.rig.folder, model.story.data);
        rig_fini(&model.rig);
        buf_fini(&model.story);
    }
    return 0;
}

static void every_line_arrives_once_whatever_is_done_to_its_file(void **unused)
{
    (void)unused;
    seeds_run("TAIL_MODEL", RUNS, run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(every_line_arrives_once_whatever_is_done_to_its_file, show_story),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
