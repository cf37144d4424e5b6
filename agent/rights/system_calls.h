/* SPDX-License-Identifier: Apache-2.0 */
/* system_calls: a filter of the kernel's (seccomp) that refuses what the agent never does: running
 * programs, forking, other processes, mounts, modules, other users, other socket families, memory
 * that is written and run.
 * Promise: no call is a reason to die. A refused one fails with EPERM; one that is newer than this
 * list, and so could be anything, with ENOSYS, which is what libraries expect of an older kernel.
 * Why a list of what is refused: a resolver, TLS or the C library may use any harmless call some
 * day, on a host that nobody tested.
 * Threads: all of the process, at once. */
#pragma once

#include "base/err.h"

/* false: err says why; nothing has changed. */
bool system_calls_filter(struct err *err);
