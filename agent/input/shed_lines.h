/* SPDX-License-Identifier: Apache-2.0 */
/* shed_lines: what a lane says of its shedding, as a log line each for its beginning and its end.
 * Threads: the reading's, and main for a lane to which nothing is offered any more. */
#pragma once

#include "flow/lane.h"

/* Tells what there is and forgets it. */
void shed_lines_write(const char *input, const char *output, struct lane_news *news);
