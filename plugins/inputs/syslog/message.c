/* SPDX-License-Identifier: Apache-2.0 */
#include "message.h"

#include "cursor.h"

enum { PRIORITY_MOST = 191, PRIORITY_DIGITS = 3, LEVEL_BITS = 3 };

/* What ends a datagram, or a line: not part of the text. */
static struct slice without_end(struct slice bytes)
{
    while (bytes.bytes > 0) {
        char last = bytes.data[bytes.bytes - 1];
        if (last != '\n' && last != '\r' && last != '\0')
            break;
        bytes.bytes--;
    }
    return bytes;
}

static void take_priority(struct slice *rest, struct syslog_message *message)
{
    struct slice at = *rest;
    int priority;

    if (!cursor_take(&at, '<') || !cursor_take_number(&at, 1, PRIORITY_DIGITS, &priority) ||
        !cursor_take(&at, '>') || priority > PRIORITY_MOST)
        return;
    message->has_facility = true;
    message->facility = (unsigned)priority >> LEVEL_BITS;
    message->level = (unsigned)priority & ((1U << LEVEL_BITS) - 1);
    *rest = at;
}

void syslog_parse(struct slice bytes, const struct syslog_context *context,
                  struct syslog_message *ret)
{
    struct slice whole = without_end(bytes), rest = whole;

    *ret = (struct syslog_message){ .level = SYSLOG_LEVEL_NONE };
    take_priority(&rest, ret);
    if (rest.bytes == 0)
        ret->problem = whole.bytes == 0 ? "an empty message" : "nothing behind the priority";
    else if (!ret->has_facility || !syslog_parse_5424(rest, context, ret))
        syslog_parse_3164(rest, context, ret);
    if (ret->problem != NULL && ret->version == 0)
        ret->body = whole;
}
