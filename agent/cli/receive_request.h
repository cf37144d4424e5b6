/* SPDX-License-Identifier: Apache-2.0 */
/* receive_request: one POST from its headers to the end of its body: expanded, cut into events,
 * their numbers found. Nothing is counted in the summary here. Threads: that of its connection, and
 * never two at once. */
#pragma once

#include "cli/receive_body.h"
#include "cli/receive_events.h"
#include "cli/receive_summary.h"

#include <stdio.h>

enum request_state {
    REQUEST_GOOD,
    REQUEST_DAMAGED,     /* 400 */
    REQUEST_UNSUPPORTED, /* 415: an encoding that is not known here */
    REQUEST_TOO_LARGE,   /* 413: expands to more than is allowed */
    REQUEST_NO_MEMORY,   /* 500 */
};

struct request_head { /* values of headers; NULL: not sent */
    const char *content_encoding, *content_type, *idempotency_key, *spillway_events;
};

struct request_config {  /* constant while the server runs */
    bool count_only;     /* bytes and headers alone; bodies are not expanded */
    uint64_t most_bytes; /* expanded */
    FILE *print;         /* where events are shown; NULL: nowhere */
    struct check *lines; /* where runs are found */
};

struct request {
    const struct request_config *config;
    enum request_state state;
    struct body *body;
    struct events events;
    struct request_facts facts;
};

void request_init(struct request *request, const struct request_config *config,
                  const struct request_head *head);
void request_fini(struct request *request);
void request_feed(struct request *request, struct slice piece);
void request_end(struct request *request); /* `state` and `facts` are final */
