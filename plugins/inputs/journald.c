/* SPDX-License-Identifier: Apache-2.0 */
/* journald: the entries of systemd's journal, by libsystemd.
 * The position is the journal's cursor of the last entry that is settled. Entries are numbered by
 * journald: a jump in the numbers is what a vacuum or a damaged file took before it was read. That
 * is counted where all files can be read and nothing is filtered by the journal, else it is said
 * that it is not known. What journald itself suppressed, by its rate limit, it says in an entry.
 * Runs in its reading's thread. */
#include "plugin.h"

#include "journald/aside.h"
#include "journald/cursor.h"
#include "journald/fields.h"
#include "journald/files.h"
#include "journald/folders.h"
#include "journald/matches.h"

#include <limits.h>
#include <systemd/sd-journal.h>
#include <systemd/sd-login.h>

enum {
    RUN_ENTRIES = 512, /* of one collection, each with one mark */
    PLACES =
        256, /* marks that are not settled; while there are more, reads get none of their own */
    EXPANDED_BYTES = (1 << 20) + 1024,
    BAD_ROUNDS = 3,    /* in a row at one place, before it is passed over */
    SD_WAIT_MS = 1000, /* where it cannot be opened */
    FOLDERS_MS = 3000  /* how often its folders are looked at */
};

struct place {
    uint64_t mark;
    char cursor[CURSOR_BYTES];
};

struct journald {
    const struct journald_config *config;
    sd_journal *journal; /* NULL: it has to be opened again */
    struct journal_folders folders;
    struct journal_files files;
    int64_t look_ms; /* when to look at both again; 0: at once */
    int fd;
    char *buffer;
    size_t room;
    char *own_unit;   /* NULL: none */
    bool counts;      /* the numbers of entries say what is missing: all may be read */
    bool has_begun;   /* a place was looked for before, and be it in an empty journal */
    bool is_placed;   /* the journal stands at the last entry that was read */
    bool is_unmarked; /* that place is none that was read: the end, at the first start */
    bool has_entry;   /* it stands at an entry that is not read yet */
    bool passes_over; /* the next seek goes by time: this place cannot be read */
    unsigned bad_rounds;
    uint64_t last_usec; /* wall-clock time of the last entry */
    char last[CURSOR_BYTES];
    struct journal_sequence sequence; /* of the last mark */
    uint64_t seen;                    /* entries read since */
    char settled[CURSOR_BYTES];       /* "": none */
    struct place places[PLACES];      /* oldest first */
    size_t first_place, place_count;
    uint64_t marks;
    uint64_t lines, cut, unparsed; /* of this collection */
};

struct journald_mark {
    uint64_t stream; /* there is one */
    uint64_t number;
};

/* ---- opening ---- */

static bool journald_check(const void *config, struct err *err)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    const struct journald_config *cfg = config;

    if (cfg->root_path[0] != '\0' && cfg->root_path[0] != '/')
        return err_set(err, "root_path '%s' does not begin with '/'", cfg->root_path);
    if (cfg->root_path[0] != '\0' && cfg->directory[0] != '\0')
        return err_set(err, "directory and root_path exclude each other");
    for (size_t i = 0; i < cfg->matches.count; i++) {
        const char *match = cfg->matches.items[i];
        size_t name = strspn(match, letters);
        if (name == 0 || match[name] != '=')
            return err_set(err,
                           "matches: '%s' is not FIELD=value, with capitals as in "
                           "_TRANSPORT=kernel",
                           match);
    }
    return true;
}

/* Where libsystemd looks for them, and how they are named. */
static void journald_reads(const void *config, struct buf *ret_globs)
{
    const struct journald_config *cfg = config;
    const char *directory = cfg->directory, *root = cfg->root_path;

    if (directory[0] != '\0')
        (void)buf_printf(ret_globs, "%s/*.journal\n%s/*/*.journal\n", directory, directory);
    else
        (void)buf_printf(ret_globs,
                         "%s/var/log/journal/*/*.journal\n%s/run/log/journal/*/*.journal\n", root,
                         root);
}

