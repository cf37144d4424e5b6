/* SPDX-License-Identifier: Apache-2.0 */
/* schema: one parser for each type of option. Numbers are read by hand and not by strtoull(), which
 * takes signs, blanks and other bases, and wraps. */
#include "config/schema.h"
#include "config/schema_names.h"

#include "base/address.h"
#include "base/check.h"
#include "base/err.h"
#include "base/slice.h"
#include "config/nearest.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { NAME_BYTES = 64 };

/* What a parser gets to know besides the text. */
struct wanted {
    const struct option *option;
    const char *shown;
    struct err *err;
};

static bool refuse(const struct wanted *wanted, const char *why)
{
    return err_set(wanted->err, "'%.80s' %s", wanted->shown, why);
}

static bool refuse_form(const struct wanted *wanted)
{
    enum option_type type = wanted->option->type;

    return err_set(wanted->err, "'%.80s' is not a %s: write %s", wanted->shown,
                   schema_type_name(type), schema_type_help(type));
}

/* ---- texts ---- */

static bool parse_text(const struct wanted *wanted, const char *text, void *ret)
{
    (void)wanted;
    *(const char **)ret = text;
    return true;
}

static const char *next_name(const char *names, char ret_name[NAME_BYTES])
{
    size_t bytes = strcspn(names, "|");

    CHECK(bytes > 0 && bytes < NAME_BYTES);
    memcpy(ret_name, names, bytes);
    ret_name[bytes] = '\0';
    return names[bytes] == '|' ? names + bytes + 1 : names + bytes;
}

/* The index of text in the row's names. */
static bool find_name(const struct wanted *wanted, const char *text, unsigned *ret_index)
{
    struct nearest nearest = nearest_to(text);
    char name[NAME_BYTES];
    unsigned index = 0;

    for (const char *names = wanted->option->min; *names != '\0'; index++) {
        names = next_name(names, name);
        if (strcmp(name, text) == 0) {
            *ret_index = index;
            return true;
        }
        nearest_offer(&nearest, name);
    }
    const char *meant = nearest_name(&nearest);
    if (meant != NULL)
        return err_set(wanted->err, "'%.80s' is none of %s, did you mean '%s'?", wanted->shown,
                       wanted->option->min, meant);
    return err_set(wanted->err, "'%.80s' is none of %s", wanted->shown, wanted->option->min);
}

static bool parse_choice(const struct wanted *wanted, const char *text, void *ret)
{
    return find_name(wanted, text, ret);
}

bool schema_has_addresses(const struct option *option)
{
    return option->type == OPT_list && option->min != ANY && strchr(option->min, ':') != NULL;
}

static bool parse_item(const struct wanted *wanted, const char *text, void *ret)
{
    unsigned index;
    struct address address;

    if (schema_has_addresses(wanted->option))
        return address_parse(text, wanted->option->min, &address, wanted->err) &&
               parse_text(wanted, text, ret);
    if (wanted->option->min != ANY && !find_name(wanted, text, &index))
        return false;
    return parse_text(wanted, text, ret);
}

static bool parse_flag(const struct wanted *wanted, const char *text, void *ret)
{
    static const char *const yes[] = { "yes", "true", "on" };
    static const char *const no[] = { "no", "false", "off" };

    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
            *(bool *)ret = strcasecmp(text, yes[i]) == 0;
            return true;
        }
    }
    return refuse_form(wanted);
}

/* ---- numbers ---- */

enum digits { DIGITS_NONE, DIGITS_TOO_MANY, DIGITS_OK };

/* Reads digits, and moves *textp behind them. */
static enum digits read_digits(const char **textp, uint64_t *ret)
{
    const char *text = *textp;
    uint64_t number = 0;

    if (*text < '0' || *text > '9')
        return DIGITS_NONE;
    for (; *text >= '0' && *text <= '9'; text++) {
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(*text - '0'), &number))
            return DIGITS_TOO_MANY;
    }
    *textp = text;
    *ret = number;
    return DIGITS_OK;
}

/* A whole number, and behind it nothing or that. */
static bool parse_whole(const struct wanted *wanted, const char *text, const char *behind,
                        void *ret)
{
    uint64_t number;
    enum digits digits = read_digits(&text, &number);

    if (digits == DIGITS_TOO_MANY)
        return refuse(wanted, "is too large");
    if (digits == DIGITS_NONE || (*text != '\0' && strcmp(text, behind) != 0))
        return refuse_form(wanted);
    *(uint64_t *)ret = number;
    return true;
}

static bool parse_count(const struct wanted *wanted, const char *text, void *ret)
{
    return parse_whole(wanted, text, "", ret);
}

static bool parse_rate(const struct wanted *wanted, const char *text, void *ret)
{
    return parse_whole(wanted, text, "/s", ret);
}

struct unit {
    const char *name;
    uint64_t factor;
};

