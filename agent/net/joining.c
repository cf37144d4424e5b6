/* SPDX-License-Identifier: Apache-2.0 */
#include "net/joining.h"

#include "net/listener.h"

enum { ROUND_BYTES = 64 * 1024, FLAG_BYTES = 64 };

struct joining_way {
    struct joiner *joiner;
    struct joiner_rules rules; /* to tell whether they have changed; its texts are in `texts` */
    struct buf texts;          /* each with its end */
    struct joining_way *before;
};

/* ---- rules ---- */

static void add_text(struct buf *texts, const char *text)
{
    (void)buf_add(texts, text, strlen(text) + 1);
}

static void write_texts(const struct multiline_rules *lines, struct buf *texts)
{
    add_text(texts, lines->start);
    add_text(texts, lines->continuation);
    for (size_t i = 0; i < lines->trace_count; i++)
        add_text(texts, lines->traces[i]);
}

static bool is_next(const char **at, const char *text)
{
    bool is_same = strcmp(*at, text) == 0;

    *at += strlen(*at) + 1;
    return is_same;
}

/* Without a copy: on the way back of a reload there may be no memory. */
static bool is_of(const struct joining_way *way, const struct joiner_rules *rules)
{
    const char *at = way->texts.data;
    bool is_same = way->rules.max_lines == rules->max_lines &&
                   way->rules.max_bytes == rules->max_bytes &&
                   way->rules.wait_ms == rules->wait_ms && way->rules.sources == rules->sources &&
                   way->rules.lines.trace_count == rules->lines.trace_count &&
                   is_next(&at, rules->lines.start) && is_next(&at, rules->lines.continuation);

    for (size_t i = 0; is_same && i < rules->lines.trace_count; i++)
        is_same = is_next(&at, rules->lines.traces[i]);
    return is_same;
}

static void free_way(struct joining_way **wayp)
{
    struct joining_way *way = *wayp;

    *wayp = NULL;
    if (way == NULL)
        return;
    joiner_free(&way->joiner);
    buf_fini(&way->texts);
    free(way);
}

static struct joining_way *new_way(const struct joiner_rules *rules, struct err *err)
{
    struct joining_way *way = calloc(1, sizeof(*way));

    if (way != NULL) {
        way->rules = *rules;
        way->rules.lines = (struct multiline_rules){ .trace_count = rules->lines.trace_count };
        write_texts(&rules->lines, &way->texts);
    }
    if (way == NULL || way->texts.failed)
        (void)err_set(err, "out of memory to join lines");
    else
        way->joiner = joiner_new(rules, err);
    if (way != NULL && way->joiner == NULL)
        free_way(&way);
    return way;
}

bool joining_check(const struct joiner_rules *rules, struct err *err)
{
    struct joiner_rules one = *rules;

    if (!multiline_is_wanted(&rules->lines))
        return true;
    one.sources = 1;
    struct joiner *joiner = joiner_new(&one, err);
    bool is_right = joiner != NULL;
    joiner_free(&joiner);
    return is_right;
}

static uint64_t longest_event(const struct joiner_rules *rules, uint64_t longest)
{
    return rules->max_bytes > longest ? rules->max_bytes : longest;
}

uint64_t joining_event_bytes(const struct joiner_rules *rules, uint64_t longest)
{
    return multiline_is_wanted(&rules->lines) ? longest_event(rules, longest) + FLAG_BYTES
                                              : longest;
}

uint64_t joining_memory_bytes(const struct joiner_rules *rules, uint64_t longest)
{
    if (!multiline_is_wanted(&rules->lines))
        return 0;
    return joiner_memory_bytes(rules) + longest_event(rules, longest) + ROUND_BYTES;
}

/* ---- from one configuration to another ---- */

static bool make_room(struct joining *joining, size_t room, struct err *err)
{
    if (room <= joining->room)
        return true;
    char *text = malloc(room);
    if (text == NULL)
        return err_set(err, "out of memory to join lines");
    free(joining->text);
    joining->text = text;
    joining->room = room;
    joining->used = 0;
    return true;
}

static struct joining_way *find_before(const struct joining *joining,
                                       const struct joiner_rules *rules)
{
    struct joining_way *way = joining->before;

    while (way != NULL && !is_of(way, rules))
        way = way->before;
    return way;
}

static void take_out(struct joining *joining, struct joining_way *way)
{
    struct joining_way **place = &joining->before;

    while (*place != NULL && *place != way)
        place = &(*place)->before;
    if (*place != NULL)
        *place = way->before;
}

static void put_before(struct joining *joining)
{
    if (joining->now == NULL)
        return;
    joining->now->before = joining->before;
    joining->before = joining->now;
    joining->now = NULL;
}

