/* SPDX-License-Identifier: Apache-2.0 */
/* spawn: forks one child and makes it the command. Threads: the starter's only one. */
#pragma once

#include "children/request.h"
#include "children/wire.h"

#include <sys/types.h>

/* Standard input is empty. What goes wrong between fork and exec the child itself says on its line.
 * -1: errno. */
pid_t spawn_child(const struct request *request, const int descriptors[WIRE_DESCRIPTORS]);
