/* SPDX-License-Identifier: Apache-2.0 */
/* zone: how far the clocks of one time zone are from UTC, at any time.
 * A zone of its own rather than tzset(): that is one for the whole process, and the environment
 * must not change while other threads read it.
 * Source: RFC 8536 (TZif files) with the rule behind the last change (POSIX, TZ).
 * Promise: zone_open() reads a bounded file; the rest is pure. Threads: none. */
#pragma once

#include "plugin.h"

enum zone_day_kind { ZONE_DAY_MONTH_WEEK, ZONE_DAY_JULIAN, ZONE_DAY_OF_YEAR };
struct zone_day { /* when the clocks change, in any year */
    enum zone_day_kind kind;
    int month, week, day;
    int64_t time_s; /* from midnight of that day, in the time before the change */
};

struct zone {
    int32_t fixed_s; /* seconds east of UTC where nothing below says otherwise */
    size_t count;
    int64_t *at_s;      /* changes of the clocks, Unix, rising; owned, as are the offsets */
    int32_t *offsets_s; /* from then on */
    bool has_rule;      /* what is in force after the last change */
    bool has_summer;
    int32_t standard_s, summer_s;
    struct zone_day begin, end; /* of summer time */
};

/* "UTC", "+02:00", "local" (TZ, or /etc/localtime), or a name as "Europe/Berlin". */
bool zone_open(const char *name, struct zone *ret, struct err *err);
void zone_fini(struct zone *zone);
/* Whether it is written as one of these; opens nothing. */
bool zone_is_name(const char *name);

/* Of a file's bytes. false: not such a file; nothing is to be freed. */
bool zone_parse(struct slice file, struct zone *ret);

/* Seconds east of UTC at that time. */
int32_t zone_offset_s(const struct zone *zone, int64_t unix_s);
/* The time at which clocks of the zone show `local_s` (seconds since 1970 as if they were UTC's).
 * Where they show it twice, one of the two; where never, a time within the hour. */
int64_t zone_unix_s(const struct zone *zone, int64_t local_s);

int64_t civil_days(int64_t year, int month, int day); /* since 1970-01-01; year from 1 */
bool civil_is_leap(int64_t year);
int civil_month_days(int64_t year, int month);
int64_t civil_year(int64_t unix_s);
