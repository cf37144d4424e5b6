/* SPDX-License-Identifier: Apache-2.0 */
/* transport: how the sender's thread gets a batch out: by HTTP (http_client) or into a descriptor
 * (stream_writer). It carries and waits; what follows from an outcome is the delivery's to say.
 * Threads: the sender's; wake() any. No lock is held while one of these runs. */
#pragma once

#include "delivery/credentials.h"
#include "delivery/delivery.h"

enum { OUTCOME_TEXT_BYTES = 256 };

struct outcome {
    struct batch *batch;
    struct answer_summary summary;            /* its `what` is not set: it is in the text */
    unsigned connections;                     /* opened for it */
    char what[OUTCOME_TEXT_BYTES];            /* "status 503", "Timeout was reached: …" */
    char answer[OUTCOME_TEXT_BYTES];          /* how the answer's body begins; "": none */
    enum credentials_news credentials;        /* since the outcome before */
    char credentials_why[OUTCOME_TEXT_BYTES]; /* of a refusal */
};

struct transport {
    /* Starts to send. The batch stays as it is until its outcome is taken or break_off().
     * false: no memory; nothing was started. */
    bool (*send)(struct transport *transport, struct batch *batch, int64_t timeout_ms);
    /* Moves what is under way, sleeps until there is more to do, wake() or the end of the time. */
    void (*wait)(struct transport *transport, int64_t timeout_ms);
    bool (*take)(struct transport *transport, struct outcome *ret); /* false: nothing has ended */
    void (*wake)(struct transport *transport);
    /* Gives up what is under way: no batch is borrowed any more, no outcome follows. */
    void (*break_off)(struct transport *transport);
    void (*free)(struct transport **transportp);
};
