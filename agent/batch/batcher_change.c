/* SPDX-License-Identifier: Apache-2.0 */
/* batcher_change: other lanes or options for a batcher, prepared in the main thread and committed
 * while its worker stands. */
#include "base/auto.h"
#include "base/check.h"
#include "batch/batcher_state.h"

enum { QUANTUM_BYTES = 256 * 1024 };

struct batcher_change {
    struct batcher_config config;
    struct workshop workshop; /* without an encoder: it stays as it is */
    struct scheduler *scheduler;
};

void batcher_note_lanes(struct batcher *batcher)
{
    for (size_t i = 0; i < batcher->config.lane_count; i++) {
        struct books *books = lane_books(batcher->config.lanes[i]);
        size_t at = 0;
        while (at < batcher->seen_count && batcher->seen[at] != books)
            at++;
        CHECK(at < LEDGER_LANES); /* the books have no more */
        batcher->seen[at] = books;
        if (at == batcher->seen_count)
            batcher->seen_count++;
    }
}

struct scheduler *batcher_make_scheduler(const struct batcher_config *config)
{
    uint64_t weights[LEDGER_LANES];

    CHECK(config->lane_count <= LEDGER_LANES && config->index < LEDGER_CELLS);
    for (size_t i = 0; i < config->lane_count; i++)
        weights[i] = lane_weight(config->lanes[i]);
    return scheduler_new(weights, config->lane_count, QUANTUM_BYTES);
}

void batcher_change_free(struct batcher_change **changep)
{
    struct batcher_change *change = *changep;

    *changep = NULL;
    if (change == NULL)
        return;
    scheduler_free(&change->scheduler);
    workshop_fini(&change->workshop);
    free(change);
}

struct batcher_change *batcher_prepare(const struct batcher_config *config, bool options,
                                       struct err *err)
{
    AUTO(batcher_change_free) struct batcher_change *change = calloc(1, sizeof(*change));

    if (change == NULL || (change->scheduler = batcher_make_scheduler(config)) == NULL) {
        (void)err_set(err, "out of memory for a batch worker");
        return NULL;
    }
    change->config = *config;
    if (options && !workshop_init(&change->workshop, config, err))
        return NULL;
    struct batcher_change *made = change;
    change = NULL;
    return made;
}

/* A body that waits for its permit lies in the workshop that it was made in. If that is the one of
 * before, nothing was made in the one of now, and it goes. */
static void change_workshop(struct batcher *batcher, struct workshop *next)
{
    if (batcher->open.body.data != NULL && batcher->before.encoder == NULL)
        batcher->before = batcher->workshop;
    else
        workshop_fini(&batcher->workshop);
    batcher->workshop = *next;
    *next = (struct workshop){ .encoder = NULL };
}

void batcher_commit(struct batcher *batcher, struct lane *const *lanes,
                    struct batcher_change **changep)
{
    struct batcher_change *change = *changep;

    batcher->config = change->config;
    batcher->config.lanes = lanes;
    batcher_note_lanes(batcher);
    scheduler_free(&batcher->scheduler);
    batcher->scheduler = change->scheduler;
    change->scheduler = NULL;
    if (change->workshop.encoder != NULL)
        change_workshop(batcher, &change->workshop);
    batcher_change_free(changep);
}

bool batcher_holds(const struct batcher *batcher, const struct receipts *receipts)
{
    for (size_t i = 0; i < batcher->open.run_count; i++) {
        if (receipt_is_of(batcher->open.runs[i].receipt, receipts))
            return true;
    }
    return false;
}

int64_t batcher_oldest_boot_ms(const struct batcher *batcher)
{
    const struct hand *hand = &batcher->hand;
    int64_t oldest_ms = INT64_MAX;

    if (batcher->open.events > 0)
        oldest_ms = batcher->open.oldest_boot_ms;
    /* Before its first record is read the time is 0: as old as can be. */
    if (hand->piece != NULL && hand->reader.run.boot_ms < oldest_ms)
        oldest_ms = hand->reader.run.boot_ms;
    return oldest_ms;
}
