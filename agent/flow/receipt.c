/* SPDX-License-Identifier: Apache-2.0 */
/* receipt: a list of entries out of one fixed pool, so that a read allocates nothing.
 * Only the count of an entry is shared. Whoever takes it to zero has read beforehand whom to tell,
 * because from that moment the reading may give the entry to another read; and is counted as a
 * teller, because from that moment the list may be freed.
 * Pool entries are used from the front and used ones first, so memory that was never needed is
 * never touched. */
#include "flow/receipt.h"

#include "base/check.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct receipt {
    struct receipts *list; /* constant once the entry was used */
    _Atomic uint64_t open; /* events not settled, and the hold */
    _Atomic uint64_t dropped;
    /* reading's thread only */
    struct receipt *next;
    bool held;
    size_t mark_bytes;
    unsigned char mark[RECEIPT_MARK_BYTES];
};

struct receipts {
    /* constant */
    void (*on_settled)(void *context);
    void *context;
    _Atomic enum receipts_way way;
    /* any thread: those that may have taken a receipt to zero and have not told yet */
    _Atomic unsigned tellers;
    /* reading's thread only */
    struct receipt *oldest, *newest, *free;
    size_t count, touched;
    struct receipt pool[RECEIPTS_MAX];
};

struct receipts *receipts_new(void (*on_settled)(void *context), void *context)
{
    struct receipts *receipts = calloc(1, sizeof(*receipts));

    if (receipts == NULL)
        return NULL;
    receipts->on_settled = on_settled;
    receipts->context = context;
    return receipts;
}

/* With all settled, the last of those who settled may still be about to tell: a call away. */
void receipts_free(struct receipts **receiptsp)
{
    struct receipts *receipts = *receiptsp;

    *receiptsp = NULL;
    while (receipts != NULL && atomic_load_explicit(&receipts->tellers, memory_order_acquire) > 0)
        (void)sched_yield();
    free(receipts);
}

/* Acquire pairs with the release in receipt_release(): what was counted before is visible. */
static bool is_settled(const struct receipt *receipt)
{
    return atomic_load_explicit(&receipt->open, memory_order_acquire) == 0;
}

static void recycle(struct receipts *receipts, struct receipt *receipt)
{
    receipt->next = receipts->free;
    receipts->free = receipt;
    receipts->count--;
}

/* The first bytes of a mark name its stream: marks of other streams say nothing about this one. */
static bool is_same_stream(const struct receipt *a, const struct receipt *b)
{
    return a->mark_bytes >= sizeof(uint64_t) && b->mark_bytes >= sizeof(uint64_t) &&
           memcmp(a->mark, b->mark, sizeof(uint64_t)) == 0;
}

/* Of two finished neighbours of one stream only the later mark matters. Both stay until the ones
 * before them are finished too, so one entry is enough. */
static void merge_neighbours(struct receipts *receipts)
{
    struct receipt **at = &receipts->oldest;

    while (*at != NULL && (*at)->next != NULL) {
        struct receipt *receipt = *at;
        if (is_settled(receipt) && is_settled(receipt->next) &&
            is_same_stream(receipt, receipt->next)) {
            *at = receipt->next;
            recycle(receipts, receipt);
        } else {
            at = &receipt->next;
        }
    }
}

static struct receipt *take_entry(struct receipts *receipts)
{
    struct receipt *receipt = receipts->free;

    if (receipt != NULL)
        receipts->free = receipt->next;
    else if (receipts->touched < RECEIPTS_MAX)
        receipt = &receipts->pool[receipts->touched++];
    return receipt;
}

bool receipts_have_room(struct receipts *receipts, size_t reads)
{
    if (RECEIPTS_MAX - receipts->count < reads)
        merge_neighbours(receipts);
    return RECEIPTS_MAX - receipts->count >= reads;
}

struct receipt *receipts_open(struct receipts *receipts)
{
    struct receipt *receipt;

    if (receipts->count == RECEIPTS_MAX)
        merge_neighbours(receipts);
    receipt = take_entry(receipts);
    if (receipt == NULL)
        return NULL;
    receipt->list = receipts;
    receipt->next = NULL;
    receipt->held = true;
    receipt->mark_bytes = 0;
    atomic_store_explicit(&receipt->open, 1, memory_order_relaxed);
    atomic_store_explicit(&receipt->dropped, 0, memory_order_relaxed);
    if (receipts->oldest == NULL)
        receipts->oldest = receipt;
    else
        receipts->newest->next = receipt;
    receipts->newest = receipt;
    receipts->count++;
    return receipt;
}