static int open_files(const struct journald_config *config, sd_journal **ret)
{
    if (config->directory[0] != '\0')
        return sd_journal_open_directory(ret, config->directory, 0);
    if (config->root_path[0] != '\0') /* a folder that is not there is none to read */
        return sd_journal_open_directory(ret, config->root_path, SD_JOURNAL_OS_ROOT);
    return sd_journal_open(ret, SD_JOURNAL_LOCAL_ONLY);
}

static int open_journal(struct journald *in)
{
    const struct journald_config *config = in->config;
    sd_journal *journal = NULL;
    struct journal_folders folders = journal_folders_of(config);
    int failed = open_files(config, &journal);

    if (failed >= 0)
        failed = journal_add_matches(journal, config);
    /* Of a field that is longer, as a whole core dump, only so much is expanded. */
    if (failed >= 0)
        failed = sd_journal_set_data_threshold(journal, EXPANDED_BYTES);
    if (failed >= 0)
        failed = in->fd = sd_journal_get_fd(journal); /* from now on changes are told */
    if (failed < 0) {
        sd_journal_close(journal);
        return failed;
    }
    in->journal = journal;
    in->folders = folders;
    in->look_ms = 0;
    in->is_placed = in->has_entry = false;
    return 0;
}

/* ---- places ---- */

/* Behind the last entry that was read; if that is gone, before the next one. */
static int return_to_last(struct journald *in, struct sink *sink)
{
    int got = in->passes_over ? sd_journal_seek_realtime_usec(in->journal, in->last_usec + 1)
                              : sd_journal_seek_cursor(in->journal, in->last);
    if (got < 0 || (got = sd_journal_next(in->journal)) <= 0)
        return got;
    int same = sd_journal_test_cursor(in->journal, in->last);
    if (same < 0)
        return same;
    in->has_entry = same == 0;
    if (same == 0 && !in->counts)
        sink_tell(sink, LOG_WARN, "entries may be missing, how many is not known", "journal",
                  "the last place is gone, and what is missing cannot be told");
    return 0;
}

static int begin(struct journald *in)
{
    if (in->config->start_at == JOURNALD_START_BEGINNING || in->has_begun)
        return sd_journal_seek_head(in->journal);
    int got = sd_journal_seek_tail(in->journal);
    if (got >= 0)
        got = sd_journal_previous(in->journal);
    /* Nothing is there yet: all that comes is new. From the tail only the last of it were read. */
    return got == 0 ? sd_journal_seek_head(in->journal) : got;
}

static bool note_place(struct journald *in)
{
    char *cursor = NULL;
    bool has_one = sd_journal_get_cursor(in->journal, &cursor) >= 0 && cursor != NULL &&
                   strlen(cursor) < sizeof(in->last);

    if (has_one)
        (void)strcpy(in->last, cursor);
    free(cursor);
    return has_one;
}

static int find_place(struct journald *in, struct sink *sink)
{
    int got = in->last[0] != '\0' ? return_to_last(in, sink) : begin(in);

    if (got < 0)
        return got;
    in->passes_over = false;
    in->is_placed = in->has_begun = true;
    /* A first start at the end remembers where that was. */
    if (in->last[0] == '\0' && got > 0 && note_place(in)) {
        in->is_unmarked = true;
        (void)journal_sequence_of(in->last, &in->sequence);
        (void)journal_time_of(in->last, &in->last_usec);
    }
    return 0;
}

/* ---- at the start ---- */

