/* SPDX-License-Identifier: Apache-2.0 */
/* receive_events: lines that lie whole in a piece are not copied; an array is read byte by byte. */
#include "cli/receive_events.h"

void events_init(struct events *events)
{
    events->carry.limit = EVENTS_LONGEST;
}

void events_fini(struct events *events)
{
    buf_fini(&events->carry);
}

static void take(struct events *events, struct slice event)
{
    if (event.bytes > 0 && event.data[event.bytes - 1] == '\r')
        event.bytes--;
    if (event.bytes == 0)
        return;
    events->count++;
    events->take(events->context, event);
}

/* Ends the event whose last bytes are `rest`. */
static void finish(struct events *events, struct slice rest)
{
    if (events->carry.bytes == 0 && !events->carry.failed) {
        take(events, rest);
        return;
    }
    (void)buf_add(&events->carry, rest.data, rest.bytes); /* too long: its begin is enough */
    take(events, buf_slice(&events->carry));
    buf_clear(&events->carry);
}

static void feed_lines(struct events *events, struct slice piece)
{
    const char *newline;

    while ((newline = memchr(piece.data, '\n', piece.bytes)) != NULL) {
        size_t bytes = (size_t)(newline - piece.data);
        finish(events, (struct slice){ piece.data, bytes });
        piece = (struct slice){ newline + 1, piece.bytes - bytes - 1 };
    }
    (void)buf_add(&events->carry, piece.data, piece.bytes);
}

static bool is_space(char byte)
{
    return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

static void step_text(struct events *events, char byte)
{
    if (events->escaped)
        events->escaped = false;
    else if (byte == '\\')
        events->escaped = true;
    else if (byte == '"')
        events->in_text = false;
}

/* One byte of an array: true if it ends the event before it. */
static bool step_array(struct events *events, char byte)
{
    if (events->in_text) {
        step_text(events, byte);
        return false;
    }
    if (byte == '"')
        events->in_text = true;
    else if (byte == '[' || byte == '{')
        events->depth++;
    else if (byte == ']' || byte == '}')
        events->depth--;
    if (events->depth == 0)
        events->shape = EVENTS_ARRAY_OVER;
    return events->depth == 0 || (events->depth == 1 && byte == ',');
}

static void feed_array(struct events *events, struct slice piece)
{
    size_t begin = 0; /* of the event in this piece */

    for (size_t i = 0; i < piece.bytes && events->shape == EVENTS_ARRAY; i++) {
        char byte = piece.data[i];
        if (!events->in_event) {
            begin = i;
            events->in_event = !is_space(byte) && byte != ',' && byte != ']';
        }
        if (!step_array(events, byte) || !events->in_event)
            continue;
        size_t end = i;
        while (end > begin && is_space(piece.data[end - 1]))
            end--;
        finish(events, (struct slice){ piece.data + begin, end - begin });
        events->in_event = false;
        begin = i + 1;
    }
    if (events->in_event)
        (void)buf_add(&events->carry, piece.data + begin, piece.bytes - begin);
}

/* Looks at the first byte that is not a space; returns what follows the array's bracket. */
static struct slice decide_shape(struct events *events, struct slice piece)
{
    size_t i = 0;

    while (events->may_be_array && i < piece.bytes && is_space(piece.data[i]))
        i++;
    if (i == piece.bytes && events->may_be_array)
        return (struct slice){ piece.data, 0 };
    events->shape = EVENTS_LINES;
    if (!events->may_be_array || piece.data[i] != '[')
        return piece;
    events->shape = EVENTS_ARRAY;
    events->depth = 1;
    return (struct slice){ piece.data + i + 1, piece.bytes - i - 1 };
}

void events_feed(struct events *events, struct slice piece)
{
    if (events->shape == EVENTS_UNDECIDED)
        piece = decide_shape(events, piece);
    if (events->shape == EVENTS_LINES)
        feed_lines(events, piece);
    else if (events->shape == EVENTS_ARRAY)
        feed_array(events, piece);
}

bool events_end(struct events *events)
{
    if (events->shape == EVENTS_LINES)
        finish(events, (struct slice){ "", 0 });
    return events->shape != EVENTS_ARRAY;
}
