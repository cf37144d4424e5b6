/* SPDX-License-Identifier: Apache-2.0 */
/* tap_stream: a tap as the admin endpoint sends it, one JSON object a line:
 *   {"stage":"processed","input":"app","output":"main","reason":"…","event":{…}}
 * the event as an output writes it, "output" and "reason" where there is one; in between, at most
 * each second, what it left out: {"tap":{"seen":…}}, or an empty line so that a reader that is gone
 * is noticed; at the end {"tap":{…,"end":"…"}}.
 * Arguments: name (of an input or output), stage, rate, for_ms, filter, filter2, filter3, filter4.
 * Threads: the endpoint's. */
#pragma once

#include "admin/stream.h"
#include "ledger/ledger.h"

enum { TAP_FOR_MOST_MS = 60 * 60 * 1000 };

struct stream_maker tap_stream_maker(const struct ledger *ledger);
