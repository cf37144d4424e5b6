/* SPDX-License-Identifier: Apache-2.0 */
/* when: points in time as senders write them, to Unix nanoseconds. Pure. */
#pragma once

#include "plugin.h"

/* RFC 3339 ("2026-11-28T07:12:00.123Z", also with a space, an offset, or without one: UTC); or a
 * number of seconds, milliseconds, microseconds or nanoseconds, told apart by its size. false: it
 * is none, or lies before 1970 or beyond 2262. */
bool when_read(struct slice text, int64_t *ret_ns);
bool when_number(double seconds_or_finer, int64_t *ret_ns);
bool when_integer(int64_t seconds_or_finer, int64_t *ret_ns);
