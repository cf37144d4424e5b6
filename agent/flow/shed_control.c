/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/shed_control.h"

#include "flow/shed_groups.h"

#include <math.h>

#define SMOOTH_LEAST_S 1.0
#define SMOOTH_MOST_S 30.0
/* The correction is 2 to this power at a mark: a half is reached a little inside of `high`. */
#define CORRECTION_AT_MARK 1.25
/* Never steer back to the middle in less than this: five steps. */
#define RETURN_LEAST_S 0.5
/* Below `low` the rate out says nothing (there was not more to take): keep grows at least so fast.
 */
#define GROWTH_PER_S 1.5

double shed_control_smoothing_s(const struct shed_control *control)
{
    if (control->out_rate <= 0)
        return SMOOTH_LEAST_S;
    return fmin(SMOOTH_MOST_S, fmax(SMOOTH_LEAST_S, 2 * control->batch_bytes / control->out_rate));
}

static double correction(const struct shed_control *control, double fill)
{
    double half = (control->high - control->low) / 2;
    double off = (control->low + half - fill) / half; /* 1: at low, -1: at high */
    double power = CORRECTION_AT_MARK;

    if (control->out_rate > 0) {
        double drain_s = control->capacity_bytes / control->out_rate;
        power = fmin(power, drain_s * half / (log(2) * RETURN_LEAST_S));
    }
    return exp2(off * power);
}

static double wanted_keep(const struct shed_control *control, double fill)
{
    if (control->offered_rate <= control->out_rate * 1e-9)
        return 1; /* nothing comes */
    return control->out_rate / control->offered_rate * correction(control, fill);
}

static double clamp_keep(double keep)
{
    return fmin(1, fmax(SHED_LEAST_KEEP, keep));
}

void shed_control_begin(struct shed_control *control, double fill)
{
    control->whole_s = 0;
    control->keep = clamp_keep(wanted_keep(control, fill));
}

void shed_control_step(struct shed_control *control, double window_s, double offered_bytes,
                       double out_bytes, double fill, bool is_shedding)
{
    double part = 1 - exp(-window_s / shed_control_smoothing_s(control));
    double before = control->keep;

    control->offered_rate += (offered_bytes / window_s - control->offered_rate) * part;
    control->out_rate += (out_bytes / window_s - control->out_rate) * part;
    if (!is_shedding)
        return;
    control->keep = wanted_keep(control, fill);
    if (fill < control->low)
        control->keep = fmax(control->keep, before * pow(GROWTH_PER_S, fmin(window_s, 1)));
    control->keep = clamp_keep(control->keep);
    control->whole_s = control->keep < 1 ? 0 : control->whole_s + window_s;
}

bool shed_control_is_over(const struct shed_control *control)
{
    return control->whole_s * 1000 >= SHED_WHOLE_MS;
}
