/* SPDX-License-Identifier: Apache-2.0 */
/* number: most numbers are short and need no strtod(): an integer below 2^53 over a power of ten
 * below 10^22 is one correctly rounded division, as both are exact. */
#include "number.h"

#include <math.h>

enum { FAST_DIGITS = 15, TEXT_MOST = 64 };

/* Digits, one point among them, an exponent; nothing that strtod() takes besides. */
static bool is_decimal(const char *at, const char *end)
{
    size_t digits = 0, points = 0;

    for (; at < end && ((*at >= '0' && *at <= '9') || *at == '.'); at++) {
        points += *at == '.' ? 1 : 0;
        digits += *at == '.' ? 0 : 1;
    }
    if (digits == 0 || points > 1)
        return false;
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        at += at < end && (*at == '+' || *at == '-') ? 1 : 0;
        if (at == end)
            return false;
        while (at < end && *at >= '0' && *at <= '9')
            at++;
    }
    return at == end;
}

static bool read_slowly(struct slice text, const char *digits, double *ret)
{
    char copy[TEXT_MOST];

    if (text.bytes >= sizeof(copy) || !is_decimal(digits, text.data + text.bytes))
        return false;
    memcpy(copy, text.data, text.bytes);
    copy[text.bytes] = '\0';
    double number = strtod(copy, NULL);
    if (!isfinite(number))
        return false;
    *ret = number;
    return true;
}

bool statsd_number(struct slice text, double *ret)
{
    static const double tens[] = { 1,   1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15 };
    const char *at = text.data, *end = text.data + text.bytes;
    int64_t number = 0;
    size_t digits = 0, decimals = 0;
    bool has_point = false;

    if (text.bytes == 0)
        return false;
    at += *at == '-' || *at == '+' ? 1 : 0;
    const char *begin = at;
    for (; at < end && digits <= FAST_DIGITS; at++) {
        if (*at == '.' && !has_point) {
            has_point = true;
            continue;
        }
        if (*at < '0' || *at > '9')
            break;
        number = number * 10 + (*at - '0');
        decimals += has_point ? 1 : 0;
        digits++;
    }
    if (at < end || digits == 0 || digits > FAST_DIGITS)
        return read_slowly(text, begin, ret);
    double magnitude = (double)number / tens[decimals];
    *ret = text.data[0] == '-' ? -magnitude : magnitude;
    return true;
}
