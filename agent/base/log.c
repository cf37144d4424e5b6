/* SPDX-License-Identifier: Apache-2.0 */
/* log: a line is built on the stack and leaves in one write(2), so lines of threads never mix. */
#include "base/log.h"

#include "base/clock.h"
#include "base/log_recent.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { LINE_BYTES = 4096 };

struct line {
    char data[LINE_BYTES];
    size_t bytes;
};

struct log_site log_unlimited;
static _Atomic int out_fd = STDERR_FILENO;
static _Atomic int min_level = LOG_INFO;

static void put_bytes(struct line *line, const char *data, size_t bytes)
{
    size_t room = LINE_BYTES - 1 - line->bytes; /* one byte kept for the newline */
    if (bytes > room)
        bytes = room;
    memcpy(line->data + line->bytes, data, bytes);
    line->bytes += bytes;
}

static bool needs_quotes(struct slice text)
{
    for (size_t i = 0; i < text.bytes; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7f)
            return true;
    }
    return text.bytes == 0;
}

static void put_quoted(struct line *line, struct slice text)
{
    put_bytes(line, "\"", 1);
    for (size_t i = 0; i < text.bytes; i++) {
        unsigned char c = (unsigned char)text.data[i];
        char escaped[8];
        if (c == '"' || c == '\\') {
            escaped[0] = '\\';
            escaped[1] = (char)c;
            put_bytes(line, escaped, 2);
        } else if (c == '\n') {
            put_bytes(line, "\\n", 2);
        } else if (c < ' ' || c == 0x7f) {
            put_bytes(line, escaped, (size_t)snprintf(escaped, sizeof(escaped), "\\x%02x", c));
        } else {
            put_bytes(line, (const char *)&text.data[i], 1);
        }
    }
    put_bytes(line, "\"", 1);
}

static void put_text(struct line *line, struct slice text)
{
    if (needs_quotes(text))
        put_quoted(line, text);
    else
        put_bytes(line, text.data, text.bytes);
}

static void put_field(struct line *line, const struct log_field *field)
{
    char number[48];
    int length = 0;

    put_bytes(line, " ", 1);
    put_bytes(line, field->key, strlen(field->key));
    put_bytes(line, "=", 1);
    if (field->kind == LOG_TEXT || field->kind == LOG_FOREIGN)
        put_text(line, field->text);
    else if (field->kind == LOG_UINT)
        length = snprintf(number, sizeof(number), "%llu", (unsigned long long)field->uint);
    else if (field->kind == LOG_INT)
        length = snprintf(number, sizeof(number), "%lld", (long long)field->sint);
    else if (field->kind == LOG_REAL)
        length = snprintf(number, sizeof(number), "%.6g", field->real);
    put_bytes(line, number, (size_t)length);
}

static void put_time(struct line *line)
{
    int64_t now_ns = clock_real_ns();
    time_t seconds = (time_t)(now_ns / NS_PER_S);
    struct tm utc;
    char text[48];

    if (gmtime_r(&seconds, &utc) == NULL)
        return;
    size_t length = strftime(text, sizeof(text), "time=%Y-%m-%dT%H:%M:%S", &utc);
    put_bytes(line, text, length);
    length = (size_t)snprintf(text, sizeof(text), ".%03dZ ", (int)(now_ns % NS_PER_S / NS_PER_MS));
    put_bytes(line, text, length);
}

/* A burst, then one line for each rest; *ret_held_back says how many were not written before it. */
static bool may_write(struct log_site *site, uint32_t *ret_held_back)
{
    int64_t now_ms = clock_now_ms();
    int64_t until_ms = atomic_load(&site->rest_until_ms);

    if (now_ms >= until_ms &&
        atomic_compare_exchange_strong(&site->rest_until_ms, &until_ms, now_ms + LOG_REST_MS)) {
        uint32_t burst = atomic_load(&site->held_back) > 0 ? LOG_BURST : 1;
        atomic_store(&site->lines, burst); /* after a burst: one line for each rest */
        *ret_held_back = atomic_exchange(&site->held_back, 0);
        return true;
    }
    if (atomic_fetch_add(&site->lines, 1) < LOG_BURST) {
        *ret_held_back = 0;
        return true;
    }
    atomic_fetch_add(&site->held_back, 1);
    return false;
}

static void put_message(struct line *line, const char *msg, const struct log_field *fields,
                        uint32_t held_back, bool has_foreign)
{
    put_bytes(line, "msg=", 4);
    put_text(line, slice_of(msg));
    for (const struct log_field *field = fields; field->kind != LOG_END; field++) {
        if (has_foreign || field->kind != LOG_FOREIGN)
            put_field(line, field);
    }
    if (held_back > 0)
        put_field(line, &LU("held_back", held_back));
}

static void remember(enum log_level level, const char *msg, const struct log_field *fields,
                     uint32_t held_back)
{
    struct line line;

    line.bytes = 0;
    put_message(&line, msg, fields, held_back, false);
    log_recent_add(level, clock_real_ns(), (struct slice){ line.data, line.bytes });
}

void log_write(struct log_site *site, enum log_level level, const char *msg,
               const struct log_field *fields)
{
    static const char *const names[] = { "debug", "info", "warn", "error" };
    struct line line;
    uint32_t held_back = 0;

    if ((int)level < atomic_load_explicit(&min_level, memory_order_relaxed))
        return;
    if (site != NULL && site != &log_unlimited && !may_write(site, &held_back))
        return;
    line.bytes = 0;
    put_time(&line);
    put_bytes(&line, "level=", 6);
    put_bytes(&line, names[level], strlen(names[level]));
    put_bytes(&line, " ", 1);
    put_message(&line, msg, fields, held_back, true);
    line.data[line.bytes++] = '\n';
    (void)!write(atomic_load_explicit(&out_fd, memory_order_relaxed), line.data, line.bytes);
    if (site != NULL && level > LOG_DEBUG) /* reports have no site */
        remember(level, msg, fields, held_back);
}

void log_set_level(enum log_level level)
{
    atomic_store(&min_level, (int)level);
}

void log_set_fd(int fd)
{
    atomic_store(&out_fd, fd);
}
