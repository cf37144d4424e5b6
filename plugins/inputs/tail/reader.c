/* SPDX-License-Identifier: Apache-2.0 */
/* reader: one round fills the buffer once, from one busy file or from many quiet ones, and ends
 * with one mark. A last line without its newline stays in the file and is read again when there is
 * more: nothing is carried over, and a restart finds it as it was. Only a line that is longer than
 * the buffer's share, or a hole of NULs, is looked through ahead of what was consumed. After each
 * read, and not before, the cursor is compared with the file: so whatever a truncation falls
 * between, bytes of the new content are never taken for the old one's. */
#include "aside.h"
#include "copy.h"
#include "lines.h"

enum { ROUND_FILES = 64 };

/* A file's new state. It becomes the file's once the mark is taken. */
struct taken {
    struct tail_file *file;
    struct tail_cursor read, ahead_read;
    enum tail_ahead ahead;
    bool moves;  /* `read` is a new one */
    bool more;   /* to be read again at once */
    bool grew;   /* while it was read: there is more than was seen */
    bool ends;   /* this was the rest of a file that is finished */
    bool at_end; /* there was nothing behind what was read */
};

struct round {
    struct tail *tail;
    struct sink *sink;
    int64_t now_ms;
    size_t used; /* of the buffer, by the bodies of events */
    struct taken taken[ROUND_FILES];
    size_t count;
};

static char *free_buffer(const struct round *round, size_t *ret_bytes)
{
    *ret_bytes = round->tail->buffer_bytes - round->used;
    return round->tail->buffer + round->used;
}

/* The writer has gone on in the newer file: no more comes for what is not finished in the older. */
static bool end_held(struct tail *tail, const struct tail_file *file, struct tail_file *older)
{
    struct tail_stat stat;

    if (!older->hold.any || older->hold.end_now || !tail_stat_path(file->path, &stat) ||
        stat.size == 0)
        return false;
    older->hold.end_now = true;
    tail_queue_push(&tail->table, older);
    return true;
}

static bool is_blocked(struct tail *tail, const struct tail_file *file)
{
    struct tail_file *older = tail_table_get(&tail->table, file->after);
    if (older == NULL || older->failed) /* this may hold the descriptor that is wanting */
        return false;
    return older->queued || older->reading || end_held(tail, file, older);
}

/* Asked after the younger file was read: what a writer put into the older one before it went on in
 * the younger is there by then, and comes first. */
static bool older_has_grown(struct tail *tail, const struct tail_file *file)
{
    struct tail_file *older = tail_table_get(&tail->table, file->after);
    struct tail_stat stat;

    if (older == NULL || older->finished || older->fd < 0 || !tail_stat_fd(older->fd, &stat) ||
        stat.size <= older->size)
        return false;
    tail_queue_push(&tail->table, older);
    return true;
}

static struct tail_lines begin_lines(const struct round *round, struct tail_file *file)
{
    tail_file_describe(round->tail, file);
    in_hand_of(tail_aside_name(file));
    return (struct tail_lines){ .sink = round->sink,
                                .resource = file->resource,
                                .path = file->path,
                                .offset = file->read.offset,
                                .parse_error = tail_join_parse_error(round->tail->join),
                                .max_line_bytes = (size_t)round->tail->config->max_line_bytes };
}

static void end_lines(const struct tail_lines *lines)
{
    in_hand_drop();
    if (lines->lines > 0)
        sink_add(lines->sink, SINK_LINES, lines->lines);
    if (lines->cut > 0)
        sink_add(lines->sink, SINK_LINES_TRUNCATED, lines->cut);
    if (lines->unparsed > 0)
        sink_add(lines->sink, SINK_LINES_UNPARSED, lines->unparsed);
    if (lines->ended > 0)
        sink_add(lines->sink, SINK_EVENTS_ENDED, lines->ended);
}

/* -1: it failed, which is told. */
static ssize_t read_at(const struct round *round, struct tail_file *file, char *to, size_t bytes,
                       uint64_t offset)
{
    ssize_t got = pread(file->fd, to, bytes, (off_t)offset);
    if (got < 0)
        tail_file_unreadable(round->tail, round->sink, file, errno);
    return got;
}

/* What the file is now, after a read that ended at `end`. Its size is asked for before the cursor
 * proves that it still is the old content: so it cannot be that of a new one. */
static enum tail_fit look_again(const struct round *round, struct taken *taken, uint64_t end)
{
    struct tail_file *file = taken->file;
    struct tail_stat stat;

