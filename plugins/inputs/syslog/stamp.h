/* SPDX-License-Identifier: Apache-2.0 */
/* stamp: times as senders of syslog write them.
 *   RFC 3339     2003-10-11T22:14:15.003Z, with +02:00, with a blank or '/' as some write it
 *   RFC 3164     Oct 11 22:14:15, with a weekday before it, a year in one of three places, a
 *                fraction, a zone behind it; at the end, without weekday and zone, a year is only
 *                one that is near now: hosts are called 2101 too
 *   epoch        1390228131.123456
 * A stamp without a year is of the year that brings it nearest to now; one without a zone is of
 * the zone given. Pure: the present is passed in. Threads: none. */
#pragma once

#include "zone.h"

struct stamp {
    int year; /* 0: not told */
    int month, day, hour, minute, second;
    int32_t nanos;
    bool has_offset;
    int32_t offset_s; /* east of UTC */
    bool is_epoch;
    int64_t epoch_s; /* in place of all but nanos */
};

/* Take one from the front. false: there is none, *rest is as it was. */
bool stamp_take_rfc3339(struct slice *rest, struct stamp *ret);
bool stamp_take_bsd(struct slice *rest, int64_t now_ns, struct stamp *ret);
bool stamp_take_epoch(struct slice *rest, struct stamp *ret);
bool stamp_take_any(struct slice *rest, int64_t now_ns, struct stamp *ret);

/* Unix nanoseconds; 0: there is no such date, or it is none that can be told in nanoseconds. */
int64_t stamp_ns(const struct stamp *stamp, const struct zone *zone, int64_t now_ns);
