/* SPDX-License-Identifier: Apache-2.0 */
/* check_capacity: prints what a configuration can hold under a load; config/capacity.h says how
 * that is worked out. */
#pragma once

#include "cli/check_arguments.h"
#include "config/settings.h"

/* false: out of memory, or an event of that size has no room in a batch; told. */
bool check_capacity(const struct settings *settings, const struct check_arguments *arguments);
/* Warns on standard error where the memory limit does not fit the control group's. */
void check_cgroup(const struct settings *settings);