void receipts_hold_done(struct receipts *receipts, struct receipt *receipt, const void *mark,
                        size_t mark_bytes)
{
    CHECK(receipt->list == receipts && receipt->held && mark_bytes <= RECEIPT_MARK_BYTES);
    if (mark_bytes > 0)
        memcpy(receipt->mark, mark, mark_bytes);
    receipt->mark_bytes = mark_bytes;
    receipt->held = false;
    receipt_release(receipt, 1);
}

bool receipts_pop_settled(struct receipts *receipts, void *ret_mark, size_t *ret_mark_bytes)
{
    struct receipt *receipt = receipts->oldest;

    if (receipt == NULL || !is_settled(receipt))
        return false;
    memcpy(ret_mark, receipt->mark, receipt->mark_bytes);
    *ret_mark_bytes = receipt->mark_bytes;
    receipts->oldest = receipt->next;
    recycle(receipts, receipt);
    return true;
}

size_t receipts_count(const struct receipts *receipts)
{
    return receipts->count;
}

uint64_t receipts_dropped(const struct receipts *receipts)
{
    const struct receipt *receipt = receipts->oldest;

    return receipt == NULL ? 0 : atomic_load_explicit(&receipt->dropped, memory_order_relaxed);
}

void receipts_cancel(struct receipts *receipts, struct receipt *receipt)
{
    struct receipt *before = NULL;

    CHECK(receipt == receipts->newest && receipt->held && atomic_load(&receipt->open) == 1);
    for (struct receipt *at = receipts->oldest; at != receipt; at = at->next)
        before = at;
    if (before == NULL)
        receipts->oldest = NULL;
    else
        before->next = NULL;
    receipts->newest = before;
    receipt->held = false;
    atomic_store(&receipt->open, 0);
    recycle(receipts, receipt);
}

void receipts_set_way(struct receipts *receipts, enum receipts_way way)
{
    atomic_store(&receipts->way, way);
}

bool receipt_goes_back(const struct receipt *receipt, bool by_books)
{
    enum receipts_way way = RECEIPTS_BY_BOOKS;

    if (receipt != NULL)
        way = atomic_load(&receipt->list->way);
    return way == RECEIPTS_BY_BOOKS ? by_books : way == RECEIPTS_GO_BACK;
}

bool receipt_is_of(const struct receipt *receipt, const struct receipts *receipts)
{
    return receipt != NULL && receipt->list == receipts;
}

void receipt_add(struct receipt *receipt, uint64_t events)
{
    uint64_t before;

    if (receipt == NULL || events == 0)
        return;
    before = atomic_fetch_add_explicit(&receipt->open, events, memory_order_relaxed);
    CHECK(before > 0); /* events start only while the hold or another event of the read is open */
}

struct receipts *receipt_settle(struct receipt *receipt, uint64_t events)
{
    if (receipt == NULL || events == 0)
        return NULL;
    struct receipts *list = receipt->list;
    atomic_fetch_add_explicit(&list->tellers, 1, memory_order_relaxed); /* first: see at the top */
    uint64_t before = atomic_fetch_sub_explicit(&receipt->open, events, memory_order_acq_rel);
    CHECK(before >= events);
    if (before == events)
        return list;
    receipts_spare(list);
    return NULL;
}

void receipts_spare(struct receipts *receipts)
{
    atomic_fetch_sub_explicit(&receipts->tellers, 1, memory_order_release);
}

void receipts_tell(struct receipts *receipts)
{
    if (receipts == NULL)
        return;
    if (receipts->on_settled != NULL)
        receipts->on_settled(receipts->context);
    receipts_spare(receipts);
}

void receipt_release(struct receipt *receipt, uint64_t events)
{
    receipts_tell(receipt_settle(receipt, events));
}

void receipt_note_dropped(struct receipt *receipt, uint64_t events)
{
    if (receipt != NULL)
        atomic_fetch_add_explicit(&receipt->dropped, events, memory_order_relaxed);
}

void receipt_drop(struct receipt *receipt, uint64_t events)
{
    receipt_note_dropped(receipt, events);
    receipt_release(receipt, events);
}
