/* SPDX-License-Identifier: Apache-2.0 */
/* uptime: /proc/uptime, see proc(5), with the time in which the host was suspended. */
#include "groups.h"

bool group_uptime(struct round *round, struct err *err)
{
    struct slice text;
    double seconds;

    if (!round_read(round, HOST_UPTIME, &text, err))
        return false;
    if (!proc_take_decimal(&text, &seconds))
        return err_set(err, "no time in proc/uptime");
    (void)round_sample(round, "system.uptime", EVENT_GAUGE, "s", seconds);
    return true;
}
