/* SPDX-License-Identifier: Apache-2.0 */
/* http_probe: asks an endpoint whether it is there, without sending an event: HEAD, with the
 * settings of the output's own requests. HEAD, since it changes nothing there (RFC 9110, 9.2.1),
 * and since what asks for credentials asks for them there as well; OPTIONS is often let through.
 * Blocks until the deadline at most. Threads: any. */
#pragma once

#include "plugins/plugin.h"

enum { PROBE_TEXT_BYTES = 256, PROBE_ADDRESS_BYTES = 64 };

enum probe_step { /* that was reached */
                  PROBE_NOTHING,
                  PROBE_RESOLVED,
                  PROBE_CONNECTED,
                  PROBE_HANDSHAKEN, /* also without TLS */
                  PROBE_ANSWERED
};

struct probe {
    enum probe_step reached;
    char host[PROBE_TEXT_BYTES];       /* that was looked up: the proxy's, if there is one */
    char address[PROBE_ADDRESS_BYTES]; /* "127.0.0.1:443"; "": no connection */
    bool is_tls, is_verified, has_proxy;
    char error[PROBE_TEXT_BYTES]; /* why it went no further; "" when answered */
    int64_t certificate_ends_s;   /* Unix; 0: unknown */
    long status;                  /* of the answer */
    bool has_credentials;
    long status_without; /* where there are credentials: the answer without them; 0: none */
};

void http_probe(const struct http_request *request, int64_t timeout_ms, struct probe *ret);