static bool journald_open(void *state, const void *config, const struct host *host, struct err *err)
{
    struct journald *in = state;

    (void)host;
    in->config = config;
    in->fd = -1;
    in->room = 2 * (size_t)(in->config->max_line_bytes + ENTRY_ATTRIBUTE_BYTES);
    in->buffer = malloc(in->room);
    if (in->buffer == NULL)
        return err_set(err, "out of memory for %zu bytes", in->room);
    if (!in->config->own_output && sd_pid_get_unit(0, &in->own_unit) < 0)
        in->own_unit = NULL;
    int failed = open_journal(in);
    if (failed >= 0) {
        (void)find_place(in, NULL); /* what comes from now on is read; else collecting tries it */
        return true;
    }
    free(in->buffer);
    free(in->own_unit);
    const char *place =
        in->config->directory[0] != '\0' ? in->config->directory : in->config->root_path;
    return err_set(err, "cannot open the journal%s%s: %s", place[0] != '\0' ? " in " : "", place,
                   strerror(-failed));
}

static bool journald_restore(void *state, struct slice checkpoint, struct err *err)
{
    static const struct slice head = SLICE("spillway-journald 1\n");
    struct journald *in = state;

    if (checkpoint.bytes == 0)
        return true; /* saved before there was a position */
    if (checkpoint.bytes <= head.bytes || memcmp(checkpoint.data, head.data, head.bytes) != 0)
        return err_set(err, "it is not 'spillway-journald 1' and a cursor");
    struct slice cursor = { checkpoint.data + head.bytes, checkpoint.bytes - head.bytes };
    if (cursor.bytes < 2 || cursor.bytes > sizeof(in->last) ||
        cursor.data[cursor.bytes - 1] != '\n' || memchr(cursor.data, '\0', cursor.bytes) != NULL)
        return err_set(err, "its cursor is not one");
    memcpy(in->last, cursor.data, cursor.bytes - 1);
    in->last[cursor.bytes - 1] = '\0';
    in->is_placed = in->is_unmarked = false;
    int got = sd_journal_seek_cursor(in->journal, in->last);
    if (got < 0 && got != -ENOMEM) { /* without memory it is looked for when it is read */
        in->last[0] = '\0';
        in->has_begun = false;
        return err_set(err, "the journal does not take its cursor");
    }
    memcpy(in->settled, in->last, sizeof(in->settled));
    (void)journal_sequence_of(in->last, &in->sequence);
    (void)journal_time_of(in->last, &in->last_usec);
    return true;
}

/* ---- entries ---- */

static bool is_own(const struct journald *in)
{
    static const char field[] = "_SYSTEMD_UNIT=";
    const void *data;
    size_t bytes;

    return in->own_unit != NULL &&
           sd_journal_get_data(in->journal, "_SYSTEMD_UNIT", &data, &bytes) >= 0 &&
           bytes == sizeof(field) - 1 + strlen(in->own_unit) &&
           memcmp((const char *)data + sizeof(field) - 1, in->own_unit, strlen(in->own_unit)) == 0;
}

/* Returns the bytes of the buffer that the entry took. */
static size_t take_entry(struct journald *in, struct sink *sink, size_t used)
{
    struct journal_entry entry = { .event = sink_event(sink),
                                   .memory = in->buffer + used,
                                   .room = in->room - used,
                                   .max_line_bytes = in->config->max_line_bytes,
                                   .all_fields = in->config->all_fields };
    const void *data;
    size_t bytes;
    int got;

    sd_journal_restart_data(in->journal);
    while ((got = sd_journal_enumerate_available_data(in->journal, &data, &bytes)) > 0)
        journal_entry_field(&entry, (struct slice){ data, bytes });
    if (got < 0) {
        event_text(entry.event, "log.parse_error", SLICE("not all of its fields can be read"));
        in->unparsed++;
    }
    if (entry.event->time_ns == 0)
        entry.event->time_ns = (int64_t)(in->last_usec * 1000);
    in->lines++;
    in->cut += entry.event->flags & EVENT_TRUNCATED ? 1 : 0;
    struct slice of;
    uint64_t suppressed = journal_entry_suppressed(&entry, &of);
    if (suppressed > 0) {
        char unit[NAME_MAX + 1];
        (void)snprintf(unit, sizeof(unit), "%.*s", (int)of.bytes, of.bytes == 0 ? "" : of.data);
        sink_lost(sink, of.bytes == 0 ? "journald's rate limit" : unit, suppressed, 0);
    }
    return entry.used;
}