/* A whole number and one of the units; `bare` says if it may stand without one. */
static bool parse_units(const struct wanted *wanted, const char *text, const struct unit *units,
                        bool bare, uint64_t *ret)
{
    uint64_t number;
    enum digits digits = read_digits(&text, &number);

    if (digits == DIGITS_TOO_MANY)
        return refuse(wanted, "is too large");
    if (digits == DIGITS_NONE)
        return refuse_form(wanted);
    if (*text == '\0' && (bare || number == 0)) {
        *ret = number;
        return true;
    }
    if (*text == '\0')
        return err_set(wanted->err, "'%.80s' has no unit: write %s", wanted->shown,
                       schema_type_help(wanted->option->type));
    text += strspn(text, " ");
    for (const struct unit *unit = units; unit->name != NULL; unit++) {
        if (strcmp(text, unit->name) != 0)
            continue;
        if (__builtin_mul_overflow(number, unit->factor, ret))
            return refuse(wanted, "is too large");
        return true;
    }
    return refuse_form(wanted);
}

static bool parse_size(const struct wanted *wanted, const char *text, void *ret)
{
    static const struct unit units[] = {
        { "B", 1 },
        { "KiB", UINT64_C(1) << 10 },
        { "MiB", UINT64_C(1) << 20 },
        { "GiB", UINT64_C(1) << 30 },
        { "TiB", UINT64_C(1) << 40 },
        { "kB", 1000 },
        { "KB", 1000 },
        { "MB", 1000000 },
        { "GB", 1000000000 },
        { "TB", UINT64_C(1000000000000) },
        { NULL, 0 },
    };
    uint64_t bytes;

    if (!parse_units(wanted, text, units, true, &bytes))
        return false;
    *(uint64_t *)ret = bytes;
    return true;
}

static bool parse_duration(const struct wanted *wanted, const char *text, void *ret)
{
    static const struct unit units[] = {
        { "ms", 1 },      { "s", 1000 },     { "m", 60000 },
        { "h", 3600000 }, { "d", 86400000 }, { NULL, 0 },
    };
    uint64_t duration_ms = 0;

    if (!parse_units(wanted, text, units, false, &duration_ms))
        return false;
    if (duration_ms > INT64_MAX)
        return refuse(wanted, "is too large");
    *(int64_t *)ret = (int64_t)duration_ms;
    return true;
}

static bool parse_share(const struct wanted *wanted, const char *text, void *ret)
{
    uint64_t whole, fraction = 0;
    const char *at = text;
    double scale = 1;

    if (read_digits(&at, &whole) != DIGITS_OK)
        return refuse_form(wanted);
    if (*at == '.') {
        const char *start = ++at;
        if (read_digits(&at, &fraction) != DIGITS_OK)
            return refuse_form(wanted);
        for (; start < at; start++)
            scale *= 10;
    }
    double share = (double)whole + (double)fraction / scale;
    if (strcmp(at, "%") == 0)
        share /= 100;
    else if (*at != '\0' || share > 1)
        return refuse_form(wanted);
    *(double *)ret = share;
    return true;
}

static bool parse_keep(const struct wanted *wanted, const char *text, void *ret)
{
    double share = KEEP_ADAPTIVE;
    struct nearest nearest = nearest_to(text);

    if (strcmp(text, "adaptive") != 0 && text[strspn(text, "0123456789.%")] != '\0') {
        nearest_offer(&nearest, "adaptive");
        return nearest_name(&nearest) == NULL
                   ? refuse_form(wanted)
                   : err_set(wanted->err, "'%.80s' is not a share, did you mean 'adaptive'?",
                             wanted->shown);
    }
    if (strcmp(text, "adaptive") != 0 && !parse_share(wanted, text, &share))
        return false;
    *(double *)ret = share;
    return true;
}

/* ---- all of them ---- */

static const struct {
    const char *name, *help;
    bool (*parse)(const struct wanted *wanted, const char *text, void *ret);
    const char *pattern; /* what it takes, for editors */
} types[] = {
    [OPT_text] = { "text", "a text", parse_text, NULL },
    [OPT_secret] = { "secret", "a text", parse_text, NULL },
    [OPT_flag] = { "flag", "yes or no", parse_flag,
                   "^([Yy][Ee][Ss]|[Nn][Oo]|[Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]|[Oo][Nn]|[Oo][Ff]"
                   "[Ff])$" },
    [OPT_count] = { "count", "a whole number", parse_count, "^[0-9]+$" },
    [OPT_rate] = { "rate", "a whole number a second: 1000/s or 1000", parse_rate, "^[0-9]+(/s)?$" },
    [OPT_size] = { "size", "a whole number of bytes, or with a unit: 64KiB, 1MiB, 1GiB, 1MB",
                   parse_size, "^[0-9]+( *(B|KiB|MiB|GiB|TiB|[kK]B|MB|GB|TB))?$" },
    [OPT_duration] = { "duration", "a whole number and a unit: 250ms, 10s, 5m, 1h, 7d",
                       parse_duration, "^(0+|[0-9]+ *(ms|s|m|h|d))$" },
    [OPT_share] = { "share", "80% or 0.8", parse_share, "^[0-9]+([.][0-9]+)?%?$" },
    [OPT_keep] = { "keep", "80%, 0.8 or adaptive", parse_keep,
                   "^([0-9]+([.][0-9]+)?%?|adaptive)$" },
    [OPT_list] = { "list", "[a, b] or one value", parse_item, NULL },
    [OPT_map] = { "map", "{key: value}", parse_text, NULL },
    [OPT_secrets] = { "map", "{key: value}", parse_text, NULL },
    [OPT_choice] = { "choice", "one of the names", parse_choice, NULL },
};

