/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/config_places.h"

#include "catalog.h"
#include "config/settings.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool config_places(const char *path, struct config_places *ret, struct err *err)
{
    struct settings settings;

    /* The loader would take the defaults, and so another agent, without a word. */
    if (access(path, R_OK) != 0)
        return err_set(err, "cannot read the configuration '%s': %s", path, strerror(errno));
    bool ok = settings_load_agent(path, &catalog, &settings) || err_set(err, "out of memory");
    if (ok) {
        (void)snprintf(ret->state_dir, PATH_MAX, "%s", settings.agent.state_dir);
        (void)snprintf(ret->runtime_dir, PATH_MAX, "%s", settings.agent.runtime_dir);
    }
    settings_free(&settings);
    return ok;
}
