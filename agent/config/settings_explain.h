/* SPDX-License-Identifier: Apache-2.0 */
/* settings_explain: what a configuration means, in words: the way of the events, then each option
 * with its effective value and where it comes from (the default, a place in the file, and there
 * perhaps an environment variable or a file). Secrets are hidden. Pure.
 * false: out of memory. */
#pragma once

#include "config/settings.h"

bool settings_explain(const struct settings *settings, struct buf *ret);
