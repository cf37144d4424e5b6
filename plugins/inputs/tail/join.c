/* SPDX-License-Identifier: Apache-2.0 */
/* join: what is finished at the front of the queue goes to the sink; what is behind an unfinished
 * event waits, and is forgotten at the end of the read. */
#include "join_state.h"

_Static_assert((int)TAIL_HOLD_STREAMS == (int)STREAMS, "one of each stream");
static const char PARSE_ERROR[] = "not a line of a container's log";

const char *tail_join_parse_error(const struct tail_join *join)
{
    return join == NULL || join->format == TAIL_LINES ? NULL : PARSE_ERROR;
}

int64_t tail_join_due_ms(const struct tail_join *join, const struct tail_hold *hold)
{
    int64_t since_ms = 0;

    for (size_t i = 0; join != NULL && hold->any && i < TAIL_HOLD_STREAMS; i++) {
        int64_t its_ms = hold->of[i].is_over ? 0 : hold->of[i].since_ms;
        if (its_ms != 0 && (since_ms == 0 || its_ms < since_ms))
            since_ms = its_ms;
    }
    return since_ms == 0 ? 0 : since_ms + join->wait_ms;
}

/* ---- bodies ---- */

/* A text as it was said, with what is too long cut off. Returns its whole length. In place where it
 * can stay in the file's bytes. */
static uint64_t take_text(struct tail_join *join, const struct part *part, struct slice *ret_text)
{
    struct slice text = { part->data, part->bytes };

    if (part->is_escaped)
        text = (struct slice){ join->copy, tail_unescape(text, join->copy, text.bytes) };
    /* of a file's own lines those that are too long are never joined: see add_text() */
    bool may_cut = join->format != TAIL_LINES || part->is_long;
    size_t kept = may_cut ? slice_cut(text, (size_t)join->max_line_bytes) : text.bytes;
    if (part->is_escaped)
        join->copy += kept;
    *ret_text = (struct slice){ text.data, kept };
    return text.bytes;
}

/* All parts one behind the other: never longer than their lines are in the file. */
static uint64_t put_together(struct tail_join *join, const struct joined *joined,
                             struct slice *ret_body)
{
    const char *begin = join->copy;
    uint64_t whole_bytes = 0;

    for (uint16_t at = joined->first; at != JOIN_NONE; at = join->parts[at].next) {
        const struct part *part = &join->parts[at];
        struct slice text;
        memset(join->copy, '\n', part->breaks);
        join->copy += part->breaks;
        whole_bytes += part->breaks + take_text(join, part, &text);
        if (!part->is_escaped) {
            memcpy(join->copy, text.data, text.bytes);
            join->copy += text.bytes;
        }
    }
    *ret_body = (struct slice){ begin, (size_t)(join->copy - begin) };
    return whole_bytes;
}

static void flag(struct tail_join *join, struct event *event, const struct joined *joined)
{
    static const struct slice streams[STREAMS] = {
        [STREAM_STDOUT] = SLICE("stdout"), [STREAM_STDERR] = SLICE("stderr")
    };
    struct tail_lines *lines = join->read->lines;

    if (joined->stream != STREAM_NONE)
        event_text(event, "log.iostream", streams[joined->stream]);
    if (joined->is_raw) {
        event_text(event, "log.parse_error", SLICE(PARSE_ERROR));
        lines->unparsed++;
    }
    if (joined->is_incomplete || joined->in_line)
        event_boolean(event, "log.record.incomplete", true);
    lines->ended += joined->is_incomplete;
}

static void emit(struct tail_join *join, const struct joined *joined)
{
    struct tail_lines *lines = join->read->lines;
    struct slice body;
    uint64_t whole_bytes = joined->first == joined->last
                               ? take_text(join, &join->parts[joined->first], &body)
                               : put_together(join, joined, &body);

    CHECK(join->read->copy == NULL || join->copy <= join->read->copy + join->read->bytes);
    lines->lines += joined->lines;
    if (body.bytes == 0)
        return;
    struct event *event = sink_event(lines->sink);
    event->resource = lines->resource;
    event->body = body;
    event->time_ns = joined->time_ns;
    flag(join, event, joined);
    if (whole_bytes == body.bytes)
        return;
    lines->cut++;
    event->flags |= EVENT_TRUNCATED;
    event_integer(event, "log.record.original_bytes", (int64_t)whole_bytes);
}

