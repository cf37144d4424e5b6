/* SPDX-License-Identifier: Apache-2.0 */
/* sender_state: what a sender is made of, for sender.c and sender_change.c alone. */
#pragma once

#include "base/ending.h"
#include "base/lock.h"
#include "base/log.h"
#include "delivery/sender.h"
#include "delivery/spooler.h"
#include "delivery/transport.h"

#include <pthread.h>

enum { SENDER_MAGIC = 0x73656e64 };

struct sender {
    uint32_t magic;
    /* constant after start, or once there is one */
    struct spool *spool; /* NULL: none; main */
    _Atomic(struct spooler *) spooler;
    pthread_t thread;
    /* constant between two changes; the sender thread's */
    struct sender_config config;
    /* used by the sender thread; its wake() by any, under wake_lock: so a change may replace it */
    struct transport *transport;
    struct lock wake_lock;
    struct gate gate;
    /* under lock */
    struct lock lock;
    struct delivery *delivery;
    bool is_left; /* the thread, behind */
    /* sender thread only */
    bool workers_may_go_on;
    char last_failure[OUTCOME_TEXT_BYTES]; /* said since the last success */
    /* any thread */
    _Atomic bool stopping;
    struct ending ending;
    struct wait_times waits;
    _Atomic int64_t last_step_ms;
};

/* Any thread. */
void sender_wake_transport(struct sender *sender);
void sender_log_news(const struct sender *sender, const struct delivery_news *news);
/* What the transport has to say goes into *delivery. NULL: err says why. */
struct transport *sender_open_transport(const struct sender_config *config,
                                        struct delivery_config *delivery, struct err *err);
