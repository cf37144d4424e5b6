/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/books_left.h"

#include "base/json.h"
#include "ledger/books_numbers.h"

/* No agent ever held as many events or bytes: the counters are damaged. */
#define STOCK_MAX (INT64_C(1) << 48)

static bool read_name(const struct books_image *image, const char *lane, uint32_t at,
                      char ret_name[LEDGER_NAME])
{
    char escaped[6 * LEDGER_NAME + 32];
    size_t bytes = strnlen(lane + at, image->header.name_bytes);
    uint64_t replaced = 0;

    if (bytes == 0 || bytes >= LEDGER_NAME || bytes == image->header.name_bytes)
        return false;
    /* Names go into the log and the metrics, so they are text: the escaper knows what UTF-8 is. */
    (void)json_escape(escaped, (struct slice){ lane + at, bytes }, &replaced);
    if (replaced > 0)
        return false;
    memcpy(ret_name, lane + at, bytes);
    ret_name[bytes] = '\0';
    return true;
}

/* The stock of each account of the file. Unsigned: wraps back where outflow was added first. */
static void sum_stocks(const struct books_image *image, const char *lane,
                       struct amount stocks[BOOKS_ACCOUNTS_MAX])
{
    memset(stocks, 0, BOOKS_ACCOUNTS_MAX * sizeof(*stocks));
    for (uint32_t i = 0; i < image->header.flows.rows; i++) {
        struct books_flow_row flow;
        books_image_row(image, &image->header.flows, i, &flow, sizeof(flow));
        struct amount moved = books_image_moved(image, lane, &flow);
        stocks[flow.to].events += moved.events;
        stocks[flow.to].bytes += moved.bytes;
        stocks[flow.from].events -= moved.events;
        stocks[flow.from].bytes -= moved.bytes;
    }
}

/* A copy taken while others counted may be below 0 by what moved meanwhile: then nothing is left.
 */
static bool settle(uint64_t *stock)
{
    int64_t value = (int64_t)*stock;

    if (value < 0)
        *stock = 0;
    return value < STOCK_MAX && value > -STOCK_MAX;
}

/* The account of that name. What this build does not know was held too: it was in memory. */
static enum account account_named(const char *name)
{
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        if (strcmp(account_infos[i].name, name) == 0)
            return (enum account)i;
    }
    return ACCOUNT_ring;
}

static enum flow closing_flow(enum account from, bool rereadable)
{
    enum flow crash = FLOWS;

    for (unsigned i = 0; i < FLOWS; i++) {
        if (flow_infos[i].from != from)
            continue;
        if (rereadable && flow_infos[i].to == ACCOUNT_world)
            return (enum flow)i;
        if (flow_infos[i].to == ACCOUNT_lost)
            crash = (enum flow)i;
    }
    return crash;
}

/* What was found on disk (R) against the stock of the spool (S): the lesser of both is handed over,
 * and R over S was written and not yet counted, out of ready, if that start had the spool at all.
 * What remains is closed like all else. R is without the batches that were done, but for their
 * marks: those are in no account any more. */
static void hand_over(uint64_t found, uint64_t *spool, uint64_t *ready, uint64_t *ret_from_spool,
                      uint64_t *ret_from_ready)
{
    *ret_from_spool = found < *spool ? found : *spool;
    *spool -= *ret_from_spool;
    found -= *ret_from_spool;
    *ret_from_ready = found < *ready ? found : *ready;
    *ready -= *ret_from_ready;
}

/* is_partial: what is missing may lie where nothing can be read now, which is no reason to call it
 * lost. */
static void hand_over_found(struct amount found, bool is_partial, struct amount *spool,
                            struct amount *ready, struct books_left *left)
{
    struct amount *from_spool = &left->closing[FLOW_hand_over];
    struct amount *from_ready = &left->closing[FLOW_hand_over_ready];

    hand_over(found.events, &spool->events, &ready->events, &from_spool->events,
              &from_ready->events);
    hand_over(found.bytes, &spool->bytes, &ready->bytes, &from_spool->bytes, &from_ready->bytes);
    if (!is_partial)
        return;
    left->unread = *spool;
    from_spool->events += spool->events;
    from_spool->bytes += spool->bytes;
    *spool = (struct amount){ 0, 0 };
}