/* ---- the queue ---- */

void tail_join_forget(struct tail_join *join)
{
    join->first = join->count = 0;
    for (size_t i = 0; i < JOIN_PARTS; i++)
        join->parts[i].next = (uint16_t)(i + 1 < JOIN_PARTS ? i + 1 : JOIN_NONE);
    join->free_part = 0;
}

static struct joined *open_of(struct tail_join *join, unsigned stream)
{
    return join->open[stream] == JOIN_NONE ? NULL : &join->events[join->open[stream]];
}

static void finish(struct tail_join *join, struct joined *joined)
{
    if (!joined->is_open)
        return;
    joined->is_open = false;
    join->open[joined->stream] = JOIN_NONE;
}

static void take_in_hand(const struct tail_join *join, const char *start, const char *end)
{
    const struct tail_join_read *read = join->read;

    in_hand_take(read->offset + (uint64_t)(start - read->data),
                 read->offset + (uint64_t)(end - read->data));
}

static void emit_front(struct tail_join *join)
{
    struct joined *front = &join->events[join->first];
    const struct in_hand before = in_hand_now; /* the line that finished it */

    finish(join, front);
    take_in_hand(join, front->start, front->end);
    emit(join, front);
    in_hand_take(before.from, before.to);
    join->parts[front->last].next = join->free_part;
    join->free_part = front->first;
    join->first = (join->first + 1) % JOIN_EVENTS;
    join->count--;
}

static struct joined *event_at(struct tail_join *join, size_t place)
{
    return &join->events[(join->first + place) % JOIN_EVENTS];
}

/* So many from the front as are finished and have no line behind the begin of the next one: what is
 * read again from there has to be all of the others, and nothing of these. */
static void emit_finished(struct tail_join *join)
{
    const char *reach = join->read->data;
    size_t place = 0, clear = 0;

    for (; place < join->count; place++) {
        const struct joined *joined = event_at(join, place);
        if (joined->start >= reach)
            clear = place;
        if (joined->is_open)
            break;
        reach = joined->end > reach ? joined->end : reach;
    }
    clear = place == join->count ? place : clear;
    while (clear-- > 0)
        emit_front(join);
}

static void emit_all(struct tail_join *join)
{
    while (join->count > 0)
        emit_front(join);
}

static void end_at_bound(struct tail_join *join, struct joined *joined)
{
    joined->is_incomplete = true;
    finish(join, joined);
    emit_finished(join);
}

/* NULL: all are finished, and so the queue is empty. */
static struct joined *oldest_open(struct tail_join *join)
{
    for (size_t place = 0; place < join->count; place++) {
        if (event_at(join, place)->is_open)
            return event_at(join, place);
    }
    return NULL;
}

/* So many streams and events side by side are not kept: the oldest one gives way. */
static void make_room(struct tail_join *join)
{
    while (join->count == JOIN_EVENTS || join->free_part == JOIN_NONE)
        end_at_bound(join, oldest_open(join));
}

static uint16_t take_part(struct tail_join *join, const struct unwrapped *text, size_t breaks)
{
    uint16_t at = join->free_part;
    struct part *part = &join->parts[at];

    join->free_part = part->next;
    *part = (struct part){ .data = text->text.data,
                           .bytes = (uint32_t)text->text.bytes,
                           .next = JOIN_NONE,
                           .breaks = (uint8_t)breaks,
                           .is_escaped = text->is_escaped,
                           .is_long = text->text.bytes > join->max_line_bytes };
    return at;
}

static struct joined *begin(struct tail_join *join, const struct unwrapped *text, const char *start,
                            const char *end)
{
    size_t at = (join->first + join->count++) % JOIN_EVENTS;
    struct joined *joined = &join->events[at];
    uint16_t part = take_part(join, text, 0);

    *joined = (struct joined){ .start = start,
                               .end = end,
                               .time_ns = text->time_ns,
                               .bytes = text->text.bytes,
                               .lines = 1,
                               .first = part,
                               .last = part,
                               .stream = (uint8_t)text->stream,
                               .in_line = text->is_partial };
    return joined;
}

static void open_event(struct tail_join *join, const struct unwrapped *text, const char *start,
                       const char *end)
{
    struct joined *joined = begin(join, text, start, end);

    joined->is_open = true;
    join->open[text->stream] = (uint16_t)(joined - join->events);
}

