/* SPDX-License-Identifier: Apache-2.0 */
/* verdict: what an HTTP status means for a batch, unless the output's plugin says otherwise. Pure.
 */
#pragma once

#include "plugins/plugin.h"

enum verdict verdict_of_status(long status, bool has_retry_after);
const char *verdict_name(enum verdict verdict); /* "sent", "retry" …, for the log */

enum { RETRY_AFTER_MAX_MS = 60 * 60 * 1000 };
/* Value of a Retry-After header (RFC 9110, 10.2.3: seconds, or an HTTP-date) as a wait from now, at
 * most RETRY_AFTER_MAX_MS, 0 for a date that is over. -1: it says nothing that can be used. */
int64_t verdict_retry_after_ms(const char *value, int64_t now_unix_s);
