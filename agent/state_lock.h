/* SPDX-License-Identifier: Apache-2.0 */
/* state_lock: one agent for each state directory, by a lock that ends with the process; a file
 * tells the others the pid. Threads: main. */
#pragma once

#include "base/err.h"

/* Makes the directory too. A descriptor to hold for as long as the agent lives; -1: err says why.
 */
int state_lock(const char *dir, struct err *err);
