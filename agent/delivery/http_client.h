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

/* Gives a curl handle what all requests of an output have in common: credentials, TLS, proxy, time.
 * request and its texts are copied. false: out of memory. */
bool http_client_prepare(void *easy, const struct http_request *request, int64_t timeout_ms);

/* Everything the config points to is borrowed. */
struct transport *http_client_new(const struct http_client_config *config, struct err *err);
