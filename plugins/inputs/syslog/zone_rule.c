/* SPDX-License-Identifier: Apache-2.0 */
#include "zone_rule.h"

#define HOUR_S 3600
#define DAY_S INT64_C(86400)

static char peek(const struct slice *rest)
{
    return rest->bytes == 0 ? '\n' : rest->data[0];
}

static void skip(struct slice *rest, size_t bytes)
{
    rest->data += bytes;
    rest->bytes -= bytes;
}

static bool take_letter(struct slice *rest, char letter)
{
    if (peek(rest) != letter || rest->bytes == 0)
        return false;
    skip(rest, 1);
    return true;
}

static bool take_number(struct slice *rest, int most, int *ret)
{
    int number = 0;
    bool has_digit = false;

    while (peek(rest) >= '0' && peek(rest) <= '9') {
        number = number * 10 + (peek(rest) - '0');
        if (number > most)
            return false;
        has_digit = true;
        skip(rest, 1);
    }
    *ret = number;
    return has_digit;
}

/* "CET" or "<+03>": what it is called does not matter here. */
static bool take_name(struct slice *rest)
{
    bool is_quoted = take_letter(rest, '<');
    size_t bytes = 0;

    while (bytes < rest->bytes) {
        char letter = rest->data[bytes];
        bool is_alpha = (letter >= 'A' && letter <= 'Z') || (letter >= 'a' && letter <= 'z');
        if (is_quoted ? letter == '>' || letter == '\n' : !is_alpha)
            break;
        bytes++;
    }
    skip(rest, bytes);
    return bytes > 0 && (!is_quoted || take_letter(rest, '>'));
}

/* [+|-]hh[:mm[:ss]] */
static bool take_time(struct slice *rest, int most_hours, int32_t *ret_s)
{
    bool is_negative = take_letter(rest, '-');
    int hours, minutes = 0, seconds = 0;

    if (!is_negative)
        (void)take_letter(rest, '+');
    if (!take_number(rest, most_hours, &hours))
        return false;
    if (take_letter(rest, ':') && !take_number(rest, 59, &minutes))
        return false;
    if (take_letter(rest, ':') && !take_number(rest, 59, &seconds))
        return false;
    int32_t time_s = hours * HOUR_S + minutes * 60 + seconds;
    *ret_s = is_negative ? -time_s : time_s;
    return true;
}

static bool take_day(struct slice *rest, struct zone_day *ret)
{
    struct zone_day day = { .time_s = 2 * HOUR_S };
    bool is_read;

    if (take_letter(rest, 'M')) {
        day.kind = ZONE_DAY_MONTH_WEEK;
        is_read = take_number(rest, 12, &day.month) && day.month > 0 && take_letter(rest, '.') &&
                  take_number(rest, 5, &day.week) && day.week > 0 && take_letter(rest, '.') &&
                  take_number(rest, 6, &day.day);
    } else if (take_letter(rest, 'J')) {
        day.kind = ZONE_DAY_JULIAN;
        is_read = take_number(rest, 365, &day.day) && day.day > 0;
    } else {
        day.kind = ZONE_DAY_OF_YEAR;
        is_read = take_number(rest, 365, &day.day);
    }
    int32_t time_s;
    if (is_read && take_letter(rest, '/')) {
        is_read = take_time(rest, 167, &time_s);
        day.time_s = is_read ? time_s : 0;
    }
    *ret = day;
    return is_read;
}

static bool take_summer(struct slice *rest, struct zone *zone)
{
    int32_t west_s = -zone->standard_s - HOUR_S;
    struct zone_day begin, end;

    if (peek(rest) != ',' && !take_time(rest, 24, &west_s))
        return false;
    if (!take_letter(rest, ',') || !take_day(rest, &begin) || !take_letter(rest, ',') ||
        !take_day(rest, &end))
        return false;
    zone->has_summer = true;
    zone->summer_s = -west_s;
    zone->begin = begin;
    zone->end = end;
    return true;
}

bool zone_rule_parse(struct slice text, struct zone *zone)
{
    struct slice rest = text;
    struct zone with = *zone;
    int32_t west_s;

    if (!take_name(&rest) || !take_time(&rest, 24, &west_s))
        return false;
    with.has_rule = true;
    with.standard_s = -west_s;
    if (peek(&rest) != '\n' && (!take_name(&rest) || !take_summer(&rest, &with)))
        return false;
    if (peek(&rest) != '\n')
        return false;
    *zone = with;
    return true;
}

/* Local seconds since 1970 at which it is that day and time. */
static int64_t day_in_year_s(const struct zone_day *day, int64_t year)
{
    int64_t days = civil_days(year, 1, 1);

    switch (day->kind) {
    case ZONE_DAY_JULIAN: /* 29 February is never counted */
        days += day->day - 1 + (day->day > 59 && civil_is_leap(year) ? 1 : 0);
        break;
    case ZONE_DAY_OF_YEAR:
        days += day->day;
        break;
    case ZONE_DAY_MONTH_WEEK: {
        int64_t first = civil_days(year, day->month, 1);
        int64_t weekday = ((first + 4) % 7 + 7) % 7; /* 1970-01-01 was a Thursday */
        int64_t in_month = (day->day - weekday + 7) % 7 + (day->week - 1) * INT64_C(7);
        days = first + in_month - (in_month >= civil_month_days(year, day->month) ? 7 : 0);
        break;
    }
    }
    return days * DAY_S + day->time_s;
}

int32_t zone_rule_offset_s(const struct zone *zone, int64_t unix_s)
{
    if (!zone->has_summer)
        return zone->standard_s;
    int64_t year = civil_year(unix_s + zone->standard_s);
    int64_t begin_s = day_in_year_s(&zone->begin, year) - zone->standard_s;
    int64_t end_s = day_in_year_s(&zone->end, year) - zone->summer_s;
    bool is_summer =
        begin_s < end_s ? unix_s >= begin_s && unix_s < end_s : unix_s >= begin_s || unix_s < end_s;
    return is_summer ? zone->summer_s : zone->standard_s;
}
