/* SPDX-License-Identifier: Apache-2.0 */
/* batch: encoded, compressed, sealed bytes with an identity and the runs of events in them, in
 * order. Made by a batch worker, owned by the delivery from then on. The body never changes. */
#pragma once

#include "delivery/body_pool.h"
#include "flow/budget.h"
#include "flow/receipt.h"
#include "ledger/ledger.h"

#include <stddef.h>
#include <stdint.h>

/* Consecutive events of one lane under one receipt. */
struct batch_run {
    struct books *books;
    struct receipt *receipt; /* NULL: the input takes none */
    uint64_t events, bytes;  /* as the books count them */
};

/* Why an endpoint took an event not, and never will. */
struct refusal {
    enum flow flow;   /* what the loss is counted as */
    char reason[128]; /* "status 422" */
    char answer[256]; /* how the endpoint's answer begins; "": none */
};

enum { BATCH_KEY_BYTES = 224 };

/* The record on disk that a batch was read from, shared by the parts of a split: it is done when
 * all of them are. */
struct spool_pin {
    uint64_t segment, at;
    unsigned open;      /* parts that are not done */
    bool is_dropped;    /* a part is not sent any more: the record stays as it is on disk */
    struct batch *done; /* the others, linked by `next`: see pins.h */
    struct pins *home;
    struct spool_pin *next;
};

struct batch {
    uint32_t magic;
    /* Idempotency-Key, "<agent id>-<start id>-<output>-<sequence>", parts of a split get "/0" and
     * "/1". */
    char key[BATCH_KEY_BYTES];
    uint64_t sequence;      /* of the output, from 1; parts keep their parent's */
    char *body;             /* malloc'd, or from the pool */
    struct body_pool *pool; /* where the body goes in the end; NULL: freed. Outlives the batch */
    size_t body_bytes, raw_bytes;
    uint8_t encoding, compression; /* enum encoding, enum compression of plugins/plugin.h */
    struct batch_run *runs;        /* malloc'd */
    size_t run_count;
    uint64_t events, bytes; /* sums of the runs */
    unsigned worker;        /* whose `batch` account it leaves: the cell for `seal` */
    int64_t oldest_boot_ms; /* admission of its oldest event, clock_boot_ms() */
    struct permit permit;   /* for body_bytes; released with the batch, under the delivery's lock */
    /* The delivery's own: */
    struct batch *next;
    unsigned attempts;
    uint64_t ticket; /* of the request in flight, see limiter.h */
    int64_t due_ms;
    bool suspect_connection_retry_used;
    bool may_be_poisoned;  /* one event, refused by an endpoint that took nothing yet */
    bool was_passed;       /* the next one went before it, as a probe: that comes back behind it */
    struct spool_pin *pin; /* NULL: not from the spool. Else its events are in account `spool` */
    enum flow end;         /* of a batch with a pin that is done: its last entry in the books */
    struct refusal *refusal; /* malloc'd; NULL: it was not refused */
};

struct batch *batch_new(void); /* NULL: out of memory */
/* Releases the receipts of all its runs. A reading is told once for all that stand together. */
void batch_settle(const struct batch *batch);
void batch_note_dropped(const struct batch *batch); /* before it is settled */
void batch_free(struct batch **batchp); /* frees body and runs; CHECKs that the permit is inert */
