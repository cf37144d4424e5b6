/* SPDX-License-Identifier: Apache-2.0 */
/* rfc3164: the older format, which is no format: RFC 3164 tells what was seen on the wire. So each
 * part is taken where it is evident, and what is not stays in the text. */
#include "message.h"

#include "cursor.h"
#include "stamp.h"

enum { HOST_MOST_BYTES = 255, TAG_MOST_BYTES = 128, SEQUENCE_DIGITS = 12 };

/* ---- Cisco's head: numbers, an origin, a mark of an unset clock, all before the time ---- */

/* "29: " */
static bool take_sequence(struct slice *rest, struct syslog_message *message)
{
    uint64_t number = 0;
    size_t digits = 0;

    for (; cursor_is_digit(cursor_peek(*rest, digits)); digits++)
        number = digits < SEQUENCE_DIGITS ? number * 10 + (uint64_t)(rest->data[digits] - '0') : 0;
    if (digits == 0 || digits > SEQUENCE_DIGITS || cursor_peek(*rest, digits) != ':' ||
        !cursor_is_blank(cursor_peek(*rest, digits + 1)))
        return false;
    cursor_skip(rest, digits + 1);
    cursor_skip_blanks(rest);
    message->sequence = number;
    message->has_sequence = true;
    return true;
}

static bool take_marked_stamp(struct slice *rest, int64_t now_ns, struct syslog_message *message,
                              struct stamp *ret)
{
    struct slice at = *rest;
    bool is_marked = cursor_take(&at, '*') || cursor_take(&at, '.');

    if (!stamp_take_any(&at, now_ns, ret))
        return false;
    message->is_time_unsure = is_marked;
    *rest = at;
    return true;
}

static bool is_host_letter(char letter)
{
    return cursor_is_alpha(letter) || cursor_is_digit(letter) || letter == '.' || letter == '-' ||
           letter == '_' || letter == '/' || letter == ':' || letter == '%';
}

/* "router: " before another number or a time, "RP/0/RSP0/CPU0:" right before one. */
static bool take_origin(struct slice *rest, int64_t now_ns, struct syslog_message *message,
                        struct stamp *ret, bool *ret_has_stamp)
{
    const char *colon = memchr(rest->data, ':', rest->bytes > 64 ? 64 : rest->bytes);
    size_t bytes = colon == NULL ? 0 : (size_t)(colon - rest->data);

    if (bytes == 0)
        return false;
    for (size_t i = 0; i < bytes; i++) {
        if (!is_host_letter(rest->data[i]))
            return false;
    }
    struct slice at = { colon + 1, rest->bytes - bytes - 1 };
    cursor_skip_blanks(&at);
    bool has_sequence = take_sequence(&at, message);
    *ret_has_stamp = take_marked_stamp(&at, now_ns, message, ret);
    if (!has_sequence && !*ret_has_stamp)
        return false;
    message->host = (struct slice){ rest->data, bytes };
    *rest = at;
    return true;
}

/* "%SYS-5-CONFIG_I: ": facility, level, what it is. It is the message's id; its level counts where
 * there was no priority. */
static bool take_mnemonic(struct slice *rest, struct syslog_message *message)
{
    size_t bytes = 1, level_at = 0;

    if (cursor_peek(*rest, 0) != '%')
        return false;
    for (; bytes < rest->bytes && bytes < TAG_MOST_BYTES; bytes++) {
        char letter = rest->data[bytes];
        bool is_level = letter >= '0' && letter <= '7' && rest->data[bytes - 1] == '-' &&
                        cursor_peek(*rest, bytes + 1) == '-';
        if (is_level && bytes > 2)
            level_at = bytes;
        if (!cursor_is_alpha(letter) && !cursor_is_digit(letter) && letter != '-' && letter != '_')
            break;
    }
    if (level_at == 0 || bytes < level_at + 3)
        return false;
    struct slice at = { rest->data + bytes, rest->bytes - bytes };
    cursor_skip_blanks(&at);
    if (!cursor_take(&at, ':'))
        return false;
    cursor_skip_blanks(&at);
    message->id = (struct slice){ rest->data + 1, bytes - 1 };
    if (message->level == SYSLOG_LEVEL_NONE)
        message->level = (unsigned)(rest->data[level_at] - '0');
    *rest = at;
    return true;
}

/* ---- host and tag ---- */

static bool is_tag_letter(char letter)
{
    switch (letter) {
    case '"':
    case '\'':
    case '`':
    case '{':
    case '}':
    case '<':
    case '>':
    case '[':
    case ']':
    case '=':
    case ',':
    case ';':
    case ':':
        return false;
    default:
        return letter > ' ' && letter < 0x7f;
    }
}

