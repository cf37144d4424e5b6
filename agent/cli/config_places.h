/* SPDX-License-Identifier: Apache-2.0 */
/* config_places: where an agent is found, by its configuration. Apart from its users because
 * getopt.h and the settings both have a struct option. */
#pragma once

#include "base/err.h"

#include <limits.h>

struct config_places {
    char state_dir[PATH_MAX], runtime_dir[PATH_MAX];
};

/* Also of a file that is wrong elsewhere: people look at an agent while they mend it. false: the
 * file cannot be read, err says why. */
bool config_places(const char *path, struct config_places *ret, struct err *err);
