/* SPDX-License-Identifier: Apache-2.0 */
/* own_catalog: an input that reads nothing, and an output that there is only in the configuration,
 * for the catalogs of tests. */
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
static inline bool nothing_open(void *state, const void *config, const struct host *host,
                                struct err *err)
{
    (void)state, (void)config, (void)host, (void)err;
    return true;
}
static const struct input input_nothing = {
    .type = { PLUGIN_TYPE("nothing", "", nowhere_config, nowhere) }, .open = nothing_open
};
static const struct plugin_type *const known_processors[] = { NULL };
static const struct plugin_type *const known_outputs[] = { &output_nowhere, NULL };