    bool has_size = tail_stat_fd(file->fd, &stat);
    enum tail_fit fit = tail_cursor_fits(&file->read, file->fd);
    if (fit == TAIL_FITS_NOT)
        tail_file_renew(round->tail, round->sink, file);
    else if (fit == TAIL_UNREADABLE)
        tail_file_unreadable(round->tail, round->sink, file, errno);
    if (fit != TAIL_FITS)
        return fit;
    uint64_t size = has_size && stat.size > end ? stat.size : end;
    if (size < file->size && tail_copy_take_unread(round->tail, round->sink, file))
        return TAIL_FITS_NOT;
    taken->grew = size > end && size != file->size; /* else a size that is never reached */
    if (size > file->size) {
        file->active_ms = round->now_ms;
        file->finishing = false;
        if (file->moved)
            tail_file_expect(round->tail, file);
    } else if (size < file->size) { /* the begin of a line was there, and was taken back */
        sink_lost(round->sink, file->path, 0, file->size - size);
        sink_add(round->sink, SINK_SOURCES_TRUNCATED, 1);
    }
    file->size = size;
    return TAIL_FITS;
}

static void start_over(struct taken *taken)
{
    taken->read = taken->file->read; /* at 0, since the file was renewed */
    taken->ahead = AHEAD_NONE;
    taken->more = true;
}

/* After a read that ended at `end`. false: what was read is not taken, and read again. */
static bool may_take(const struct round *round, struct taken *taken, uint64_t end)
{
    switch (look_again(round, taken, end)) {
    case TAIL_FITS:
        taken->more = older_has_grown(round->tail, taken->file);
        return !taken->more;
    case TAIL_FITS_NOT:
        start_over(taken);
        return false;
    case TAIL_UNREADABLE:
        return false;
    }
    return false;
}

/* The last line has no newline and gets none: it is delivered as it is. */
static void take_rest(struct round *round, struct taken *taken, const char *rest, size_t bytes)
{
    taken->ends = true;
    if (bytes == 0)
        return;
    if (bytes > TAIL_HOLE_BYTES && tail_lines_hole(rest, bytes) == bytes) {
        sink_malformed(round->sink, taken->file->path, 0, bytes);
    } else {
        struct tail_lines lines = begin_lines(round, taken->file);
        in_hand_take(lines.offset, lines.offset + bytes);
        tail_lines_emit(&lines, rest, bytes);
        end_lines(&lines);
        round->used += bytes;
    }
    tail_cursor_advance(&taken->read, rest, bytes);
    taken->moves = true;
}

static size_t join_lines(struct round *round, const struct taken *taken, struct tail_lines *lines,
                         const char *data, size_t bytes, bool is_all)
{
    struct tail *tail = round->tail;
    struct tail_hold *hold = &taken->file->hold;
    size_t at = (size_t)(data - tail->buffer);
    bool has_copies = tail->buffer_bytes < tail->buffer_room;
    const struct tail_join_read read = {
        .lines = lines,
        .data = data,
        .bytes = bytes,
        .copy = has_copies ? tail->buffer + tail->buffer_bytes + at : NULL,
        .offset = taken->read.offset,
        .is_full = taken->more,
        .is_last = is_all || (!taken->more && taken->file->finishing),
        .now_ms = round->now_ms
    };
    size_t consumed = tail_join_split(tail->join, &read, hold);
    tail_file_expect_line(tail, taken->file);
    return consumed;
}

/* is_all: what is behind them is none of their business. */
static size_t take_lines(struct round *round, struct taken *taken, const char *data, size_t bytes,
                         bool is_all)
{
    struct tail_lines lines = begin_lines(round, taken->file);
    size_t consumed = round->tail->join == NULL
                          ? tail_lines_split(&lines, data, bytes)
                          : join_lines(round, taken, &lines, data, bytes, is_all);

    end_lines(&lines);
    tail_cursor_advance(&taken->read, data, consumed);
    taken->moves = consumed > 0;
    round->used += consumed;
    return consumed;
}

static void pass_over(struct taken *taken, const char *data, size_t bytes)
{
    tail_cursor_advance(&taken->read, data, bytes);
    taken->moves = bytes > 0;
}

/* What is before the lines that starts before this one died of, and then these. true: that was all
 * of this read. */
static bool take_fatal(struct round *round, struct taken *taken, const char *data, size_t bytes)
{
    size_t clear = tail_aside_clear(round->sink, taken->file, bytes);

    if (clear == bytes)
        return false;
    taken->at_end = false;
    taken->more = true;
    tail_file_describe(round->tail, taken->file);
    if (clear == 0)
        pass_over(taken, data, tail_aside_take(round->sink, taken->file, data, bytes));
    else if (take_lines(round, taken, data, clear, true) < clear)
        sink_set_aside_done(round->sink, taken->file->path); /* they are not there any more */
    return true;
}

