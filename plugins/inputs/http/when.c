/* SPDX-License-Identifier: Apache-2.0 */
#include "when.h"

#include <math.h>

/* A digit count is a clear sign: in seconds 11 digits begin in the year 5138. */
static const int64_t most_seconds = INT64_C(100000000000);

static bool read_digits(struct slice text, size_t at, size_t count, int64_t *ret)
{
    int64_t total = 0;

    if (at + count > text.bytes)
        return false;
    for (size_t i = at; i < at + count; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        if (__builtin_mul_overflow(total, 10, &total) ||
            __builtin_add_overflow(total, text.data[i] - '0', &total))
            return false;
    }
    *ret = total;
    return true;
}

/* Days since 1970 of a day in the Gregorian calendar (H. Hinnant, "chrono-Compatible Low-Level Date
 * Algorithms", days_from_civil). */
static int64_t count_days(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2 ? 1 : 0;
    int64_t era = year / 400, year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

/* Behind a date; how far it reaches from UTC. */
static bool read_zone(struct slice text, size_t at, int64_t *ret_seconds)
{
    int64_t hours, minutes = 0;

    *ret_seconds = 0;
    if (at == text.bytes)
        return true;
    if (text.data[at] == 'Z' || text.data[at] == 'z')
        return at + 1 == text.bytes;
    if ((text.data[at] != '+' && text.data[at] != '-') || !read_digits(text, at + 1, 2, &hours))
        return false;
    size_t next = at + 3;
    next += next < text.bytes && text.data[next] == ':' ? 1 : 0;
    if (next < text.bytes && !read_digits(text, next, 2, &minutes))
        return false;
    next += next < text.bytes ? 2 : 0;
    *ret_seconds = (hours * 3600 + minutes * 60) * (text.data[at] == '-' ? -1 : 1);
    return next == text.bytes && hours < 24 && minutes < 60;
}

static bool read_fraction(struct slice text, size_t *at, int64_t *ret_ns)
{
    int64_t scale = NS_PER_S, ns = 0;
    size_t begin = *at + 1;

    *ret_ns = 0;
    if (*at == text.bytes || (text.data[*at] != '.' && text.data[*at] != ','))
        return true;
    for (*at = begin; *at < text.bytes && text.data[*at] >= '0' && text.data[*at] <= '9'; ++*at) {
        if (scale == 1)
            continue; /* finer than a nanosecond */
        scale /= 10;
        ns += (text.data[*at] - '0') * scale;
    }
    *ret_ns = ns;
    return *at > begin;
}

static bool read_date(struct slice text, int64_t *ret_ns)
{
    int64_t year, month, day, hour, minute, second, fraction, zone;
    size_t at = sizeof("2026-11-28T07:12:00") - 1;

    if (!read_digits(text, 0, 4, &year) || !read_digits(text, 5, 2, &month) ||
        !read_digits(text, 8, 2, &day) || !read_digits(text, 11, 2, &hour) ||
        !read_digits(text, 14, 2, &minute) || !read_digits(text, 17, 2, &second))
        return false;
    if (text.data[4] != '-' || text.data[7] != '-' || text.data[13] != ':' || text.data[16] != ':')
        return false;
    if (text.data[10] != 'T' && text.data[10] != 't' && text.data[10] != ' ')
        return false;
    if (!read_fraction(text, &at, &fraction) || !read_zone(text, at, &zone))
        return false;
    if (year < 1970 || year > 2261 || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 ||
        minute > 59 || second > 60)
        return false;
    int64_t seconds =
        count_days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - zone;
    *ret_ns = seconds * NS_PER_S + fraction;
    return *ret_ns > 0;
}

bool when_integer(int64_t number, int64_t *ret_ns)
{
    int64_t unit = NS_PER_S;

    if (number <= 0)
        return false;
    for (int64_t rest = number; rest >= most_seconds && unit > 1; rest /= 1000)
        unit /= 1000;
    return !__builtin_mul_overflow(number, unit, ret_ns);
}

bool when_number(double number, int64_t *ret_ns)
{
    double unit = (double)NS_PER_S;

    if (!(number > 0) || number > 9e18)
        return false;
    double most = (double)most_seconds;
    while (number >= most && unit > 1) {
        most *= 1000;
        unit /= 1000;
    }
    double ns = number * unit;
    if (ns > 9.2e18)
        return false;
    *ret_ns = (int64_t)ns;
    return true;
}

bool when_read(struct slice text, int64_t *ret_ns)
{
    int64_t number;

    if (text.bytes > 0 && text.bytes <= 19 && read_digits(text, 0, text.bytes, &number))
        return when_integer(number, ret_ns);
    return read_date(text, ret_ns);
}