/* ---- lines ---- */

static bool continues(struct tail_join *join, const struct unwrapped *text)
{
    struct slice line = text->text;

    if (join->multiline == NULL)
        return false;
    if (text->is_escaped)
        line = (struct slice){ join->head, tail_unescape(line, join->head, sizeof(join->head)) };
    return multiline_continues(join->multiline, &join->states[text->stream], line);
}

/* Of a file's own lines the body is what lies in the file, with the ends of its lines as they are.
 */
static uint64_t bytes_with(const struct tail_join *join, const struct joined *joined,
                           const struct unwrapped *text, size_t breaks)
{
    if (join->format == TAIL_LINES)
        return (uint64_t)(text->text.data + text->text.bytes - join->parts[joined->last].data);
    return joined->bytes + breaks + text->text.bytes;
}

static bool has_room(const struct tail_join *join, const struct joined *joined,
                     const struct unwrapped *text, size_t breaks)
{
    bool is_long = text->text.bytes > join->max_line_bytes || join->parts[joined->last].is_long;

    /* joined as it is in the file, a line could not be cut any more */
    if (join->format == TAIL_LINES && is_long)
        return false;
    return joined->lines < join->max_lines &&
           bytes_with(join, joined, text, breaks) <= join->max_event_bytes;
}

/* What goes on in an event, if it may. `breaks`: newlines before it. */
static bool append(struct tail_join *join, struct joined *joined, const struct unwrapped *text,
                   size_t breaks, const char *end)
{
    if (!has_room(join, joined, text, breaks)) {
        end_at_bound(join, joined);
        return false;
    }
    joined->bytes = bytes_with(join, joined, text, breaks);
    struct part *last = &join->parts[joined->last];
    if (join->format == TAIL_LINES) { /* in the file it is what it shall be */
        last->bytes = (uint32_t)(text->text.data + text->text.bytes - last->data);
    } else {
        uint16_t part = take_part(join, text, breaks);
        last->next = part;
        joined->last = part;
    }
    joined->lines++;
    joined->blanks = 0;
    joined->in_line = text->is_partial;
    joined->end = end;
    return true;
}

static bool go_on(struct tail_join *join, struct joined *joined, const struct unwrapped *text,
                  const char *end)
{
    if (joined->in_line)
        return append(join, joined, text, 0, end);
    if (!continues(join, text)) {
        finish(join, joined);
        emit_finished(join);
        return false;
    }
    if (text->text.bytes == 0 && !text->is_partial) {
        joined->blanks = (uint8_t)(joined->blanks + (joined->blanks < UINT8_MAX - 1));
        return true;
    }
    return append(join, joined, text, (size_t)joined->blanks + 1, end);
}

static void take_line(struct tail_join *join, const struct unwrapped *text, const char *start,
                      const char *end)
{
    make_room(join);
    struct joined *joined = open_of(join, text->stream);

    if (joined == NULL)
        (void)continues(join, text); /* what it is decides on the next one */
    if (joined == NULL || !go_on(join, joined, text, end)) {
        if (text->text.bytes == 0 && !text->is_partial)
            return;
        make_room(join);
        open_event(join, text, start, end);
    }
    joined = open_of(join, text->stream);
    if (join->multiline == NULL && !text->is_partial)
        finish(join, joined);
    emit_finished(join);
}

static void take_raw(struct tail_join *join, struct slice line, const char *end)
{
    const struct unwrapped text = { .text = line };

    make_room(join);
    begin(join, &text, line.data, end)->is_raw = true;
    emit_finished(join);
}

static bool unwrap(const struct tail_join *join, struct slice line, struct unwrapped *ret)
{
    bool is_json = join->format == TAIL_DOCKER ||
                   (join->format == TAIL_CONTAINER && line.bytes > 0 && line.data[0] == '{');

    if (join->format != TAIL_LINES)
        return is_json ? tail_unwrap_docker(line, ret) : tail_unwrap_cri(line, ret);
    *ret = (struct unwrapped){ .text = line };
    return true;
}

static void take(struct tail_join *join, const char *start, const char *stop, const char *end)
{
    struct slice line = { start, (size_t)(stop - start) };
    struct unwrapped text;

    take_in_hand(join, start, end);
    if (line.bytes > 0 && line.data[line.bytes - 1] == '\r')
        line.bytes--;
    if (line.bytes == 0 && join->format != TAIL_LINES)
        return;
    if (unwrap(join, line, &text))
        take_line(join, &text, start, end);
    else
        take_raw(join, line, end);
}

