/* SPDX-License-Identifier: Apache-2.0 */
/* text: a line is taken apart from left to right; `at` never passes `end`. */
#include "text.h"

#include <math.h>
#include <strings.h>

enum { NUMBER_MOST_BYTES = 64 };

/* ---- characters and names ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static char *skip_blanks(char *at, const char *end)
{
    while (at < end && is_blank(*at))
        at++;
    return at;
}

static bool is_name_begin(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* Of a label: without colons. */
static char *read_name(char *at, const char *end, bool may_have_colons, struct slice *ret)
{
    char *begin = at;

    while (at < end && (is_name_begin(*at) || (*at == ':' && may_have_colons) ||
                        (at > begin && *at >= '0' && *at <= '9')))
        at++;
    *ret = (struct slice){ begin, (size_t)(at - begin) };
    return at;
}

static char *read_word(char *at, const char *end, struct slice *ret)
{
    char *begin = skip_blanks(at, end);

    for (at = begin; at < end && !is_blank(*at);)
        at++;
    *ret = (struct slice){ begin, (size_t)(at - begin) };
    return at;
}

static bool ends(struct slice name, struct slice with)
{
    return name.bytes >= with.bytes &&
           memcmp(name.data + name.bytes - with.bytes, with.data, with.bytes) == 0;
}

/* ---- labels ---- */

/* Behind the opening quote. NULL: there is no closing one. An escape that is none stays as it is.
 */
static char *read_value(char *at, const char *end, struct slice *ret)
{
    char *begin = at, *to = at;

    for (; at < end && *at != '"'; at++) {
        if (*at == '\\' && at + 1 < end && strchr("n\"\\", at[1]) != NULL && at[1] != '\0') {
            at++;
            *to++ = *at == 'n' ? '\n' : *at;
        } else {
            *to++ = *at;
        }
    }
    *ret = (struct slice){ begin, (size_t)(to - begin) };
    return at < end ? at + 1 : NULL;
}

static char *read_label(char *at, const char *end, struct prometheus_label *ret)
{
    at = skip_blanks(read_name(at, end, false, &ret->name), end);
    if (ret->name.bytes == 0 || at == end || *at != '=')
        return NULL;
    at = skip_blanks(at + 1, end);
    if (at == end || *at != '"')
        return NULL;
    return read_value(at + 1, end, &ret->value);
}

/* Behind the opening brace; a comma may stand before the closing one. */
static char *read_labels(char *at, const char *end, struct prometheus_sample *sample)
{
    for (;;) {
        at = skip_blanks(at, end);
        if (at < end && *at == '}')
            return at + 1;
        if (sample->label_count == PROMETHEUS_LABELS_MOST)
            return NULL;
        at = read_label(at, end, &sample->labels[sample->label_count]);
        if (at == NULL)
            return NULL;
        sample->label_count++;
        at = skip_blanks(at, end);
        if (at == end || (*at != ',' && *at != '}'))
            return NULL;
        at += *at == ',' ? 1 : 0;
    }
}

/* ---- numbers ---- */

static bool is_word(const char *text, const char *word)
{
    text += *text == '+' || *text == '-' ? 1 : 0;
    return strcasecmp(text, word) == 0;
}

/* Decimal, or NaN and Inf by their names: no hexadecimal, which strtod() would take. */
static bool read_number(struct slice text, double *ret)
{
    char copy[NUMBER_MOST_BYTES], *end;

    if (text.bytes == 0 || text.bytes >= sizeof(copy) || memchr(text.data, '\0', text.bytes))
        return false;
    memcpy(copy, text.data, text.bytes);
    copy[text.bytes] = '\0';
    bool is_named = is_word(copy, "nan") || is_word(copy, "inf") || is_word(copy, "infinity");
    if (!is_named && strspn(copy, "0123456789+-.eE") != text.bytes)
        return false;
    *ret = strtod(copy, &end);
    return end == copy + text.bytes;
}

static bool read_time(const struct prometheus_text *text, struct slice word, int64_t *ret_ns)
{
    const double most_ns = 9e18;
    double number;

    if (!read_number(word, &number))
        return false;
    number *= text->is_openmetrics ? 1e9 : 1e6;
    if (!(fabs(number) < most_ns))
        return false;
    *ret_ns = (int64_t)number;
    return true;
}

/* ---- lines ---- */

static enum prometheus_type type_of(struct slice word)
{
    static const struct {
        struct slice name;
        enum prometheus_type type;
    } types[] = { { { "counter", 7 }, PROMETHEUS_COUNTER },
                  { { "histogram", 9 }, PROMETHEUS_HISTOGRAM },
                  { { "summary", 7 }, PROMETHEUS_SUMMARY } };

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (slice_equals(word, types[i].name))
            return types[i].type;
    }
    return PROMETHEUS_UNKNOWN;
}

static void begin_family(struct prometheus_text *text, struct slice name)
{
    if (slice_equals(name, (struct slice){ text->name, text->name_bytes }))
        return;
    text->type = PROMETHEUS_UNKNOWN;
    text->unit_bytes = text->name_bytes = 0;
    if (name.bytes <= sizeof(text->name)) {
        memcpy(text->name, name.data, name.bytes);
        text->name_bytes = name.bytes;
    }
}

