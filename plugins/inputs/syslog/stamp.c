/* SPDX-License-Identifier: Apache-2.0 */
#include "stamp.h"

#include "cursor.h"

#define HOUR_S 3600
#define DAY_S INT64_C(86400)
#define EPOCH_MOST_S INT64_C(9000000000)
enum { YEAR_LEAST = 1970, YEAR_MOST = 2261, NANO_DIGITS = 9 };

/* ---- parts ---- */

/* ".003" or ",003": of more digits than nine the rest is let go. */
static void take_fraction(struct slice *rest, int32_t *ret_nanos)
{
    int32_t nanos = 0;
    size_t digits = 0;

    if ((cursor_peek(*rest, 0) != '.' && cursor_peek(*rest, 0) != ',') ||
        !cursor_is_digit(cursor_peek(*rest, 1)))
        return;
    cursor_skip(rest, 1);
    for (; cursor_is_digit(cursor_peek(*rest, 0)); cursor_skip(rest, 1)) {
        if (digits++ < NANO_DIGITS)
            nanos = nanos * 10 + (rest->data[0] - '0');
    }
    for (; digits < NANO_DIGITS; digits++)
        nanos *= 10;
    *ret_nanos = nanos;
}

/* 22:14:15 and its fraction; a leap second is the first of the next minute. */
static bool take_clock(struct slice *rest, struct stamp *stamp)
{
    if (!cursor_take_number(rest, 1, 2, &stamp->hour) || !cursor_take(rest, ':') ||
        !cursor_take_number(rest, 2, 2, &stamp->minute) || !cursor_take(rest, ':') ||
        !cursor_take_number(rest, 2, 2, &stamp->second) || stamp->hour > 23 || stamp->minute > 59 ||
        stamp->second > 60)
        return false;
    take_fraction(rest, &stamp->nanos);
    return true;
}

/* Z, +02:00, -0330, +02 */
static void take_offset(struct slice *rest, struct stamp *stamp)
{
    struct slice at = *rest;
    int hours, minutes = 0, both;
    char sign = cursor_peek(at, 0);

    if (sign == 'Z' || sign == 'z') {
        cursor_skip(rest, 1);
        stamp->has_offset = true;
        return;
    }
    if (sign != '+' && sign != '-')
        return;
    cursor_skip(&at, 1);
    if (cursor_take_number(&at, 4, 4, &both)) {
        hours = both / 100;
        minutes = both % 100;
    } else if (!cursor_take_number(&at, 2, 2, &hours) ||
               (cursor_take(&at, ':') && !cursor_take_number(&at, 2, 2, &minutes))) {
        return;
    }
    if (hours > 23 || minutes > 59)
        return;
    int32_t offset_s = hours * HOUR_S + minutes * 60;
    stamp->offset_s = sign == '-' ? -offset_s : offset_s;
    stamp->has_offset = true;
    *rest = at;
}

static bool take_month(struct slice *rest, int *ret_month)
{
    static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";
    char name[3];

    if (rest->bytes < 4)
        return false;
    for (size_t i = 0; i < 3; i++) {
        if (!cursor_is_alpha(rest->data[i]))
            return false;
        name[i] = (char)(rest->data[i] | 0x20);
    }
    for (int month = 0; month < 12; month++) {
        if (memcmp(names + month * 3, name, 3) == 0) {
            cursor_skip(rest, 3);
            *ret_month = month + 1;
            return true;
        }
    }
    return false;
}

static bool take_blank(struct slice *rest)
{
    if (!cursor_is_blank(cursor_peek(*rest, 0)))
        return false;
    cursor_skip_blanks(rest);
    return true;
}

/* A year and a blank or an end behind it. */
static bool take_year(struct slice *rest, int *ret_year)
{
    struct slice at = *rest;
    int year;

    if (!cursor_take_number(&at, 4, 4, &year) || year < YEAR_LEAST || year > YEAR_MOST ||
        (at.bytes > 0 && !cursor_is_blank(at.data[0]) && at.data[0] != ':'))
        return false;
    *ret_year = year;
    *rest = at;
    return true;
}

