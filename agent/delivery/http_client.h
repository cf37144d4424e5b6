/* SPDX-License-Identifier: Apache-2.0 */
/* http_client: batches as HTTP requests, several at a time, on connections that are used again.
 * Promise: a request ends by its timeout, whatever the endpoint does; what it answers is read up to
 * a bound and kept up to a smaller one. Redirects are not followed. Only http and https.
 * The plugin says what the request is and, if it wants to, what an answer means. */
#pragma once

#include "base/err.h"
#include "delivery/transport.h"
#include "plugins/plugin.h"

struct http_client_config {
    const struct output *plugin; /* with `request` */
    void *state;
    const char *agent_id;
    unsigned concurrency_max;
};

/* Everything the config points to is borrowed. */
struct transport *http_client_new(const struct http_client_config *config, struct err *err);