static void exchange(struct joining *joining, struct joining_way *way)
{
    take_out(joining, way);
    put_before(joining);
    joining->now = way;
}

void joining_undo(struct joining *joining)
{
    if (joining->now != joining->undo)
        exchange(joining, joining->undo);
}

bool joining_set(struct joining *joining, const struct joiner_rules *rules, uint64_t longest,
                 struct err *err)
{
    joining->undo = joining->now;
    if (!multiline_is_wanted(&rules->lines)) {
        exchange(joining, NULL);
        return true;
    }
    if (!make_room(joining, (size_t)longest_event(rules, longest) + ROUND_BYTES, err))
        return false;
    if (joining->now != NULL && is_of(joining->now, rules))
        return true;
    struct joining_way *way = find_before(joining, rules);
    if (way == NULL)
        way = new_way(rules, err);
    if (way == NULL)
        return false;
    exchange(joining, way);
    return true;
}

static void free_before(struct joining *joining)
{
    struct joining_way *way;

    while ((way = joining->before) != NULL) {
        joining->before = way->before;
        free_way(&way);
    }
}

void joining_fini(struct joining *joining)
{
    free_before(joining);
    free_way(&joining->now);
    free(joining->text);
    *joining = (struct joining){ 0 };
}

/* ---- events ---- */

struct giving {
    struct joining *joining;
    struct sink *sink;
};

/* Where it stays until the round is over: the joiner's own text is for its next event. */
static struct slice keep(const struct giving *giving, struct slice body)
{
    struct joining *joining = giving->joining;

    CHECK(body.bytes <= joining->room);
    if (joining->room - joining->used < body.bytes) {
        (void)sink_flush(giving->sink);
        joining->used = 0;
    }
    struct slice kept = { joining->text + joining->used, body.bytes };
    memcpy(joining->text + joining->used, body.data, body.bytes);
    joining->used += body.bytes;
    return kept;
}

static void give(void *context, const struct joined_lines *joined)
{
    const struct giving *giving = context;
    struct slice body = keep(giving, joined->body);
    const struct arrival arrival = { .data = body,
                                     .whole_bytes = body.bytes + joined->missing_bytes,
                                     .is_unfinished = joined->has_torn,
                                     .peer = joined->source };
    struct event *event = sink_event(giving->sink);

    arrival_describe(&arrival, event);
    if (!joined->is_incomplete)
        return;
    event_boolean(event, "log.record.incomplete", true);
    sink_add(giving->sink, SINK_EVENTS_ENDED, 1);
}

void joining_begin(struct joining *joining, struct sink *sink)
{
    struct giving giving = { joining, sink };
    const struct joiner_taker taker = { give, &giving };

    joining->used = 0;
    for (struct joining_way *way = joining->before; way != NULL; way = way->before)
        joiner_end_all(way->joiner, &taker);
    free_before(joining);
}

void joining_add(struct joining *joining, struct sink *sink, const struct arrival *arrival)
{
    struct giving giving = { joining, sink };
    const struct joiner_taker taker = { give, &giving };

    const struct joiner_line line = { .text = arrival->data,
                                      .missing_bytes = arrival->whole_bytes - arrival->data.bytes,
                                      .is_torn = arrival->is_unfinished };
    joiner_add(joining->now->joiner, arrival->peer, &line, clock_now_ms(), &taker);
}

void joining_end(struct joining *joining, struct sink *sink, const struct peer *peer)
{
    struct giving giving = { joining, sink };
    const struct joiner_taker taker = { give, &giving };

    if (joining->now != NULL)
        joiner_end(joining->now->joiner, peer, &taker);
}

void joining_end_all(struct joining *joining, struct sink *sink)
{
    struct giving giving = { joining, sink };
    const struct joiner_taker taker = { give, &giving };

    if (joining->now != NULL)
        joiner_end_all(joining->now->joiner, &taker);
}

void joining_tend(struct joining *joining, struct sink *sink)
{
    struct giving giving = { joining, sink };
    const struct joiner_taker taker = { give, &giving };

    if (joining->now == NULL)
        return;
    joiner_end_due(joining->now->joiner, clock_now_ms(), &taker);
    uint64_t given_up = joiner_given_up(joining->now->joiner);
    if (given_up > 0) {
        sink_add(sink, SINK_PATTERNS_GIVEN_UP, given_up);
        sink_tell(sink, LOG_WARN, "multiline pattern was given up on a line", "",
                  "it takes too many steps; taken as no match");
    }
}

void joining_wait(const struct joining *joining, struct waits *waits)
{
    int64_t due_ms = joining->now == NULL ? 0 : joiner_due_ms(joining->now->joiner);

    if (due_ms != 0 && (waits->until_ms == 0 || due_ms < waits->until_ms))
        waits->until_ms = due_ms;
}
