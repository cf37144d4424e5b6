/* SPDX-License-Identifier: Apache-2.0 */
#include "lines.h"

enum { INTEGER_DIGITS = 18 };

/* The end of the value that begins at `at`: a blank, or the end of the text. */
static char *skip_plain(char *at, const char *end)
{
    while (at < end && *at != ' ')
        at++;
    return at;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One character behind a backslash; *at moves behind it. */
static char unescape(char **at, const char *end)
{
    char c = *(*at)++;

    if (c == 'n')
        return '\n';
    if (c != 'x' || end - *at < 2 || hex_digit((*at)[0]) < 0 || hex_digit((*at)[1]) < 0)
        return c;
    c = (char)(hex_digit((*at)[0]) * 16 + hex_digit((*at)[1]));
    *at += 2;
    return c;
}

/* In place. Returns what is behind the closing quote, or the end of a line that was cut. */
static char *read_quoted(char *at, const char *end, struct slice *ret)
{
    char *to = at;

    ret->data = at;
    while (at < end && *at != '"') {
        char c = *at++;
        *to++ = c == '\\' && at < end ? unescape(&at, end) : c;
    }
    ret->bytes = (size_t)(to - ret->data);
    return at < end ? at + 1 : at;
}

static struct value value_of(struct slice text)
{
    struct value value = { .kind = VALUE_TEXT, .text = text };
    size_t sign = text.bytes > 1 && text.data[0] == '-' ? 1 : 0;
    int64_t number = 0;

    if (text.bytes == sign || text.bytes - sign > INTEGER_DIGITS)
        return value;
    for (size_t i = sign; i < text.bytes; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return value;
        number = 10 * number + (text.data[i] - '0');
    }
    return (struct value){ .kind = VALUE_INT, .integer = sign == 1 ? -number : number };
}

static void add_field(struct event *event, struct slice key, struct slice text, bool is_quoted)
{
    struct value value = { .kind = VALUE_TEXT, .text = text };

    if (slice_equals(key, SLICE("msg")))
        event->body = text;
    else
        event_set(event, key, is_quoted ? value : value_of(text));
}

void self_line(struct event *event, const struct log_news *news)
{
    static const uint8_t severities[] = { [LOG_DEBUG] = SEVERITY_DEBUG,
                                          [LOG_INFO] = SEVERITY_INFO,
                                          [LOG_WARN] = SEVERITY_WARN,
                                          [LOG_ERROR] = SEVERITY_ERROR };
    static const char *const names[] = {
        [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn", [LOG_ERROR] = "error"
    };
    struct slice kept = event_keep(event, news->text);
    char *at = (char *)(uintptr_t)kept.data; /* the event's own memory */
    const char *end = kept.data + kept.bytes;

    event->time_ns = news->real_ns;
    event->severity = severities[news->level];
    event->severity_text = slice_of(names[news->level]);
    while (at < end) {
        char *key = at;
        while (at < end && *at != '=')
            at++;
        struct slice name = { key, (size_t)(at - key) }, text;
        if (at == end)
            return;
        bool is_quoted = ++at < end && *at == '"';
        char *from = at;
        at = is_quoted ? read_quoted(at + 1, end, &text) : skip_plain(at, end);
        if (!is_quoted)
            text = (struct slice){ from, (size_t)(at - from) };
        add_field(event, name, text, is_quoted);
        at += at < end ? 1 : 0; /* the blank */
    }
}