static void read_lines(struct round *round, struct taken *taken)
{
    struct tail_file *file = taken->file;
    size_t room = 0;
    char *data = free_buffer(round, &room);
    ssize_t got = read_at(round, file, data, room, file->read.offset);

    if (got < 0)
        return;
    size_t bytes = (size_t)got;
    if (!may_take(round, taken, file->read.offset + bytes))
        return;
    taken->more = bytes == room;
    taken->at_end = !taken->more;
    if (take_fatal(round, taken, data, bytes))
        return;
    size_t consumed = bytes == 0 ? 0 : take_lines(round, taken, data, bytes, false);
    const char *rest = data + consumed;
    size_t rest_bytes = bytes - consumed;
    if (rest_bytes >= round->tail->line_room && !file->hold.any) {
        bool hole = tail_lines_hole(rest, rest_bytes) == rest_bytes;
        taken->ahead = hole ? AHEAD_HOLE : AHEAD_LINE;
        taken->ahead_read = taken->read;
        tail_cursor_advance(&taken->ahead_read, rest, rest_bytes);
        taken->more = true;
    } else if (!taken->more && file->finishing) {
        take_rest(round, taken, rest, rest_bytes);
    }
}

/* The unfinished line was changed under us, or cannot be read now: look at it from its begin. */
static void look_from_begin(struct taken *taken)
{
    taken->ahead = AHEAD_NONE;
    taken->more = taken->file->fd >= 0;
}

static bool fits_ahead(const struct round *round, const struct taken *taken)
{
    struct tail_file *file = taken->file;
    enum tail_fit fit = tail_cursor_fits(&taken->ahead_read, file->fd);

    if (fit == TAIL_UNREADABLE)
        tail_file_unreadable(round->tail, round->sink, file, errno);
    return fit == TAIL_FITS;
}

static void consume_ahead(struct taken *taken)
{
    taken->read = taken->ahead_read;
    taken->ahead = AHEAD_NONE;
    taken->moves = true;
}

/* The line from `read` to `ahead_read`, too long to be kept while its end was looked for. */
static void take_long(struct round *round, struct taken *taken, uint64_t end_bytes)
{
    struct tail_file *file = taken->file;
    size_t room = 0, needed = (size_t)round->tail->config->max_line_bytes + 1;
    char *data = free_buffer(round, &room);
    ssize_t got = read_at(round, file, data, needed, taken->read.offset);

    if (got != (ssize_t)needed || !fits_ahead(round, taken)) {
        look_from_begin(taken);
        return;
    }
    struct tail_lines lines = begin_lines(round, file);
    in_hand_take(lines.offset, taken->ahead_read.offset);
    tail_lines_emit(&lines, data, taken->ahead_read.offset - end_bytes - taken->read.offset);
    end_lines(&lines);
    round->used += needed;
    consume_ahead(taken);
}

static bool ends_with_return(const struct tail_cursor *cursor) /* before its newline */
{
    size_t kept = cursor->offset < TAIL_LAST_BYTES ? (size_t)cursor->offset : TAIL_LAST_BYTES;
    return kept >= 2 && cursor->last[kept - 2] == '\r';
}

static void look_through_line(struct round *round, struct taken *taken, const char *data,
                              size_t bytes)
{
    const char *newline = bytes == 0 ? NULL : memchr(data, '\n', bytes);

    if (newline == NULL) {
        tail_cursor_advance(&taken->ahead_read, data, bytes);
        if (!taken->more && taken->file->finishing) {
            take_long(round, taken, 0);
            taken->ends = taken->moves; /* else it is looked at again */
        }
        return;
    }
    taken->more = true;
    tail_cursor_advance(&taken->ahead_read, data, (size_t)(newline + 1 - data));
    take_long(round, taken, ends_with_return(&taken->ahead_read) ? 2 : 1);
}

/* Over the unwritten part of a sparse file, which may be any size, at once. */
static void jump_over_hole(struct taken *taken)
{
    uint64_t from = taken->ahead_read.offset;
    off_t next = lseek(taken->file->fd, (off_t)from, SEEK_DATA);

    if (next < 0 && errno == ENXIO) /* nothing behind it */
        next = (off_t)taken->file->size;
    if (next > (off_t)from)
        tail_cursor_advance_zeros(&taken->ahead_read, (uint64_t)next - from);
}

