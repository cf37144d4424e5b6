/* SPDX-License-Identifier: Apache-2.0 */
/* ending: that a thread has come to its end, for those who wait for it no longer than they may. To
 * join one that is in a call to a disk that never answers would be to wait for ever.
 * Threads: tell() by the one that ends, as its last step; await() by the one that then joins it. */
#pragma once

#include "base/wake.h"

struct ending {
    struct wake wake;
    _Atomic bool is_told;
};

void ending_tell(struct ending *ending);
/* On the clock of clock_now_ms(); INT64_MAX: without an end. false: not by then. */
bool ending_await(struct ending *ending, int64_t deadline_ms);
