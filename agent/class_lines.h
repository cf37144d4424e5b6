/* SPDX-License-Identifier: Apache-2.0 */
/* class_lines: what became of the classes of a lane since the last report, as log lines: one
 * for each of the eight with the most drops, or else the longest waits, and one for all further
 * ones. Lines and not metrics, because the names come from the data. Threads: main only. */
#pragma once

#include "flow/lane.h"

void class_lines_write(struct lane *lane, const char *input, const char *output);
