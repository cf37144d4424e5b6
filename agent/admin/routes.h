/* SPDX-License-Identifier: Apache-2.0 */
/* routes: what is asked for, and the page that answers it. No sockets here. */
#pragma once

#include "admin/admin.h"
#include "admin/status_page.h"

struct request {
    const char *url, *method;
    const char *host, *authorization, *accept; /* headers; NULL: not there */
    const char *bound;                         /* the TCP address; NULL: the unix socket */
    struct stream_query query;
    int64_t now_ms;
    const char *file, *name; /* of the query: DEVICE:INODE; a CRC-32C, hex. NULL: not there */
};

struct reply {
    unsigned status;
    const char *type;
    const char *allow, *authenticate; /* further headers; NULL: none */
    char policy[STATUS_POLICY_BYTES]; /* Content-Security-Policy; "": none */
    struct buf text;                  /* the caller's to free; its limit is set by the caller */
    void *stream;                     /* instead of a text: the caller's to close; NULL: none */
    int64_t stream_ms;                /* how long it lasts */
};

/* Fills *ret. false: the page is larger than its limit, or memory is short. */
bool routes_answer(const struct admin_config *config, enum admin_phase phase,
                   const struct request *request, struct reply *ret);
