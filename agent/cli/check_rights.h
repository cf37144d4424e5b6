/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "config/settings.h"

/* Prints which rights the agent needs and keeps: folders, capabilities where they are held,
 * commands.
 */
void check_rights(const struct settings *settings);
