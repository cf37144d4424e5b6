/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log_limit.h"

enum { MILLI = 1000 };

/* ---- purses ---- */

static int64_t fill(int64_t millibytes, int64_t rate, int64_t most_bytes, int64_t ms)
{
    int64_t most = most_bytes * MILLI;

    if (ms >= most / rate)
        return most;
    millibytes += rate * ms;
    return millibytes < most ? millibytes : most;
}

static void fill_purses(struct log_limit *limit, int64_t now_ms)
{
    if (!limit->has_begun) {
        limit->has_begun = true;
        limit->report_millibytes = (int64_t)LOG_REPORT_BYTES * MILLI;
        limit->news_millibytes = (int64_t)LOG_NEWS_BYTES * MILLI;
    } else if (now_ms > limit->filled_ms) {
        int64_t ms = now_ms - limit->filled_ms;
        limit->report_millibytes =
            fill(limit->report_millibytes, LOG_REPORT_RATE, LOG_REPORT_BYTES, ms);
        limit->news_millibytes = fill(limit->news_millibytes, LOG_NEWS_RATE, LOG_NEWS_BYTES, ms);
    }
    limit->filled_ms = now_ms;
}

/* What must be written is owed, up to a whole purse. */
static void owe(int64_t *purse, int64_t cost)
{
    int64_t least = -(int64_t)LOG_REPORT_BYTES * MILLI;

    *purse -= cost;
    if (*purse < least)
        *purse = least;
}

static bool take(int64_t *purse, int64_t cost, int64_t keep)
{
    if (*purse - cost < keep)
        return false;
    *purse -= cost;
    return true;
}

static bool take_bytes(struct log_limit *limit, const struct log_ask *ask, size_t bytes)
{
    int64_t cost = (int64_t)bytes * MILLI;
    int64_t keep = ask->level == LOG_ERROR ? 0 : (int64_t)LOG_ERROR_BYTES * MILLI;

    switch (ask->purse) {
    case LOG_ALWAYS:
        owe(&limit->report_millibytes, cost);
        return true;
    case LOG_REPORT:
        return take(&limit->report_millibytes, cost, 0);
    case LOG_NEWS:
    case LOG_KEPT:
        break;
    }
    return take(&limit->news_millibytes, cost, keep);
}

/* ---- kinds ---- */

static void copy_name(char ret_name[LOG_NAME], struct slice name)
{
    size_t bytes = name.bytes < LOG_NAME ? name.bytes : LOG_NAME - 1;

    memcpy(ret_name, name.data, bytes);
    ret_name[bytes] = '\0';
}

static bool is_name(const char known[LOG_NAME], struct slice name)
{
    size_t bytes = name.bytes < LOG_NAME ? name.bytes : LOG_NAME - 1;

    return strncmp(known, name.data, bytes) == 0 && known[bytes] == '\0';
}

static bool is_kind(const struct log_kind *kind, const struct log_ask *ask)
{
    return is_name(kind->msg, slice_of(ask->msg)) && is_name(kind->output, ask->output) &&
           is_name(kind->input, ask->input);
}

/* The one that was not asked for the longest makes room. */
static struct log_kind *make_room(struct log_limit *limit)
{
    struct log_kind *oldest = &limit->kinds[0];

    if (limit->count < LOG_KINDS)
        return &limit->kinds[limit->count++];
    for (size_t i = 1; i < LOG_KINDS; i++) {
        if (limit->kinds[i].used_ms < oldest->used_ms)
            oldest = &limit->kinds[i];
    }
    limit->others.held_back += oldest->held_back;
    limit->others.level = oldest->level;
    return oldest;
}

static struct log_kind *find_kind(struct log_limit *limit, const struct log_ask *ask,
                                  int64_t now_ms)
{
    struct log_kind *kind = NULL;

    for (size_t i = 0; i < limit->count && kind == NULL; i++) {
        if (is_kind(&limit->kinds[i], ask))
            kind = &limit->kinds[i];
    }
    if (kind == NULL) {
        kind = make_room(limit);
        *kind = (struct log_kind){ .held_back = 0 };
        copy_name(kind->msg, slice_of(ask->msg));
        copy_name(kind->input, ask->input);
        copy_name(kind->output, ask->output);
    }
    kind->used_ms = now_ms;
    return kind;
}

static void hold_back(struct log_limit *limit, const struct log_ask *ask)
{
    limit->held_back++;
    ask->kind->held_back += 1 + ask->held_back;
    ask->kind->level = ask->level;
}

bool log_limit_ask(struct log_limit *limit, struct log_ask *ask, int64_t now_ms)
{
    ask->kind = NULL;
    ask->held_back = 0;
    if (ask->purse != LOG_NEWS)
        return true;
    struct log_kind *kind = find_kind(limit, ask, now_ms);
    ask->kind = kind;
    if (now_ms >= kind->rest_until_ms) {
        kind->lines = kind->held_back > 0 ? LOG_BURST : 1; /* after a burst one line a rest */
        kind->rest_until_ms = now_ms + LOG_REST_MS;
    } else if (kind->lines < LOG_BURST) {
        kind->lines++;
    } else {
        hold_back(limit, ask);
        return false;
    }
    ask->held_back = kind->held_back;
    kind->held_back = 0;
    return true;
}

bool log_limit_pay(struct log_limit *limit, const struct log_ask *ask, size_t bytes, int64_t now_ms)
{
    fill_purses(limit, now_ms);
    if (take_bytes(limit, ask, bytes))
        return true;
    if (ask->kind != NULL)
        hold_back(limit, ask);
    return false;
}

void log_limit_give_up(struct log_limit *limit, const struct log_ask *ask)
{
    struct log_ask other = *ask;

    if (other.kind == NULL)
        other.kind = &limit->others;
    hold_back(limit, &other);
}

struct log_kind *log_limit_untold(struct log_limit *limit, int64_t now_ms)
{
    for (size_t i = 0; i < limit->count; i++) {
        struct log_kind *kind = &limit->kinds[i];
        if (kind->held_back > 0 && now_ms >= kind->rest_until_ms)
            return kind;
    }
    return limit->others.held_back > 0 ? &limit->others : NULL;
}

uint64_t log_limit_take_untold(struct log_limit *limit)
{
    uint64_t sum = limit->others.held_back;

    limit->others.held_back = 0;
    for (size_t i = 0; i < limit->count; i++) {
        sum += limit->kinds[i].held_back;
        limit->kinds[i].held_back = 0;
    }
    return sum;
}
