/* SPDX-License-Identifier: Apache-2.0 */
/* agent: the life of the process, from settings to the closing books. */
#pragma once

#include "generation.h"

/* Exit codes, also of the command line. */
enum { EXIT_CLEAN = 0, EXIT_FAILED = 1, EXIT_LEFT = 3, EXIT_CONFIG = 78 };

/* Runs until a signal or the end of all sources. EXIT_LEFT: something was left and counted.
 * config_path is read again at each reload. */
int agent_run(struct generation **generationp, const char *config_path);