static bool is_day(const struct stamp *stamp)
{
    return stamp->month >= 1 && stamp->month <= 12 && stamp->day >= 1 &&
           stamp->day <= civil_month_days(4, stamp->month); /* of a leap year, as year 4 is */
}

/* ---- zones by name, as Cisco's devices and some relays write them ---- */

static const struct {
    struct slice name;
    int32_t offset_s;
} zone_names[] = {
    { SLICE("UTC"), 0 },           { SLICE("GMT"), 0 },           { SLICE("WET"), 0 },
    { SLICE("WEST"), HOUR_S },     { SLICE("CET"), HOUR_S },      { SLICE("CEST"), 2 * HOUR_S },
    { SLICE("EET"), 2 * HOUR_S },  { SLICE("EEST"), 3 * HOUR_S }, { SLICE("MSK"), 3 * HOUR_S },
    { SLICE("JST"), 9 * HOUR_S },  { SLICE("EST"), -5 * HOUR_S }, /* North America's as in RFC
                                                                     5322, 4.3 */
    { SLICE("EDT"), -4 * HOUR_S }, { SLICE("CST"), -6 * HOUR_S }, { SLICE("CDT"), -5 * HOUR_S },
    { SLICE("MST"), -7 * HOUR_S }, { SLICE("MDT"), -6 * HOUR_S }, { SLICE("PST"), -8 * HOUR_S },
    { SLICE("PDT"), -7 * HOUR_S },
};

/* What is behind a name decides whether it is a zone: a host or a program may be called so too. A
 * name that is not known says nothing of the time, the option does. */
static void take_zone_name(struct slice *rest, struct stamp *stamp)
{
    struct slice at = *rest;

    if (!take_blank(&at))
        return;
    struct slice name = at;
    while (at.bytes > 0 && at.data[0] >= 'A' && at.data[0] <= 'Z')
        cursor_skip(&at, 1);
    name.bytes -= at.bytes;
    if (name.bytes < 2 || name.bytes > 5)
        return;
    size_t known = 0, count = sizeof(zone_names) / sizeof(zone_names[0]);
    while (known < count && !slice_equals(zone_names[known].name, name))
        known++;
    bool is_before_colon = cursor_peek(at, 0) == ':';
    bool is_before_mnemonic = is_before_colon && cursor_peek(at, 2) == '%';
    bool is_universal = known < 2 && cursor_is_blank(cursor_peek(at, 0));
    int year;
    struct slice behind = at;
    bool is_before_year = take_blank(&behind) && take_year(&behind, &year);
    if (known < count ? !is_before_colon && !is_universal && !is_before_year : !is_before_mnemonic)
        return;
    if (known < count) {
        stamp->has_offset = true;
        stamp->offset_s = zone_names[known].offset_s;
    }
    *rest = at;
}

/* ---- whole stamps ---- */

bool stamp_take_rfc3339(struct slice *rest, struct stamp *ret)
{
    struct slice at = *rest;
    struct stamp stamp = { 0 };
    char between = cursor_peek(at, 4);

    if ((between != '-' && between != '/') || !cursor_take_number(&at, 4, 4, &stamp.year) ||
        !cursor_take(&at, between) || !cursor_take_number(&at, 2, 2, &stamp.month) ||
        !cursor_take(&at, between) || !cursor_take_number(&at, 2, 2, &stamp.day))
        return false;
    if (stamp.year == 0 || !is_day(&stamp) ||
        (!cursor_take(&at, 'T') && !cursor_take(&at, 't') && !cursor_take(&at, ' ')) ||
        !take_clock(&at, &stamp))
        return false;
    take_offset(&at, &stamp);
    *rest = at;
    *ret = stamp;
    return true;
}

static bool skip_weekday(struct slice *rest)
{
    static const char names[] = "montuewedthufrisatsun";
    char name[3];

    if (rest->bytes < 4 || rest->data[3] != ' ')
        return false;
    for (size_t i = 0; i < sizeof(name); i++)
        name[i] = (char)(rest->data[i] | 0x20);
    for (size_t day = 0; day < 7; day++) {
        if (memcmp(names + day * 3, name, sizeof(name)) == 0) {
            cursor_skip(rest, 4);
            return true;
        }
    }
    return false;
}