/* 0: there are no more; < 0: an error of the journal; else how many were read. */
static int read_entries(struct journald *in, struct sink *sink)
{
    size_t used = 0, need = (size_t)in->config->max_line_bytes + ENTRY_ATTRIBUTE_BYTES;
    int count = 0, got = 1;

    in_hand_of(in_hand_name(in->last, strlen(in->last)));
    while (count < RUN_ENTRIES && in->room - used >= need) {
        if (!in->has_entry && (got = sd_journal_next(in->journal)) <= 0)
            break;
        in->has_entry = false;
        in->seen++;
        if (journal_aside_is(sink, (uint64_t)++count)) {
            journal_aside_take(in->journal, sink);
            continue;
        }
        in_hand_take((uint64_t)count, (uint64_t)count + 1);
        (void)sd_journal_get_realtime_usec(in->journal, &in->last_usec);
        if (!is_own(in))
            used += take_entry(in, sink, used);
        in_hand_drop();
    }
    return count > 0 ? count : got;
}

/* ---- positions ---- */

static void count_missing(struct journald *in, struct sink *sink)
{
    struct journal_sequence now = { .number = 0 };

    if (!journal_sequence_of(in->last, &now))
        return;
    uint64_t missing = journal_missing(&in->sequence, &now, in->seen);
    if (missing > 0 && in->counts)
        sink_lost(sink, "journal", missing, 0);
    in->sequence = now;
    in->seen = 0;
}

/* false: the agent stops. */
static bool mark_place(struct journald *in, struct sink *sink)
{
    struct journald_mark mark = { .number = in->marks + 1 };

    if (in->place_count == PLACES)
        return true; /* the read goes on under the next mark */
    if (!sink_mark(sink, &mark, sizeof(mark)))
        return false;
    in->marks++;
    struct place *place = &in->places[(in->first_place + in->place_count++) % PLACES];
    place->mark = in->marks;
    memcpy(place->cursor, in->last, sizeof(place->cursor));
    return true;
}

static void journald_settle(void *state, const void *mark, size_t bytes)
{
    struct journald *in = state;
    struct journald_mark settled;

    CHECK(bytes == sizeof(settled));
    memcpy(&settled, mark, sizeof(settled));
    while (in->place_count > 0 && in->places[in->first_place].mark <= settled.number) {
        memcpy(in->settled, in->places[in->first_place].cursor, sizeof(in->settled));
        in->first_place = (in->first_place + 1) % PLACES;
        in->place_count--;
    }
}

static bool journald_save(void *state, struct buf *ret_checkpoint)
{
    const struct journald *in = state;

    return in->settled[0] == '\0' ||
           buf_printf(ret_checkpoint, "spillway-journald 1\n%s\n", in->settled);
}

/* ---- collecting ---- */

/* What libsystemd says when files are rotated, vacuumed or damaged under it ends with a new look at
 * all of them, at the same place; a place that cannot be read is passed over. */
static enum collected open_again(struct journald *in, struct sink *sink, int error)
{
    bool is_want = error == -ENOMEM || error == -EMFILE || error == -ENFILE; /* not the place's */

    sink_tell(sink, LOG_WARN, "the journal is opened again", "journal", strerror(-error));
    if (!is_want && ++in->bad_rounds >= BAD_ROUNDS && in->last[0] != '\0') {
        sink_tell(sink, LOG_ERROR, "a place in the journal cannot be read and is passed over",
                  "journal", strerror(-error));
        in->passes_over = true;
        in->bad_rounds = 0;
    }
    sd_journal_close(in->journal);
    in->journal = NULL;
    return COLLECT_FAILED;
}

