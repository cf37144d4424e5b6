/* SPDX-License-Identifier: Apache-2.0 */
/* shed_control: how much a lane keeps while it sheds with `keep: adaptive`.
 * keep = rate out / rate offered, both smoothed over the longer of 1 s and two batches, and
 * corrected towards the middle between the marks: half of it close to `high`, twice as much close
 * to `low`. The smoothing makes the answer slow, the correction looks at the fill of this instant
 * and is never late: so the ring comes to rest between the marks and does not swing. Where a ring
 * is emptied in less than a second the correction is weaker, in proportion: at ten steps a second
 * it would swing. Pure; of its shedder. */
#pragma once

#include <stdbool.h>

enum { SHED_STEP_MS = 100, SHED_WHOLE_MS = 5000 };

struct shed_control {
    double high, low, batch_bytes; /* constant */
    double capacity_bytes;         /* until a reload gives the lane another */
    double offered_rate, out_rate; /* bytes a second, smoothed */
    double keep;
    double whole_s; /* for so long keep has been 1 */
};

/* One step of `window_s` seconds, in which so much was offered and left. Always, so that the rates
 * are known when shedding starts; keep is worked out only while it sheds. */
void shed_control_step(struct shed_control *control, double window_s, double offered_bytes,
                       double out_bytes, double fill, bool is_shedding);
/* Shedding starts now. */
void shed_control_begin(struct shed_control *control, double fill);
/* keep has been 1 for SHED_WHOLE_MS. */
bool shed_control_is_over(const struct shed_control *control);
/* Over how many seconds rates are smoothed now. */
double shed_control_smoothing_s(const struct shed_control *control);
