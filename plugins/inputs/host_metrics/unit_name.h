/* SPDX-License-Identifier: Apache-2.0 */
/* unit_name: what the name of a control group says, and where the control groups are. Pure.
 * Threads: any. */
#pragma once

#include "plugin.h"

struct unit_name {
    bool is_unit;           /* a service, a scope or a container: not gone into */
    struct slice systemd;   /* the unit's name, "" where systemd made none */
    struct slice container; /* its id, "" if it is none */
};

/* "nginx.service", "docker-ID.scope", or "ID" alone where the runtime makes its groups itself. */
struct unit_name unit_name_of(struct slice name);
/* Of /proc/PID/mountinfo: where version 2 is mounted. false: nowhere, or it does not fit. */
bool unit_mount_point(struct slice mountinfo, char *ret, size_t room);
