/* SPDX-License-Identifier: Apache-2.0 */
/* sender_change: the transport of a sender, opened at the start and replaced by a reload. Batches,
 * permits and the spool stay where they are: they belong to the output and not to its endpoint.
 * Runs in the main thread, while the sender stands at its gate. */
#include "base/check.h"
#include "base/clock.h"
#include "delivery/http_client.h"
#include "delivery/sender_state.h"
#include "delivery/stream_writer.h"

#include <stdlib.h>

enum { STREAM_TIMEOUT_MS = 30 * 1000 };

struct sender_change {
    struct sender_config config;
    struct delivery_config delivery;
    struct transport *transport;
};

/* The one lock that is held over a system call: the write to an eventfd, which does not wait.
 * Without it a change could free the transport between the look at the pointer and the call. */
void sender_wake_transport(struct sender *sender)
{
    lock_take(&sender->wake_lock);
    sender->transport->wake(sender->transport);
    lock_drop(&sender->wake_lock);
}

static struct transport *open_http(const struct sender_config *config,
                                   struct delivery_config *delivery, struct err *err)
{
    struct http_client_config client = { .plugin = config->plugin,
                                         .state = config->state,
                                         .agent_id = config->agent_id,
                                         .concurrency_max = delivery->concurrency_max };
    struct http_request request = { 0 };

    config->plugin->request(config->state, &request);
    if (request.timeout_ms > 0)
        delivery->timeout_ms = request.timeout_ms;
    return http_client_new(&client, err);
}

/* Two batches in one stream would mix, so there is only one at a time. */
static struct transport *open_stream(const struct sender_config *config,
                                     struct delivery_config *delivery, struct err *err)
{
    delivery->concurrency_min = delivery->concurrency_max = 1;
    delivery->timeout_ms = STREAM_TIMEOUT_MS;
    return stream_writer_new(config->plugin->descriptor(config->state), config->expand, err);
}

struct transport *sender_open_transport(const struct sender_config *config,
                                        struct delivery_config *delivery, struct err *err)
{
    return config->plugin->request != NULL ? open_http(config, delivery, err)
                                           : open_stream(config, delivery, err);
}

void sender_change_free(struct sender_change **changep)
{
    struct sender_change *change = *changep;

    *changep = NULL;
    if (change == NULL)
        return;
    if (change->transport != NULL)
        change->transport->free(&change->transport);
    free(change);
}

struct sender_change *sender_prepare(const struct sender_config *config, struct err *err)
{
    struct sender_change *change = calloc(1, sizeof(*change));

    if (change == NULL) {
        (void)err_set(err, "out of memory for a sender");
        return NULL;
    }
    change->config = *config;
    change->delivery = config->delivery;
    change->transport = sender_open_transport(config, &change->delivery, err);
    if (change->transport == NULL)
        sender_change_free(&change);
    return change;
}

void sender_hold(struct sender *sender, bool holds)
{
    lock_take(&sender->lock);
    delivery_hold(sender->delivery, holds);
    lock_drop(&sender->lock);
    sender_wake_transport(sender);
}

void sender_let_leave(struct sender *sender)
{
    lock_take(&sender->lock);
    delivery_let_leave(sender->delivery);
    lock_drop(&sender->lock);
}

bool sender_is_quiet(struct sender *sender)
{
    lock_take(&sender->lock);
    bool is_quiet = delivery_in_flight(sender->delivery) == 0;
    lock_drop(&sender->lock);
    return is_quiet;
}

struct gate *sender_gate(struct sender *sender)
{
    return &sender->gate;
}

void sender_nudge(struct sender *sender)
{
    sender_wake_transport(sender);
}

void sender_commit(struct sender *sender, struct sender_change **changep)
{
    struct sender_change *change = *changep;
    struct delivery_news news;

    CHECK(gate_is_stood_at(&sender->gate));
    sender->transport->break_off(sender->transport);
    lock_take(&sender->lock);
    delivery_take_back(sender->delivery, clock_now_ms());
    delivery_change(sender->delivery, &change->delivery);
    bool has_news = delivery_take_news(sender->delivery, &news);
    lock_drop(&sender->lock);
    if (has_news)
        sender_log_news(sender, &news);
    /* Name, numbers and wake word are those of the output: others read them. */
    sender->config.plugin = change->config.plugin;
    sender->config.state = change->config.state;
    sender->config.delivery = change->config.delivery;
    sender->last_failure[0] = '\0';
    lock_take(&sender->wake_lock);
    struct transport *before = sender->transport;
    sender->transport = change->transport;
    lock_drop(&sender->wake_lock);
    change->transport = before; /* freed with the change */
    sender_change_free(changep);
}

void sender_set_memory(struct sender *sender, uint64_t memory_bytes)
{
    lock_take(&sender->lock);
    delivery_set_memory(sender->delivery, memory_bytes);
    lock_drop(&sender->lock);
    wake_bump(sender->config.workers);
}

void sender_set_spool(struct sender *sender, const struct spool_config *config)
{
    lock_take(&sender->lock);
    if (sender->spool != NULL)
        spool_change(sender->spool, config);
    lock_drop(&sender->lock);
    sender_wake_transport(sender);
    wake_bump(sender->config.workers); /* it may have room for what they were not to seal */
}

struct gate *sender_spool_gate(struct sender *sender)
{
    struct spooler *spooler = atomic_load(&sender->spooler);

    return spooler == NULL ? NULL : spooler_gate(spooler);
}

void sender_nudge_spool(struct sender *sender)
{
    spooler_wake(atomic_load(&sender->spooler));
}

bool sender_move_spool(struct sender *sender, struct spool_disk **diskp)
{
    if (!spooler_move(atomic_load(&sender->spooler), diskp))
        return false;
    lock_take(&sender->lock);
    spool_moved(sender->spool);
    lock_drop(&sender->lock);
    return true;
}

bool sender_has_receipts(struct sender *sender, const struct receipts *receipts)
{
    lock_take(&sender->lock);
    bool has_receipts = delivery_has_receipts(sender->delivery, receipts);
    lock_drop(&sender->lock);
    return has_receipts;
}

int64_t sender_oldest_boot_ms(struct sender *sender)
{
    lock_take(&sender->lock);
    int64_t oldest_ms = delivery_oldest_boot_ms(sender->delivery);
    lock_drop(&sender->lock);
    return oldest_ms;
}
