/* SPDX-License-Identifier: Apache-2.0 */
/* pins: see pins.h. */
#include "delivery/pins.h"

#include "base/check.h"
#include "delivery/tally.h"

#include <stdlib.h>

void pins_adopt(struct pins *pins, struct batch *batch)
{
    batch->pin->home = pins;
}

static enum flow flow_from_spool(enum flow flow)
{
    if (flow_infos[flow].from == ACCOUNT_spool)
        return flow;
    if (flow == FLOW_deliver)
        return FLOW_spool_deliver;
    return flow == FLOW_expire ? FLOW_spool_expire : FLOW_spool_refuse;
}

static void free_body(struct batch *part)
{
    permit_release(&part->permit);
    body_pool_give(part->pool, part->body);
    part->body = NULL;
}

static void queue(struct pins *pins, struct spool_pin *pin)
{
    pin->next = NULL;
    if (pins->head == NULL)
        pins->head = pin;
    else
        pins->tail->next = pin;
    pins->tail = pin;
}

static void free_parts(struct spool_pin *pin)
{
    while (pin->done != NULL) {
        struct batch *part = pin->done;
        pin->done = part->next;
        batch_free(&part);
    }
    free(pin);
}

/* Of a record of which a part was dropped nothing is counted: the next start sends it again. */
static void close_part(struct spool_pin *pin)
{
    if (--pin->open > 0)
        return;
    if (pin->is_dropped)
        free_parts(pin);
    else
        queue(pin->home, pin);
}

void pins_finish(struct batch *part, enum flow flow)
{
    struct spool_pin *pin = part->pin;

    CHECK(pin != NULL && pin->open > 0);
    free_body(part);
    part->end = flow_from_spool(flow);
    part->next = pin->done;
    pin->done = part;
    close_part(pin);
}

void pins_share(struct batch *parent, struct batch *halves[2])
{
    if (parent->pin == NULL)
        return;
    parent->pin->open++;
    halves[0]->pin = halves[1]->pin = parent->pin;
    parent->pin = NULL;
}

void pins_drop(struct batch *part)
{
    struct spool_pin *pin = part->pin;

    permit_release(&part->permit);
    batch_free(&part);
    pin->is_dropped = true;
    close_part(pin);
}

struct spool_pin *pins_first(const struct pins *pins)
{
    return pins->head;
}

static struct spool_pin *take_first(struct pins *pins)
{
    struct spool_pin *pin = pins->head;

    CHECK(pin != NULL);
    pins->head = pin->next;
    return pin;
}

void pins_count_first(struct pins *pins)
{
    struct spool_pin *pin = take_first(pins);

    for (const struct batch *part = pin->done; part != NULL; part = part->next) {
        struct tally tally;
        tally.count = 0;
        tally_add_batch(&tally, part);
        tally_move(&tally, part->end, 0);
    }
    free_parts(pin);
}

void pins_forget_all(struct pins *pins)
{
    while (pins->head != NULL)
        free_parts(take_first(pins));
}
