/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log_line.h"

#include "base/clock.h"
#include "base/json.h"

#include <ctype.h>
#include <stdio.h>
#include <time.h>

enum {
    JSON_TEXT_MOST = 1024, /* of one field */
    JSON_END_ROOM = 16,    /* ,"cut":true}\n */
    NUMBER_BYTES = 48,
};

const char *const log_level_names[] = { "debug", "info", "warn", "error" };

int log_priority(enum log_level level)
{
    static const int priorities[] = { 7, 6, 4, 3 };
    return priorities[level];
}

static void put_bytes(struct log_line *line, const char *data, size_t bytes)
{
    size_t room = LOG_LINE_BYTES - 1 - line->bytes; /* one byte kept for the newline */
    if (bytes > room)
        bytes = room;
    memcpy(line->data + line->bytes, data, bytes);
    line->bytes += bytes;
}

static void put_literal(struct log_line *line, const char *text)
{
    put_bytes(line, text, strlen(text));
}

/* ---- logfmt ---- */

static bool needs_quotes(struct slice text)
{
    for (size_t i = 0; i < text.bytes; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7f)
            return true;
    }
    return text.bytes == 0;
}

static void put_quoted(struct log_line *line, struct slice text)
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

static size_t write_number(char number[NUMBER_BYTES], const struct log_field *field)
{
    int length = 0;

    if (field->kind == LOG_UINT)
        length = snprintf(number, NUMBER_BYTES, "%llu", (unsigned long long)field->uint);
    else if (field->kind == LOG_INT)
        length = snprintf(number, NUMBER_BYTES, "%lld", (long long)field->sint);
    else if (field->kind == LOG_REAL)
        length = snprintf(number, NUMBER_BYTES, "%.6g", field->real);
    return (size_t)length;
}

static void put_logfmt(struct log_line *line, const struct log_field *field)
{
    char number[NUMBER_BYTES];

    if (line->bytes > 0)
        put_bytes(line, " ", 1);
    put_literal(line, field->key);
    put_bytes(line, "=", 1);
    if (field->kind != LOG_TEXT)
        put_bytes(line, number, write_number(number, field));
    else if (needs_quotes(field->text))
        put_quoted(line, field->text);
    else
        put_bytes(line, field->text.data, field->text.bytes);
}

/* ---- JSON ---- */

static void put_json_value(struct log_line *line, const struct log_field *field)
{
    char text[6 * JSON_TEXT_MOST + 32], number[NUMBER_BYTES];
    struct slice cut = field->text;

    if (field->kind == LOG_REAL) {
        put_bytes(line, text, json_real(text, field->real));
        return;
    }
    if (field->kind != LOG_TEXT) {
        put_bytes(line, number, write_number(number, field));
        return;
    }
    if (cut.bytes > JSON_TEXT_MOST)
        cut.bytes = JSON_TEXT_MOST;
    put_bytes(line, "\"", 1);
    put_bytes(line, text, json_escape(text, cut, NULL));
    put_bytes(line, "\"", 1);
}

/* Whole, or not at all. */
static void put_json(struct log_line *line, const struct log_field *field)
{
    size_t before = line->bytes;

    put_literal(line, line->bytes == 0 ? "{\"" : ",\"");
    put_literal(line, field->key);
    put_literal(line, "\":");
    put_json_value(line, field);
    if (line->bytes + JSON_END_ROOM <= LOG_LINE_BYTES)
        return;
    line->bytes = before;
    if (before + 2 * JSON_END_ROOM <= LOG_LINE_BYTES)
        put_literal(line, ",\"cut\":true");
}

/* ---- lines ---- */

static bool write_time(int64_t real_ns, char *ret_text, size_t room)
{
    time_t seconds = (time_t)(real_ns / NS_PER_S);
    struct tm utc;

    if (gmtime_r(&seconds, &utc) == NULL)
        return false;
    size_t bytes = strftime(ret_text, room, "%Y-%m-%dT%H:%M:%S", &utc);
    (void)snprintf(ret_text + bytes, room - bytes, ".%03dZ", (int)(real_ns % NS_PER_S / NS_PER_MS));
    return true;
}

void log_line_add(struct log_line *line, enum log_format format, const struct log_field *field)
{
    if (format == LOG_JSON)
        put_json(line, field);
    else
        put_logfmt(line, field);
}

void log_line_begin(struct log_line *line, enum log_format format, int64_t real_ns,
                    enum log_level level, const char *msg, const struct log_field *fields)
{
    char time_text[NUMBER_BYTES];

    line->bytes = 0;
    if (real_ns != 0 && write_time(real_ns, time_text, sizeof(time_text)))
        log_line_add(line, format, &LS("time", time_text));
    log_line_add(line, format, &LS("level", log_level_names[level]));
    log_line_add(line, format, &LS("msg", msg));
    for (const struct log_field *field = fields; field->kind != LOG_END; field++)
        log_line_add(line, format, field);
}

void log_line_end(struct log_line *line, enum log_format format)
{
    if (format == LOG_JSON)
        put_bytes(line, "}", 1);
    line->data[line->bytes++] = '\n';
}

/* ---- the journal ---- */

/* KEY, newline, the length as 64 bits little endian, the bytes, newline: any byte may be in it. */
static void put_journal(struct log_datagram *datagram, const char *prefix, const char *key,
                        struct slice value)
{
    size_t key_bytes = strlen(prefix) + strlen(key);
    char *to = datagram->data + datagram->bytes;

    if (datagram->bytes + key_bytes + 1 + 8 + value.bytes + 1 > LOG_DATAGRAM_BYTES)
        return;
    to += snprintf(to, key_bytes + 1, "%s%s", prefix, key);
    for (char *c = to - key_bytes; c < to; c++)
        *c = (char)(isalnum((unsigned char)*c) ? toupper((unsigned char)*c) : '_');
    *to++ = '\n';
    for (unsigned i = 0; i < 8; i++)
        *to++ = (char)((uint64_t)value.bytes >> (8 * i) & 0xff);
    memcpy(to, value.data, value.bytes);
    to[value.bytes] = '\n';
    datagram->bytes += key_bytes + 1 + 8 + value.bytes + 1;
}

void log_line_datagram(struct log_datagram *ret, struct slice text, enum log_level level,
                       const char *msg, const struct log_field *fields)
{
    char number[NUMBER_BYTES];

    ret->bytes = 0;
    put_journal(ret, "", "MESSAGE", text);
    (void)snprintf(number, sizeof(number), "%d", log_priority(level));
    put_journal(ret, "", "PRIORITY", slice_of(number));
    put_journal(ret, "", "SYSLOG_IDENTIFIER", SLICE("spillway"));
    put_journal(ret, "SPILLWAY_", "msg", slice_of(msg));
    for (const struct log_field *field = fields; field->kind != LOG_END; field++) {
        struct slice value = field->text;
        if (field->kind != LOG_TEXT)
            value = (struct slice){ number, write_number(number, field) };
        put_journal(ret, "SPILLWAY_", field->key, value);
    }
}
