/* SPDX-License-Identifier: Apache-2.0 */
/* verdict: when in doubt the data is kept: an unknown 4xx holds it like a wrong key, because only
 * 400 and 422 speak about the batch itself. */
#include "delivery/verdict.h"

#include <ctype.h>
#include <curl/curl.h>

enum verdict verdict_of_status(long status, bool has_retry_after)
{
    if (status >= 200 && status < 300)
        return VERDICT_SENT;
    if (status == 429 || (status == 503 && has_retry_after))
        return VERDICT_BUSY;
    if (status == 413)
        return VERDICT_TOO_LARGE;
    if (status == 400 || status == 422)
        return VERDICT_REJECTED;
    if (status >= 300 && status < 500 && status != 408 && status != 425)
        return VERDICT_HOLD;
    return VERDICT_RETRY;
}

const char *verdict_name(enum verdict verdict)
{
    static const char *const names[] = {
        [VERDICT_SENT] = "sent", [VERDICT_BUSY] = "busy",           [VERDICT_RETRY] = "retry",
        [VERDICT_HOLD] = "hold", [VERDICT_TOO_LARGE] = "too_large", [VERDICT_REJECTED] = "rejected",
    };

    return names[verdict];
}

static int64_t clamp_seconds(int64_t seconds)
{
    enum { MAX_S = RETRY_AFTER_MAX_MS / 1000 };

    return (seconds > MAX_S ? MAX_S : seconds) * MS_PER_S;
}

/* Digits alone. More of them than a number holds is a very long wait, not an error. */
static int64_t parse_seconds(const char *value)
{
    int64_t seconds = 0;

    for (; isdigit((unsigned char)*value); value++) {
        if (seconds < RETRY_AFTER_MAX_MS)
            seconds = seconds * 10 + (*value - '0');
    }
    while (*value == ' ' || *value == '\t')
        value++;
    return *value == '\0' ? clamp_seconds(seconds) : -1;
}

int64_t verdict_retry_after_ms(const char *value, int64_t now_unix_s)
{
    int64_t date_s;

    while (*value == ' ' || *value == '\t')
        value++;
    if (isdigit((unsigned char)*value))
        return parse_seconds(value);
    /* All forms of an HTTP-date begin with a weekday; curl would take much more for a date. */
    if (!isalpha((unsigned char)*value))
        return -1;
    date_s = (int64_t)curl_getdate(value, NULL);
    if (date_s < 0)
        return -1;
    return date_s <= now_unix_s ? 0 : clamp_seconds(date_s - now_unix_s);
}
