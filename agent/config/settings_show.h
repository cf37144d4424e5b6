/* SPDX-License-Identifier: Apache-2.0 */
/* settings_show: the configuration as it is in effect, as JSON: every option with its value after
 * substitution and defaults. `"default": true` marks a value that is the default's. Sizes are in
 * bytes, durations in milliseconds, and say so. Secrets are shown as "(hidden)", and so are users,
 * passwords and queries in URLs. Threads: any. */
#pragma once

#include "config/settings.h"

enum { SETTINGS_SHOW_FORMAT = 1 };
bool settings_show(const struct settings *settings, struct buf *ret); /* false: the buf failed */
