/* SPDX-License-Identifier: Apache-2.0 */
/* landlock: from now on this thread, and those that it starts, write below these folders only and
 * run no program. Reading and the network stay as they are.
 * Threads: main, before there is another one. */
#pragma once

#include "base/err.h"
#include "rights/needs.h"

/* What the kernel offers; 0: nothing. */
int landlock_version(void);
/* Of what is not there there is no rule: it cannot be made later. false: err says why, nothing has
 * changed. */
bool landlock_confine(const struct needs *needs, struct err *err);
