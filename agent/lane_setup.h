/* SPDX-License-Identifier: Apache-2.0 */
/* lane_setup: what a lane is to be, from the options of its input and of its output. Pure but for
 * the seed. */
#pragma once

#include "config/settings.h"
#include "flow/lane.h"

enum { LANE_READ_BUFFER = 256 * 1024 };

size_t lane_setup_event_bytes(const struct settings_part *input); /* the largest event */
/* The weights of its classes: the caller's to free, after the lane. NULL: out of memory. */
struct class_weight *lane_setup_weights(const struct settings_part *input);
/* Without books, feed and reading. */
struct lane_config lane_setup(const struct settings_part *input, const struct settings_part *output,
                              const struct class_weight *weights);
