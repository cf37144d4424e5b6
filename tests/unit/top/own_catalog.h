/* SPDX-License-Identifier: Apache-2.0 */
/* own_catalog: an input and an output that there are only in the configuration, for the catalogs of
 * tests. */
#pragma once

#include "catalog.h"
#include "plugins/plugin.h"

#define NOWHERE_OPTIONS(X, T) X(T, unused_, flag, "no", ANY, ANY, "Nothing")
DECLARE_OPTIONS(nowhere_config, NOWHERE_OPTIONS);
struct nowhere {
    int unused;
};
static const struct plugin_type output_nowhere = { PLUGIN_TYPE("nowhere", "", nowhere_config,
                                                               nowhere) };
static const struct plugin_type input_nothing = { PLUGIN_TYPE("nothing", "", nowhere_config,
                                                              nowhere) };
static const struct plugin_type *const known_processors[] = { NULL };
static const struct plugin_type *const known_outputs[] = { &output_nowhere, NULL };