/* A file that we may not read would look like a gap. */
static void look_at_files(struct journald *in, struct sink *sink)
{
    journal_files_look(&in->files, in->config, clock_real_ns() / NS_PER_S, sink);
    in->counts = in->files.refused == 0 && !journal_is_filtered(in->config);
    in->look_ms = clock_now_ms() + FOLDERS_MS;
}

/* When all that could be read is read: what is in folders that are gone is gone then. */
static bool is_elsewhere(struct journald *in, struct sink *sink)
{
    if (clock_now_ms() < in->look_ms)
        return false;
    look_at_files(in, sink);
    struct journal_folders now = journal_folders_of(in->config);
    if (journal_folders_same(&in->folders, &now))
        return false;
    sink_tell(sink, LOG_WARN, "the journal is opened again", "journal",
              "its folder was made, or made anew, or is gone");
    sd_journal_close(in->journal);
    in->journal = NULL;
    return true;
}

static int prepare(struct journald *in, struct sink *sink)
{
    int got = in->journal == NULL ? open_journal(in) : sd_journal_process(in->journal);

    if (got < 0)
        return got;
    if (in->look_ms == 0)
        look_at_files(in, sink);
    return in->is_placed ? 0 : find_place(in, sink);
}

static enum collected journald_collect(void *state, struct sink *sink)
{
    struct journald *in = state;
    int got = prepare(in, sink);

    if (got >= 0)
        got = read_entries(in, sink);
    if (got < 0)
        return in->journal == NULL ? COLLECT_FAILED : open_again(in, sink, got);
    in->bad_rounds = 0;
    sink_add(sink, SINK_LINES, in->lines);
    sink_add(sink, SINK_LINES_TRUNCATED, in->cut);
    sink_add(sink, SINK_LINES_UNPARSED, in->unparsed);
    in->lines = in->cut = in->unparsed = 0;
    if (got > 0 && note_place(in))
        count_missing(in, sink);
    if ((got > 0 || in->is_unmarked) && !mark_place(in, sink))
        return COLLECT_IDLE;
    in->is_unmarked = false;
    return got > 0 || is_elsewhere(in, sink) ? COLLECT_MORE : COLLECT_IDLE;
}

static void journald_wait(void *state, struct waits *waits)
{
    const struct journald *in = state;
    uint64_t until_usec = UINT64_MAX;

    if (in->journal == NULL) {
        waits->until_ms = clock_now_ms() + SD_WAIT_MS;
        return;
    }
    waits->fds[waits->fd_count++] = in->fd;
    waits->until_ms = in->look_ms == 0 ? clock_now_ms() : in->look_ms;
    /* Where the kernel tells nothing of changes, as on NFS. */
    if (sd_journal_get_timeout(in->journal, &until_usec) >= 0 && until_usec != UINT64_MAX &&
        (int64_t)(until_usec / 1000) < waits->until_ms)
        waits->until_ms = (int64_t)(until_usec / 1000) + 1;
}

static void journald_close(void *state)
{
    struct journald *in = state;

    sd_journal_close(in->journal);
    free(in->buffer);
    free(in->own_unit);
}

static uint64_t journald_max_event_bytes(const void *config)
{
    const struct journald_config *cfg = config;
    return cfg->max_line_bytes + ENTRY_ATTRIBUTE_BYTES;
}

const struct input input_journald = {
    .type = { PLUGIN_TYPE("journald", "Entries of systemd's journal", journald_config, journald),
              .traits = INPUT_REREADABLE | INPUT_READS_ALL, .reads = journald_reads,
              .max_event_bytes = journald_max_event_bytes, .check = journald_check },
    .open = journald_open,
    .restore = journald_restore,
    .collect = journald_collect,
    .wait = journald_wait,
    .settle = journald_settle,
    .save = journald_save,
    .close = journald_close,
};