const char *schema_type_name(enum option_type type)
{
    return types[type].name;
}

const char *schema_type_help(enum option_type type)
{
    return types[type].help;
}

const char *schema_type_pattern(enum option_type type)
{
    return types[type].pattern;
}

union number {
    uint64_t whole;
    int64_t duration_ms;
    double share;
};

static int compare(enum option_type type, const union number *a, const union number *b)
{
    if (type == OPT_share || type == OPT_keep)
        return (a->share > b->share) - (a->share < b->share);
    if (type == OPT_duration)
        return (a->duration_ms > b->duration_ms) - (a->duration_ms < b->duration_ms);
    return (a->whole > b->whole) - (a->whole < b->whole);
}

static bool check_bounds(const struct wanted *wanted, const union number *number)
{
    const struct option *option = wanted->option;
    struct wanted bound_wanted = { option, "a bound", wanted->err };
    union number bound;

    if (option->min != ANY) {
        CHECK(types[option->type].parse(&bound_wanted, option->min, &bound));
        if (compare(option->type, number, &bound) < 0)
            return err_set(wanted->err, "'%.80s' is below the minimum %s", wanted->shown,
                           option->min);
    }
    if (option->max != ANY) {
        CHECK(types[option->type].parse(&bound_wanted, option->max, &bound));
        if (compare(option->type, number, &bound) > 0)
            return err_set(wanted->err, "'%.80s' is above the maximum %s", wanted->shown,
                           option->max);
    }
    return true;
}

bool schema_parse(const struct option *option, const char *text, const char *shown, void *ret,
                  struct err *err)
{
    struct wanted wanted = { option, shown, err };

    switch (option->type) {
    case OPT_text:
    case OPT_secret:
    case OPT_map:
    case OPT_secrets:
        CHECK(option->min == ANY && option->max == ANY);
        return types[option->type].parse(&wanted, text, ret);
    case OPT_flag:
    case OPT_list:
    case OPT_choice:
        CHECK(option->max == ANY);
        return types[option->type].parse(&wanted, text, ret);
    case OPT_count:
    case OPT_rate:
    case OPT_size:
    case OPT_duration:
    case OPT_share:
    case OPT_keep: {
        union number number;
        if (!types[option->type].parse(&wanted, text, &number))
            return false;
        bool has_bounds = option->type != OPT_keep || number.share != KEEP_ADAPTIVE;
        if (has_bounds && !check_bounds(&wanted, &number))
            return false;
        memcpy(ret, &number, sizeof(number));
        return true;
    }
    }
    return err_set(err, "an option of unknown type");
}

void schema_user_name(const struct option *option, char *ret_name, size_t room)
{
    size_t bytes = 0;

    for (const char *key = option->key; *key != '\0' && bytes + 1 < room; key++) {
        bool is_nested = key[0] == '_' && key[1] == '_';
        ret_name[bytes++] = is_nested ? '.' : *key;
        key += is_nested ? 1 : 0;
    }
    ret_name[bytes] = '\0';
}

const char *schema_size_text(uint64_t bytes, char ret_text[SIZE_TEXT_BYTES])
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    enum { UNITS = sizeof(units) / sizeof(units[0]) };
    size_t unit = 0;
    uint64_t whole = bytes;

    while (unit + 1 < UNITS && whole >= 1024 && whole % 1024 == 0) {
        whole /= 1024;
        unit++;
    }
    if (whole < 10 * 1024) {
        (void)snprintf(ret_text, SIZE_TEXT_BYTES, "%llu%s", (unsigned long long)whole, units[unit]);
        return ret_text;
    }
    for (; unit + 1 < UNITS && whole >= 1024 * 1024; unit++)
        whole /= 1024;
    (void)snprintf(ret_text, SIZE_TEXT_BYTES, "%llu.%llu%s", (unsigned long long)(whole / 1024),
                   (unsigned long long)(whole % 1024 * 10 / 1024),
                   units[unit + 1 < UNITS ? unit + 1 : unit]);
    return ret_text;
}
