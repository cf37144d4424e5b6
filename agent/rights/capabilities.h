/* SPDX-License-Identifier: Apache-2.0 */
/* capabilities: of this thread, and of those that it starts. Sets are bits by number.
 * Threads: main, before there is another one. */
#pragma once

#include "base/err.h"

#include <stdint.h>

uint64_t capabilities_held(void);
/* Gives up all but these, and the right to gain any by running a program. false: err says why. */
bool capabilities_keep(uint64_t kept, struct err *err);