/* What is not known is a comment. */
static void read_comment(struct prometheus_text *text, char *at, const char *end)
{
    struct slice key, name, word;

    at = read_word(at, end, &key);
    if (slice_equals(key, SLICE("EOF")))
        text->is_ended = text->is_openmetrics;
    at = read_word(at, end, &name);
    (void)read_word(at, end, &word);
    bool is_type = slice_equals(key, SLICE("TYPE")), is_unit = slice_equals(key, SLICE("UNIT"));
    if (!is_type && !is_unit)
        return;
    begin_family(text, name);
    if (is_type)
        text->type = text->name_bytes == 0 ? PROMETHEUS_UNKNOWN : type_of(word);
    else if (word.bytes <= sizeof(text->unit)) {
        memcpy(text->unit, word.data, word.bytes);
        text->unit_bytes = word.bytes;
    }
}

/* Behind the labels an exemplar has the only " # ". */
static const char *without_exemplar(const char *at, const char *end)
{
    const char *mark = memmem(at, (size_t)(end - at), " # ", 3);

    return mark == NULL ? end : mark;
}

static bool read_sample(const struct prometheus_text *text, char *at, const char *end,
                        struct prometheus_sample *sample)
{
    struct slice time, more;

    sample->label_count = 0;
    at = read_name(at, end, true, &sample->name);
    if (sample->name.bytes == 0)
        return false;
    at = skip_blanks(at, end);
    bool is_apart = at > sample->name.data + sample->name.bytes;
    if (at < end && *at == '{') {
        at = read_labels(at + 1, end, sample);
        is_apart = true;
    }
    if (at == NULL || !is_apart)
        return false;
    if (text->is_openmetrics)
        end = without_exemplar(at, end);
    at = read_word(at, end, &sample->digits);
    at = read_word(at, end, &time);
    (void)read_word(at, end, &more);
    sample->has_time = time.bytes > 0;
    return more.bytes == 0 && read_number(sample->digits, &sample->number) &&
           (!sample->has_time || read_time(text, time, &sample->time_ns));
}

enum prometheus_line prometheus_read(struct prometheus_text *text, char *line, size_t bytes,
                                     struct prometheus_sample *ret)
{
    const char *end = line + bytes;
    char *at = skip_blanks(line, end);

    if (at == end)
        return PROMETHEUS_NOTHING;
    if (text->is_ended)
        return PROMETHEUS_BAD;
    if (*at == '#') {
        read_comment(text, at + 1, end);
        return PROMETHEUS_NOTHING;
    }
    return read_sample(text, at, end, ret) ? PROMETHEUS_SAMPLE : PROMETHEUS_BAD;
}

/* ---- kind and unit ---- */

/* What a sample's name has behind the family's. false: it is of another family. */
static bool suffix_of(const struct prometheus_text *text, struct slice name, struct slice *ret)
{
    if (text->name_bytes == 0 || name.bytes < text->name_bytes ||
        memcmp(name.data, text->name, text->name_bytes) != 0)
        return false;
    *ret = (struct slice){ name.data + text->name_bytes, name.bytes - text->name_bytes };
    return ret->bytes == 0 || *ret->data == '_';
}

static bool is_count(struct slice suffix)
{
    return slice_equals(suffix, SLICE("_bucket")) || slice_equals(suffix, SLICE("_count"));
}

enum event_kind prometheus_kind(const struct prometheus_text *text, struct slice name)
{
    struct slice suffix;

    if (!suffix_of(text, name, &suffix))
        return EVENT_GAUGE;
    if (text->type == PROMETHEUS_COUNTER)
        return suffix.bytes == 0 || slice_equals(suffix, SLICE("_total")) ? EVENT_SUM : EVENT_GAUGE;
    if (text->type == PROMETHEUS_HISTOGRAM || text->type == PROMETHEUS_SUMMARY)
        return is_count(suffix) || slice_equals(suffix, SLICE("_sum")) ? EVENT_SUM : EVENT_GAUGE;
    return EVENT_GAUGE;
}

static bool ucum_of(struct slice word, struct slice *ret)
{
    static const struct {
        struct slice word, ucum;
    } units[] = {
        { { "seconds", 7 }, { "s", 1 } },        { { "bytes", 5 }, { "By", 2 } },
        { { "ratio", 5 }, { "1", 1 } },          { { "celsius", 7 }, { "Cel", 3 } },
        { { "meters", 6 }, { "m", 1 } },         { { "volts", 5 }, { "V", 1 } },
        { { "amperes", 7 }, { "A", 1 } },        { { "joules", 6 }, { "J", 1 } },
        { { "grams", 5 }, { "g", 1 } },          { { "hertz", 5 }, { "Hz", 2 } },
        { { "percent", 7 }, { "%", 1 } },        { { "watts", 5 }, { "W", 1 } },
        { { "milliseconds", 12 }, { "ms", 2 } },
    };

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (slice_equals(word, units[i].word)) {
            *ret = units[i].ucum;
            return true;
        }
    }
    return false;
}

struct slice prometheus_unit(const struct prometheus_text *text, struct slice name)
{
    static const struct slice ignored[] = { { "_total", 6 }, { "_sum", 4 } };
    struct slice unit = { 0 }, suffix = { 0 };
    bool is_family = suffix_of(text, name, &suffix);

    if (is_family && is_count(suffix) &&
        (text->type == PROMETHEUS_HISTOGRAM || text->type == PROMETHEUS_SUMMARY))
        return SLICE("1");
    if (is_family && slice_equals(suffix, SLICE("_created")))
        return SLICE("s");
    if (is_family && text->unit_bytes > 0) {
        struct slice said = { text->unit, text->unit_bytes };
        return ucum_of(said, &unit) ? unit : said;
    }
    for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++) {
        if (ends(name, ignored[i]))
            name.bytes -= ignored[i].bytes;
    }
    const char *last = memrchr(name.data, '_', name.bytes);
    if (last != NULL)
        (void)ucum_of((struct slice){ last + 1, name.bytes - (size_t)(last + 1 - name.data) },
                      &unit);
    return unit;
}
