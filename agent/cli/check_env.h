/* SPDX-License-Identifier: Apache-2.0 */
/* check_env: is everything there that a configuration needs, for the user who asks? Creates nothing
 * and sends no event; the help of `check` says what it does send. */
#pragma once

#include "cli/checklist.h"
#include "config/settings.h"

/* Prints the checklist. false: something is not there. */
bool check_env(const struct settings *settings);

/* Its parts. */
void check_inputs(const struct settings *settings, struct checklist *list);
void check_sources(const struct settings *settings, struct checklist *list);
void check_commands(const struct settings *settings, struct checklist *list);
void check_folders(const struct settings *settings, struct checklist *list);
void check_endpoints(const struct settings *settings, struct checklist *list);