/* Of books that were closed: what was left had its entries then. But a spool lives on. */
static bool is_closed_already(const struct books_image *image, const struct books_account_row *row)
{
    return atomic_load(&image->header.state) == BOOKS_CLOSED &&
           account_named(row->name) != ACCOUNT_spool;
}

/* Settles the stocks of what was held; found is taken out of those of spool and ready. */
static bool settle_stocks(const struct books_image *image, struct amount found, bool is_partial,
                          struct amount stocks[BOOKS_ACCOUNTS_MAX], struct books_left *left)
{
    struct amount none = { 0, 0 }, *spool = &none, *ready = &none;
    bool has_spool = books_image_output_number(image, left->output, NUMBER_spool_max_bytes) > 0;

    for (uint32_t i = 0; i < image->header.accounts.rows; i++) {
        struct books_account_row row;
        books_image_row(image, &image->header.accounts, i, &row, sizeof(row));
        if (row.held && (!settle(&stocks[i].events) || !settle(&stocks[i].bytes)))
            return false;
        if (row.held && account_named(row.name) == ACCOUNT_spool)
            spool = &stocks[i];
        if (row.held && account_named(row.name) == ACCOUNT_ready && has_spool &&
            !is_closed_already(image, &row))
            ready = &stocks[i];
    }
    hand_over_found(found, is_partial, spool, ready, left);
    return true;
}

static bool is_partial(const struct books_image *image, const char *output)
{
    for (size_t i = 0; i < image->found_count; i++) {
        if (image->found[i].input[0] == '\0' && strcmp(image->found[i].output, output) == 0)
            return true;
    }
    return false;
}

static uint64_t less(uint64_t from, uint64_t amount)
{
    return from > amount ? from - amount : 0;
}

/* Returns whether anything was left. */
static bool close_accounts(const struct books_image *image, const char *lane, struct amount on_disk,
                           struct books_left *left)
{
    struct amount stocks[BOOKS_ACCOUNTS_MAX];
    bool found;

    sum_stocks(image, lane, stocks);
    if (!settle_stocks(image, on_disk, is_partial(image, left->output), stocks, left)) {
        left->damaged = true;
        return true;
    }
    found = left->closing[FLOW_hand_over].events + left->closing[FLOW_hand_over].bytes +
                left->closing[FLOW_hand_over_ready].events >
            0;
    for (uint32_t i = 0; i < image->header.accounts.rows; i++) {
        struct books_account_row row;
        struct amount *stock = &stocks[i];
        books_image_row(image, &image->header.accounts, i, &row, sizeof(row));
        if (!row.held || is_closed_already(image, &row))
            continue;
        enum flow flow = closing_flow(account_named(row.name), left->rereadable);
        if (flow == FLOWS)
            continue;
        left->closing[flow].events += stock->events;
        left->closing[flow].bytes += stock->bytes;
        found = found || stock->events > 0 || stock->bytes > 0;
    }
    return found;
}

static struct amount find_found(const struct books_image *image, unsigned lane,
                                const struct books_left *left)
{
    struct amount found = { 0, 0 };

    for (size_t i = 0; i < image->found_count; i++) {
        const struct ledger_found *item = &image->found[i];
        if (strcmp(item->input, left->input) == 0 && strcmp(item->output, left->output) == 0)
            found = item->amount;
    }
    found.events =
        less(found.events, books_image_lane_number(image, lane, NUMBER_spool_unmarked_events));
    found.bytes =
        less(found.bytes, books_image_lane_number(image, lane, NUMBER_spool_unmarked_bytes));
    return found;
}

bool books_left_in(const struct books_image *image, unsigned lane, struct books_left *ret)
{
    const struct books_header *header = &image->header;
    const char *row = books_image_lane(image, lane);
    uint64_t rereadable;

    memset(ret, 0, sizeof(*ret));
    memcpy(&rereadable, row + header->rereadable_at, sizeof(rereadable));
    ret->rereadable = rereadable != 0;
    if (!read_name(image, row, header->input_at, ret->input) ||
        !read_name(image, row, header->output_at, ret->output)) {
        ret->damaged = true;
        return true;
    }
    bool has_left = close_accounts(image, row, find_found(image, lane, ret), ret);
    if (ret->damaged)
        memset(ret->closing, 0, sizeof(ret->closing));
    return has_left;
}
