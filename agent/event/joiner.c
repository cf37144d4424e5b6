/* SPDX-License-Identifier: Apache-2.0 */
#include "event/joiner.h"

#include "base/check.h"
#include "base/err.h"

#include <stdlib.h>

enum { TEXT_LEAST = 256, TEXT_KEPT = 4096 };

struct held {
    const void *source;
    struct multiline_state state;
    char *text;
    size_t bytes, room;
    uint64_t lines, blanks, missing_bytes; /* blanks: empty lines, part of it if another comes */
    int64_t heard_ms;
    bool is_open, has_torn;
};

struct joiner {
    struct multiline *multiline;
    uint64_t max_lines, max_bytes;
    int64_t wait_ms;
    size_t count;
    size_t last; /* lines come in runs of one source */
    struct held held[];
};

uint64_t joiner_memory_bytes(const struct joiner_rules *rules)
{
    return rules->sources * (sizeof(struct held) + rules->max_bytes);
}

struct joiner *joiner_new(const struct joiner_rules *rules, struct err *err)
{
    struct joiner *joiner = calloc(1, sizeof(*joiner) + rules->sources * sizeof(joiner->held[0]));

    if (joiner == NULL) {
        (void)err_set(err, "out of memory to join lines");
        return NULL;
    }
    CHECK(rules->sources > 0);
    joiner->max_lines = rules->max_lines;
    joiner->max_bytes = rules->max_bytes;
    joiner->wait_ms = rules->wait_ms;
    joiner->count = rules->sources;
    joiner->multiline = multiline_new(&rules->lines, err);
    if (joiner->multiline == NULL)
        joiner_free(&joiner);
    return joiner;
}

void joiner_free(struct joiner **joinerp)
{
    struct joiner *joiner = *joinerp;

    *joinerp = NULL;
    if (joiner == NULL)
        return;
    for (size_t i = 0; i < joiner->count; i++)
        free(joiner->held[i].text);
    multiline_free(&joiner->multiline);
    free(joiner);
}

static void give(struct held *held, bool is_incomplete, const struct joiner_taker *taker)
{
    const struct joined_lines event = { .body = { held->text, held->bytes },
                                        .source = held->source,
                                        .missing_bytes = held->missing_bytes,
                                        .has_torn = held->has_torn,
                                        .is_incomplete = is_incomplete };

    if (held->is_open)
        taker->give(taker->context, &event);
    held->is_open = held->has_torn = false;
    held->bytes = held->lines = held->blanks = held->missing_bytes = 0;
    if (held->room <= TEXT_KEPT)
        return;
    free(held->text);
    held->text = NULL;
    held->room = 0;
}

/* Of a source without one: a place that is free, or that of who was silent for the longest time. */
static struct held *find(struct joiner *joiner, const void *source,
                         const struct joiner_taker *taker)
{
    struct held *best = &joiner->held[joiner->last];

    if (best->source == source)
        return best;
    for (size_t i = 0; i < joiner->count; i++) {
        struct held *held = &joiner->held[i];
        if (held->source == source) {
            joiner->last = i;
            return held;
        }
        if (held->is_open == best->is_open ? held->heard_ms < best->heard_ms : best->is_open)
            best = held;
    }
    give(best, true, taker);
    joiner->last = (size_t)(best - joiner->held);
    best->source = source;
    best->state = (struct multiline_state){ { { 0 } } };
    return best;
}

static bool grow(struct held *held, size_t bytes, size_t most)
{
    size_t room = held->room == 0 ? TEXT_LEAST : held->room;

    while (room < bytes)
        room *= 2;
    room = room < most ? room : most;
    if (room <= held->room)
        return held->text != NULL && bytes <= held->room;
    char *text = realloc(held->text, room);
    if (text == NULL)
        return false;
    held->text = text;
    held->room = room;
    return true;
}

/* false: over a bound, or no memory; nothing has changed. */
static bool append(const struct joiner *joiner, struct held *held, struct slice line,
                   size_t newlines)
{
    size_t bytes = held->bytes + newlines + line.bytes;

    if (held->lines >= joiner->max_lines || bytes > joiner->max_bytes ||
        !grow(held, bytes, (size_t)joiner->max_bytes))
        return false;
    if (newlines > 0)
        memset(held->text + held->bytes, '\n', newlines);
    memcpy(held->text + held->bytes + newlines, line.data, line.bytes);
    held->bytes = bytes;
    held->lines++;
    held->blanks = 0;
    return true;
}

static void note_missing(struct held *held, const struct joiner_line *line)
{
    held->missing_bytes += line->missing_bytes;
    held->has_torn |= line->is_torn;
}

static void begin(const struct joiner *joiner, struct held *held, const struct joiner_line *line,
                  const struct joiner_taker *taker)
{
    const struct joined_lines alone = { .body = line->text,
                                        .source = held->source,
                                        .missing_bytes = line->missing_bytes,
                                        .has_torn = line->is_torn };

    held->is_open = append(joiner, held, line->text, 0);
    if (held->is_open)
        note_missing(held, line);
    else
        taker->give(taker->context, &alone);
}

void joiner_add(struct joiner *joiner, const void *source, const struct joiner_line *line,
                int64_t now_ms, const struct joiner_taker *taker)
{
    struct held *held = find(joiner, source, taker);
    struct slice text = line->text;
    bool continues = multiline_continues(joiner->multiline, &held->state, text) && held->is_open;

    held->heard_ms = now_ms;
    if (continues && text.bytes == 0) {
        held->blanks++;
        return;
    }
    if (continues && append(joiner, held, text, (size_t)held->blanks + 1)) {
        note_missing(held, line);
        return;
    }
    give(held, continues, taker);
    if (text.bytes > 0)
        begin(joiner, held, line, taker);
}

void joiner_end(struct joiner *joiner, const void *source, const struct joiner_taker *taker)
{
    for (size_t i = 0; i < joiner->count; i++) {
        if (joiner->held[i].source != source)
            continue;
        give(&joiner->held[i], false, taker);
        joiner->held[i].source = NULL;
    }
}

void joiner_end_due(struct joiner *joiner, int64_t now_ms, const struct joiner_taker *taker)
{
    for (size_t i = 0; i < joiner->count; i++) {
        if (joiner->held[i].is_open && now_ms - joiner->held[i].heard_ms >= joiner->wait_ms)
            give(&joiner->held[i], false, taker);
    }
}

void joiner_end_all(struct joiner *joiner, const struct joiner_taker *taker)
{
    for (size_t i = 0; i < joiner->count; i++)
        give(&joiner->held[i], false, taker);
}

int64_t joiner_due_ms(const struct joiner *joiner)
{
    int64_t due_ms = 0;

    for (size_t i = 0; i < joiner->count; i++) {
        const struct held *held = &joiner->held[i];
        if (held->is_open && (due_ms == 0 || held->heard_ms + joiner->wait_ms < due_ms))
            due_ms = held->heard_ms + joiner->wait_ms;
    }
    return due_ms;
}

uint64_t joiner_given_up(struct joiner *joiner)
{
    return multiline_given_up(joiner->multiline);
}
