/* SPDX-License-Identifier: Apache-2.0 */
/* unwrap: runs of bytes are found and copied as such; only escapes are looked at one by one. */
#include "unwrap.h"

#include "json_walk.h"

enum { DATE_BYTES = 19, FRACTION_DIGITS = 9 }; /* 2024-01-31T10:00:00 */

static bool take_digits(const char *at, unsigned count, int64_t *ret)
{
    int64_t number = 0;

    for (unsigned i = 0; i < count; i++) {
        if (at[i] < '0' || at[i] > '9')
            return false;
        number = number * 10 + (at[i] - '0');
    }
    *ret = number;
    return true;
}

/* Days since 1970-01-01, of the Gregorian calendar; years begin in March, so that leap days end
 * them. */
static int64_t days_since_epoch(int64_t year, int64_t month, int64_t day)
{
    int64_t shifted = month > 2 ? month - 3 : month + 9;

    year -= month <= 2;
    int64_t era_year = year % 400;
    int64_t day_of_era =
        era_year * 365 + era_year / 4 - era_year / 100 + (153 * shifted + 2) / 5 + day - 1;
    return year / 400 * 146097 + day_of_era - 719468;
}

static bool parse_date(const char *at, int64_t *ret_s)
{
    int64_t year, month, day, hour, minute, second;

    if (!take_digits(at, 4, &year) || at[4] != '-' || !take_digits(at + 5, 2, &month) ||
        at[7] != '-' || !take_digits(at + 8, 2, &day) || at[10] != 'T' ||
        !take_digits(at + 11, 2, &hour) || at[13] != ':' || !take_digits(at + 14, 2, &minute) ||
        at[16] != ':' || !take_digits(at + 17, 2, &second))
        return false;
    if (year < 1970 || year > 2261 || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 ||
        minute > 59 || second > 60)
        return false;
    *ret_s = days_since_epoch(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
    return true;
}

static bool parse_zone(struct slice text, int64_t *ret_s)
{
    int64_t hours, minutes;

    *ret_s = 0;
    if (text.bytes == 1 && text.data[0] == 'Z')
        return true;
    if (text.bytes != 6 || (text.data[0] != '+' && text.data[0] != '-') || text.data[3] != ':' ||
        !take_digits(text.data + 1, 2, &hours) || !take_digits(text.data + 4, 2, &minutes) ||
        hours > 23 || minutes > 59)
        return false;
    *ret_s = (hours * 3600 + minutes * 60) * (text.data[0] == '+' ? 1 : -1);
    return true;
}

bool tail_parse_time(struct slice text, int64_t *ret_ns)
{
    int64_t seconds, zone_s, fraction = 0;
    size_t at = DATE_BYTES;

    if (text.bytes <= DATE_BYTES || !parse_date(text.data, &seconds))
        return false;
    if (text.data[at] == '.') {
        unsigned digits = 0;
        for (at++; at < text.bytes && text.data[at] >= '0' && text.data[at] <= '9'; at++) {
            if (digits < FRACTION_DIGITS) {
                fraction = fraction * 10 + (text.data[at] - '0');
                digits++;
            }
        }
        for (; digits < FRACTION_DIGITS; digits++)
            fraction *= 10;
    }
    if (!parse_zone((struct slice){ text.data + at, text.bytes - at }, &zone_s))
        return false;
    *ret_ns = (seconds - zone_s) * NS_PER_S + fraction;
    return true;
}

static enum container_stream stream_of(struct slice name)
{
    if (slice_equals(name, SLICE("stdout")))
        return STREAM_STDOUT;
    return slice_equals(name, SLICE("stderr")) ? STREAM_STDERR : STREAM_NONE;
}

static void drop_return(struct slice *text, bool is_escaped)
{
    if (is_escaped && text->bytes >= 2 && memcmp(text->data + text->bytes - 2, "\\r", 2) == 0 &&
        (text->bytes == 2 || text->data[text->bytes - 3] != '\\'))
        text->bytes -= 2;
    else if (!is_escaped && text->bytes > 0 && text->data[text->bytes - 1] == '\r')
        text->bytes--;
}

static void take_log(const struct json_member *member, struct unwrapped *found)
{
    found->text = member->value;
    found->is_escaped = member->is_escaped;
    found->is_partial = !member->ends_in_newline;
    if (found->is_partial)
        return;
    found->text.bytes -= 2;
    drop_return(&found->text, true);
    /* that newline was all that was escaped, most times: then the text is used in its place */
    found->is_escaped = memchr(found->text.data, '\\', found->text.bytes) != NULL;
}

bool tail_unwrap_docker(struct slice line, struct unwrapped *ret)
{
    struct unwrapped found = { .time_ns = 0 };
    struct json_walk walk;
    struct json_member member;
    enum json_step step = JSON_BROKEN;

    if (!json_walk_begin(&walk, line))
        return false;
    while ((step = json_walk_next(&walk, &member)) == JSON_MEMBER) {
        if (!member.is_string)
            continue;
        if (slice_equals(member.key, SLICE("log")))
            take_log(&member, &found);
        else if (slice_equals(member.key, SLICE("stream")))
            found.stream = stream_of(member.value);
        else if (slice_equals(member.key, SLICE("time")))
            (void)tail_parse_time(member.value, &found.time_ns);
    }
    if (step != JSON_END || found.text.data == NULL || !json_walk_is_over(&walk))
        return false;
    *ret = found;
    return true;
}

/* Up to the next blank or the end, and over the blank. */
static struct slice take_word(struct slice *line)
{
    const char *blank = line->bytes == 0 ? NULL : memchr(line->data, ' ', line->bytes);
    size_t bytes = blank == NULL ? line->bytes : (size_t)(blank - line->data);
    size_t over = blank == NULL ? bytes : bytes + 1;
    struct slice word = { line->data, bytes };

    *line = (struct slice){ line->data + over, line->bytes - over };
    return word;
}

bool tail_unwrap_cri(struct slice line, struct unwrapped *ret)
{
    struct unwrapped found = { .is_escaped = false };
    struct slice time = take_word(&line);

    if (!tail_parse_time(time, &found.time_ns))
        return false;
    found.stream = stream_of(take_word(&line));
    struct slice tags = take_word(&line); /* "F", "P"; more may follow behind a ':' */
    if (found.stream == STREAM_NONE || tags.bytes == 0 || (tags.bytes > 1 && tags.data[1] != ':') ||
        (tags.data[0] != 'F' && tags.data[0] != 'P'))
        return false;
    found.is_partial = tags.data[0] == 'P';
    found.text = line;
    if (!found.is_partial)
        drop_return(&found.text, false);
    *ret = found;
    return true;
}

static unsigned hex_value(char byte)
{
    return byte <= '9' ? (unsigned)(byte - '0') : (unsigned)((byte | 0x20) - 'a' + 10);
}

static unsigned code_unit(const char *at) /* at "\uXXXX" */
{
    return hex_value(at[2]) << 12 | hex_value(at[3]) << 8 | hex_value(at[4]) << 4 |
           hex_value(at[5]);
}

static size_t put_character(unsigned code, char *to)
{
    if (code < 0x80) {
        to[0] = (char)code;
        return 1;
    }
    size_t more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const unsigned char heads[] = { 0, 0xc0, 0xe0, 0xf0 };
    to[0] = (char)(heads[more] | code >> 6 * more);
    for (size_t i = 1; i <= more; i++)
        to[i] = (char)(0x80 | (code >> 6 * (more - i) & 0x3f));
    return more + 1;
}

/* The escape at `at`. Returns the bytes read; a half of a pair without the other becomes U+FFFD. */
static size_t decode(const char *at, const char *end, char *to, size_t *ret_bytes)
{
    static const char names[] = "bfnrt", values[] = "\b\f\n\r\t";
    const char *name = strchr(names, at[1]);
    unsigned code, low;

    if (at[1] != 'u') {
        to[0] = name != NULL ? values[name - names] : at[1];
        *ret_bytes = 1;
        return 2;
    }
    code = code_unit(at);
    size_t read = 6;
    if (code >= 0xd800 && code < 0xdc00 && end - at >= 12 && at[6] == '\\' && at[7] == 'u' &&
        (low = code_unit(at + 6)) >= 0xdc00 && low < 0xe000) {
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        read = 12;
    }
    *ret_bytes = put_character(code >= 0xd800 && code < 0xe000 ? 0xfffd : code, to);
    return read;
}

size_t tail_unescape(struct slice text, char *to, size_t room)
{
    enum { CHARACTER_BYTES = 4 };
    const char *at = text.data, *end = at + text.bytes;
    size_t used = 0;

    while (at < end && used < room) {
        const char *escape = memchr(at, '\\', (size_t)(end - at));
        size_t run = (size_t)((escape == NULL ? end : escape) - at);
        run = run < room - used ? run : room - used;
        memcpy(to + used, at, run);
        used += run;
        at += run;
        if (at != escape)
            continue;
        char character[CHARACTER_BYTES];
        size_t bytes;
        at += decode(at, end, character, &bytes);
        if (bytes > room - used)
            break;
        memcpy(to + used, character, bytes);
        used += bytes;
    }
    return used;
}

bool tail_json_text(struct slice object, const char *key, const char *inner, struct slice *ret)
{
    struct json_walk walk;
    struct json_member member;

    if (!json_walk_begin(&walk, object))
        return false;
    while (json_walk_next(&walk, &member) == JSON_MEMBER) {
        if (!slice_equals(member.key, slice_of(key)))
            continue;
        if (inner != NULL)
            return !member.is_string && tail_json_text(member.value, inner, NULL, ret);
        *ret = member.value;
        return member.is_string;
    }
    return false;
}