/* "su: ", "sshd[123]: ", "vobd[12] ": a name that a colon or a process ends, and a blank. */
static bool take_tag(struct slice *rest, struct syslog_message *message)
{
    struct slice at = *rest, process = { NULL, 0 };
    size_t bytes = 0;
    bool is_named = false;

    while (bytes < at.bytes && bytes < TAG_MOST_BYTES && is_tag_letter(at.data[bytes])) {
        is_named = is_named || !cursor_is_digit(at.data[bytes]);
        bytes++;
    }
    if (bytes == 0 || !is_named)
        return false;
    struct slice name = cursor_cut(&at, bytes);
    if (cursor_take(&at, '[')) {
        const char *end =
            memchr(at.data, ']', at.bytes > TAG_MOST_BYTES ? TAG_MOST_BYTES : at.bytes);
        if (end == NULL || end == at.data || memchr(at.data, ' ', (size_t)(end - at.data)) != NULL)
            return false;
        process = cursor_cut(&at, (size_t)(end - at.data));
        cursor_skip(&at, 1);
    }
    bool has_colon = cursor_take(&at, ':');
    if ((!has_colon && process.bytes == 0) ||
        (at.bytes > 0 && !cursor_is_blank(cursor_peek(at, 0))))
        return false;
    if (at.bytes > 0)
        cursor_skip(&at, 1); /* one: further blanks are of the text */
    message->app = name;
    message->process = process;
    *rest = at;
    return true;
}

static bool is_host(struct slice word)
{
    if (word.bytes == 0 || word.bytes > HOST_MOST_BYTES)
        return false;
    for (size_t i = 0; i < word.bytes; i++) {
        if (!is_host_letter(word.data[i]) && (i > 0 || word.data[i] != '['))
            return false;
    }
    return word.data[word.bytes - 1] != ':' && word.data[0] != '%';
}

/* What follows the time. A word that is no tag is the host, unless the sender is on this host and
 * no tag comes behind it either: the C library's syslog() does not tell the host. */
static void take_host_and_tag(struct slice *rest, const struct syslog_context *context,
                              struct syslog_message *message)
{
    struct slice at = *rest;

    if (take_mnemonic(rest, message) || take_tag(rest, message))
        return;
    struct slice host = cursor_take_word(&at);
    if (!is_host(host))
        return;
    bool is_alone = at.bytes == 0;
    cursor_skip_blanks(&at);
    if (cursor_peek(at, 0) == ':' && cursor_is_blank(cursor_peek(at, 1))) { /* "host : %ASA-…" */
        cursor_skip(&at, 1);
        cursor_skip_blanks(&at);
    }
    struct slice behind = at;
    (void)take_sequence(&behind, message);
    struct stamp second;
    if (message->has_sequence &&
        take_marked_stamp(&behind, context->now_ns, message, &second)) { /* through a relay */
        (void)cursor_take(&behind, ':');
        cursor_skip_blanks(&behind);
    }
    if (message->has_sequence)
        at = behind;
    bool has_tag = take_mnemonic(&at, message) || take_tag(&at, message);
    if (is_alone || (context->is_local && !has_tag))
        return;
    message->host = host;
    *rest = at;
}

/* A colon right behind the time is Cisco's: a name and a number may follow, no host. */
static void take_behind_stamp(struct slice *rest, const struct syslog_context *context,
                              struct syslog_message *message)
{
    struct slice at = *rest;

    cursor_skip_blanks(&at);
    if (cursor_take(&at, ':')) {
        cursor_skip_blanks(&at);
        *rest = at;
        if (!take_mnemonic(rest, message) && take_tag(rest, message))
            (void)take_mnemonic(rest, message);
        return;
    }
    *rest = at;
    if (message->host.bytes == 0)
        take_host_and_tag(rest, context, message);
    else
        (void)take_tag(rest, message);
}

/* Meraki's: a version, and seconds since 1970. */
static void skip_version(struct slice *rest)
{
    struct slice at = *rest;
    struct stamp ignored;

    if (!cursor_take(&at, '1') || !cursor_take(&at, ' '))
        return;
    struct slice behind = at;
    if (stamp_take_epoch(&behind, &ignored))
        *rest = at;
}

/* All before the time, and the time. false: there is none. */
static bool take_head(struct slice *rest, int64_t now_ns, struct syslog_message *message,
                      struct stamp *ret)
{
    struct slice at = *rest;
    bool has_stamp = false;

    skip_version(&at);
    cursor_skip_blanks(&at);
    if (cursor_take(&at, ':'))
        cursor_skip_blanks(&at);
    (void)take_sequence(&at, message);
    if (take_marked_stamp(&at, now_ns, message, ret))
        has_stamp = true;
    else
        (void)take_origin(&at, now_ns, message, ret, &has_stamp);
    if (!has_stamp && !take_mnemonic(&at, message)) {
        message->has_sequence = false; /* a number, a colon: the text begins so */
        message->host.bytes = 0;
        return false;
    }
    *rest = at;
    return has_stamp;
}

void syslog_parse_3164(struct slice rest, const struct syslog_context *context,
                       struct syslog_message *message)
{
    struct stamp stamp;
    struct slice at = rest;
    bool has_stamp = take_head(&at, context->now_ns, message, &stamp);

    if (has_stamp) {
        message->time_ns = stamp_ns(&stamp, context->zone, context->now_ns);
        take_behind_stamp(&at, context, message);
    } else if (message->id.bytes == 0 && message->has_facility) {
        (void)take_tag(&at, message);
    }
    message->body = at;
    if (!message->has_facility && !has_stamp && message->id.bytes == 0)
        message->problem = "neither a priority nor a time";
}