/* A hole of NULs belongs to no event, and ends those before it. At the end of the bytes it stays:
 * it may be filled yet. */
static const char *skip_hole(struct tail_join *join, const char *at, const char *end)
{
    size_t run = tail_lines_hole(at, (size_t)(end - at));

    if (run <= TAIL_HOLE_BYTES || (at + run == end && !join->read->is_last))
        return at;
    emit_all(join);
    memset(join->states, 0, sizeof(join->states)); /* as where a read begins behind it */
    sink_malformed(join->read->lines->sink, join->read->lines->path, 0, run);
    return at + run;
}

static const char *take_lines(struct tail_join *join)
{
    const struct tail_join_read *read = join->read;
    const char *at = read->data, *end = at + read->bytes;

    while (at < end) {
        if (*at == '\0')
            at = skip_hole(join, at, end);
        const char *newline = at == end ? NULL : memchr(at, '\n', (size_t)(end - at));
        if (at == end || (newline == NULL && !read->is_last))
            break;
        const char *next = newline == NULL ? end : newline + 1;
        take(join, at, newline == NULL ? end : newline, next);
        at = next;
    }
    return at;
}

/* ---- what is not finished ---- */

/* The unfinished event of each stream: one that is as it was before for long enough is finished. It
 * may still have to wait for another one, and then is so judged again. */
static void look_at_waits(struct tail_join *join, const struct tail_hold *before,
                          struct tail_hold *ret)
{
    const struct tail_join_read *read = join->read;

    for (unsigned i = 0; i < TAIL_HOLD_STREAMS; i++) {
        struct joined *joined = open_of(join, i);
        if (joined == NULL)
            continue;
        uint64_t start = read->offset + (uint64_t)(joined->start - read->data);
        uint64_t end = read->offset + (uint64_t)(joined->end - read->data);
        bool same =
            before->of[i].since_ms != 0 && before->of[i].start == start && before->of[i].end == end;
        ret->of[i].start = start;
        ret->of[i].end = end;
        ret->of[i].since_ms = same ? before->of[i].since_ms : read->now_ms;
        ret->of[i].is_over = same && read->now_ms - ret->of[i].since_ms >= join->wait_ms;
        if (ret->of[i].is_over)
            finish(join, joined);
    }
    emit_finished(join);
}

static void forget_before(struct tail_hold *hold, uint64_t offset)
{
    for (size_t i = 0; i < TAIL_HOLD_STREAMS; i++) {
        if (hold->of[i].start < offset)
            hold->of[i].since_ms = 0;
    }
}

static size_t hold_back(struct tail_join *join, const char *at, struct tail_hold *hold)
{
    const struct tail_join_read *read = join->read;
    struct tail_hold next = { .any = false };

    if (read->is_last || (hold->end_now && !read->is_full))
        emit_all(join);
    look_at_waits(join, hold, &next);
    while (join->count > 0 && read->is_full && event_at(join, 0)->start == read->data)
        end_at_bound(join, oldest_open(join));
    size_t consumed = (size_t)((join->count > 0 ? event_at(join, 0)->start : at) - read->data);
    next.any = join->count > 0;
    forget_before(&next, read->offset + consumed);
    *hold = next.any ? next : (struct tail_hold){ .any = false };
    return consumed;
}

size_t tail_join_split(struct tail_join *join, const struct tail_join_read *read,
                       struct tail_hold *hold)
{
    join->read = read;
    join->copy = read->copy;
    for (size_t i = 0; i < STREAMS; i++)
        join->open[i] = JOIN_NONE;
    memset(join->states, 0, sizeof(join->states));
    size_t consumed = hold_back(join, take_lines(join), hold);
    uint64_t given_up = join->multiline == NULL ? 0 : multiline_given_up(join->multiline);
    if (given_up > 0) {
        sink_add(read->lines->sink, SINK_PATTERNS_GIVEN_UP, given_up);
        sink_tell(read->lines->sink, LOG_WARN, "multiline pattern was given up on a line",
                  read->lines->path, "it takes too many steps; taken as no match");
    }
    if (join->count > 0)
        tail_join_forget(join);
    return consumed;
}
