/* SPDX-License-Identifier: Apache-2.0 */
/* container: whose log a file is, by its path and by what the runtime keeps beside it. No API of a
 * runtime or a cluster is asked.
 *     …/pods/NAMESPACE_POD_UID/CONTAINER/N.log
 *     …/containers/POD_NAMESPACE_CONTAINER-ID.log
 *     …/containers/ID/ID-json.log, and config.v2.json beside it: the container's name and image
 * Names are those of OpenTelemetry's conventions for resources. Threads: none; the reading's. */
#pragma once

#include "plugin.h"

enum { CONTAINER_ATTRIBUTES = 6, CONTAINER_TEXT_BYTES = 2048 };

struct container_names {
    struct attribute attributes[CONTAINER_ATTRIBUTES];
    size_t count;
    char text[CONTAINER_TEXT_BYTES]; /* what they point to; what does not fit is left out */
    size_t used;
};

/* `path` has to live as long as what is found. Nothing found: count is 0. */
void tail_container_names(const char *path, struct container_names *ret);