/* Behind the time alone may be a host whose name is a number: then only a year near now is one. */
static void take_last_year(struct slice *rest, bool is_alone, int64_t now_ns, struct stamp *stamp)
{
    struct slice at = *rest;
    int year;

    if (stamp->year != 0 || !take_blank(&at) || !take_year(&at, &year) ||
        (is_alone && llabs(year - civil_year(now_ns / NS_PER_S)) > 1))
        return;
    stamp->year = year;
    *rest = at;
}

bool stamp_take_bsd(struct slice *rest, int64_t now_ns, struct stamp *ret)
{
    struct slice at = *rest;
    struct stamp stamp = { 0 };

    bool has_weekday = skip_weekday(&at);
    if (take_year(&at, &stamp.year) && !take_blank(&at)) /* 2017 Mar 28 12:08:14 */
        return false;
    if (!take_month(&at, &stamp.month) || !take_blank(&at) ||
        !cursor_take_number(&at, 1, 2, &stamp.day) || !is_day(&stamp) || !take_blank(&at))
        return false;
    if (stamp.year == 0 && take_year(&at, &stamp.year) && !take_blank(&at)) /* Mar 28 2017 12:… */
        return false;
    if (!take_clock(&at, &stamp))
        return false;
    size_t left = at.bytes;
    take_offset(&at, &stamp);
    if (!stamp.has_offset)
        take_zone_name(&at, &stamp);
    take_last_year(&at, !has_weekday && at.bytes == left, now_ns, &stamp);
    *rest = at;
    *ret = stamp;
    return true;
}

bool stamp_take_epoch(struct slice *rest, struct stamp *ret)
{
    struct slice at = *rest;
    struct stamp stamp = { .is_epoch = true };
    size_t digits = 0;

    for (; cursor_is_digit(cursor_peek(at, 0)); cursor_skip(&at, 1), digits++)
        stamp.epoch_s = digits < 11 ? stamp.epoch_s * 10 + (at.data[0] - '0') : 0;
    if (digits != 10 || cursor_peek(at, 0) != '.' || !cursor_is_digit(cursor_peek(at, 1)))
        return false;
    take_fraction(&at, &stamp.nanos);
    *rest = at;
    *ret = stamp;
    return true;
}

bool stamp_take_any(struct slice *rest, int64_t now_ns, struct stamp *ret)
{
    char first = cursor_peek(*rest, 0);

    if (cursor_is_digit(first))
        return stamp_take_rfc3339(rest, ret) || stamp_take_epoch(rest, ret) ||
               stamp_take_bsd(rest, now_ns, ret);
    return cursor_is_alpha(first) && stamp_take_bsd(rest, now_ns, ret);
}

/* ---- meaning ---- */

static bool of_year(const struct stamp *stamp, int64_t year, const struct zone *zone,
                    int64_t *ret_ns)
{
    if (year < YEAR_LEAST || year > YEAR_MOST || stamp->day > civil_month_days(year, stamp->month))
        return false;
    int64_t local_s = civil_days(year, stamp->month, stamp->day) * DAY_S + stamp->hour * HOUR_S +
                      stamp->minute * 60 + stamp->second;
    int64_t unix_s = stamp->has_offset ? local_s - stamp->offset_s : zone_unix_s(zone, local_s);
    *ret_ns = unix_s * NS_PER_S + stamp->nanos;
    return true;
}

int64_t stamp_ns(const struct stamp *stamp, const struct zone *zone, int64_t now_ns)
{
    int64_t best_ns = 0, time_ns;
    bool has_best = false;

    if (stamp->is_epoch)
        return stamp->epoch_s > EPOCH_MOST_S ? 0 : stamp->epoch_s * NS_PER_S + stamp->nanos;
    if (stamp->year != 0)
        return of_year(stamp, stamp->year, zone, &time_ns) ? time_ns : 0;
    int64_t this_year = civil_year(now_ns / NS_PER_S);
    for (int64_t year = this_year - 1; year <= this_year + 1; year++) {
        if (!of_year(stamp, year, zone, &time_ns))
            continue;
        if (!has_best || llabs(time_ns - now_ns) < llabs(best_ns - now_ns))
            best_ns = time_ns;
        has_best = true;
    }
    return best_ns;
}