/* A hole that reaches the end of the file stays: a writer may have reserved it, and fill it yet. */
static void look_through_hole(struct round *round, struct taken *taken, const char *data,
                              size_t bytes)
{
    struct tail_file *file = taken->file;
    size_t run = tail_lines_hole(data, bytes);
    char first = 0;

    if (pread(file->fd, &first, 1, (off_t)taken->read.offset) != 1 || first != '\0') {
        look_from_begin(taken);
        return;
    }
    tail_cursor_advance_zeros(&taken->ahead_read, run);
    bool over = run < bytes;
    taken->ends = !over && !taken->more && file->finishing;
    if (over || taken->ends) {
        sink_malformed(round->sink, file->path, 0, taken->ahead_read.offset - taken->read.offset);
        consume_ahead(taken);
        taken->more = over;
    } else if (taken->more) {
        jump_over_hole(taken);
    }
}

static void read_ahead(struct round *round, struct taken *taken)
{
    struct tail_file *file = taken->file;
    size_t room = 0;
    char *data = free_buffer(round, &room);
    ssize_t got = read_at(round, file, data, room, taken->ahead_read.offset);

    if (got < 0)
        return;
    if (!fits_ahead(round, taken)) {
        look_from_begin(taken);
        return;
    }
    if (!may_take(round, taken, taken->ahead_read.offset + (uint64_t)got))
        return;
    taken->more = (size_t)got == room;
    taken->at_end = !taken->more;
    if (taken->ahead == AHEAD_HOLE)
        look_through_hole(round, taken, data, (size_t)got);
    else
        look_through_line(round, taken, data, (size_t)got);
}

/* Something pushed it while it was in this round. Where it stands is known at the end of that. */
static void take_next_round(struct round *round, const struct tail_file *file)
{
    for (size_t i = 0; i < round->count; i++)
        round->taken[i].more |= round->taken[i].file == file;
}

static void take_file(struct round *round, struct tail_file *file)
{
    struct taken *taken = &round->taken[round->count++];

    file->reading = true;
    *taken = (struct taken){ .file = file, .more = is_blocked(round->tail, file) };
    bool readable = !taken->more && !file->finished &&
                    tail_file_open(round->tail, round->sink, file) &&
                    !tail_copy_is_held(round->tail, round->sink, file, &taken->more);
    taken->read = file->read;
    taken->ahead = file->ahead;
    taken->ahead_read = file->ahead_read;
    if (!readable)
        return;
    if (taken->ahead == AHEAD_NONE)
        read_lines(round, taken);
    else
        read_ahead(round, taken);
}

static void commit(struct round *round, const struct taken *taken)
{
    struct tail *tail = round->tail;
    struct tail_file *file = taken->file;

    file->at_end = taken->at_end;
    if (taken->at_end)
        file->end_ms = round->now_ms;
    if (taken->moves) {
        file->read = taken->read;
        file->read_ms = round->now_ms;
        tail_pending_push(&tail->pending,
                          (struct tail_pending_position){ file->ref, file->generation,
                                                          tail_cursor_position(&taken->read) });
    }
    file->ahead = taken->ahead;
    file->ahead_read = taken->ahead_read;
    tail_file_note(tail, file);
    if (taken->ends)
        tail_file_finish(tail, file);
}

/* One mark for all files of the round: it says how many positions stand behind it. */
static enum tail_round close_round(struct round *round)
{
    const uint64_t before = round->tail->pending.pushed;
    struct tail_mark mark = { .pushed = before };
    bool taken = true;

    for (size_t i = 0; i < round->count; i++)
        mark.pushed += round->taken[i].moves;
    bool moves = mark.pushed != before;
    round->tail->round_bytes = round->used;
    if (moves)
        taken = sink_mark(round->sink, &mark, sizeof(mark));
    for (size_t i = 0; i < round->count; i++) {
        struct tail_file *file = round->taken[i].file;
        file->reading = false;
        if (taken)
            commit(round, &round->taken[i]);
        if (!taken || round->taken[i].more || round->taken[i].grew)
            tail_queue_push(&round->tail->table, file);
    }
    if (!taken)
        return TAIL_ROUND_STOPPED;
    return moves ? TAIL_ROUND_TOOK : TAIL_ROUND_EMPTY;
}

enum tail_round tail_read_round(struct tail *tail, struct sink *sink, int64_t now_ms)
{
    struct round round = { .tail = tail, .sink = sink, .now_ms = now_ms };

    if (!tail_pending_reserve(&tail->pending, ROUND_FILES)) {
        sink_tell(sink, LOG_ERROR, "no file is read", tail->host->name, "no memory");
        return TAIL_ROUND_FAILED;
    }
    while (round.count < ROUND_FILES && tail->buffer_bytes - round.used >= tail->line_room) {
        struct tail_file *file = tail_queue_pop(&tail->table);
        if (file == NULL)
            break;
        if (file->reading)
            take_next_round(&round, file);
        else
            take_file(&round, file);
    }
    return close_round(&round);
}
