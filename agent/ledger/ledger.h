/* SPDX-License-Identifier: Apache-2.0 */
/* ledger: the books. One monotonic counter for each flow between two accounts, for each lane.
 * Promise: to move n events is one atomic add, never torn, not even by kill -9. Leaving an account
 * needs a flow, so a loss without a reason cannot be written. Counting cannot be switched off.
 * The live books are a mapped file on tmpfs that describes itself; after a crash the next start
 * closes the books of the dead one.
 * Threads: ledger_move() any, without locks; the account's owner calls it. ledger_open/lane/close:
 * main. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "ledger/histograms.h"

#include <stdatomic.h>
#include <stdint.h>

/* A batch worker owns a `batch` account of its own: flows into and out of `batch` have a cell for
 * each worker, all others only cell 0. */
enum { LEDGER_CELLS = 8, LEDGER_LANES = 128, LEDGER_OUTPUTS = 32, LEDGER_NAME = 64 };
/* Lanes of this start, and as many again that only carry closing entries of the start before. */
enum { LEDGER_SLOTS = 2 * LEDGER_LANES };

struct ledger;
struct books;   /* of one lane */
struct numbers; /* of one scope instance: a reading's lane, an output, the agent */

struct ledger_config {
    const char *state_dir;
    const char *runtime_dir;
    bool runtime_dir_is_default; /* then the user's own runtime directory is tried next, quietly */
    const struct ledger_found *found;
    size_t found_count;
};

/* What was found of the start before. */
enum predecessor {
    PREDECESSOR_NONE,
    PREDECESSOR_CLEAN,
    PREDECESSOR_EXACT,
    PREDECESSOR_STALE,
    PREDECESSOR_UNREADABLE
};

/* Makes new books beside those of a dead predecessor, closes those (each lane: what was held
 * becomes `replay_*` if its input can be read again, else `crash_*`, but `hand_over` for what was
 * found on disk), and replaces them by one rename. The caller holds the lock of the state
 * directory. Never fails for a full or missing runtime_dir: then the books lie in anonymous memory,
 * and ledger_place() says so. NULL: out of memory, err set. */
struct ledger *ledger_open(const struct ledger_config *config, struct err *err);
/* From here on a dead agent is no loss: what a saved copy made later says, too. */
void ledger_mark_closed(struct ledger *ledger);
/* The agent dies of a fault of its own: the next start will ask what it had in hand. Callable from
 * a signal handler. */
void ledger_mark_crashed(struct ledger *ledger);
const struct ledger *ledger_current(void);  /* what this process counts in; NULL: none */
void ledger_close(struct ledger **ledgerp); /* marks the books as closed; unmaps */

const char *ledger_place(const struct ledger *ledger); /* "file …", "anonymous memory: reason" */
const char *ledger_live_path(const struct ledger *ledger); /* "": anonymous memory */
enum predecessor ledger_predecessor(const struct ledger *ledger);
/* Why it could not be read, or in part, and what was done instead; "": nothing to say. */
const char *ledger_predecessor_note(const struct ledger *ledger);
int64_t ledger_started_real_ns(const struct ledger *ledger);
const char *ledger_agent_id(const struct ledger *ledger); /* 32 hex digits, kept in state_dir */
const char *ledger_start_id(const struct ledger *ledger); /* 32 hex digits, new at each start */

/* The books of lane (input, output): the slot of that name, or a new one. NULL: all slots are
 * taken. Names longer than LEDGER_NAME-1 are refused by the configuration. */
struct books *ledger_lane(struct ledger *ledger, const char *input, const char *output,
                          bool rereadable);
bool ledger_is_rereadable(const struct books *books); /* after a crash: read again, or lost */
void ledger_set_rereadable(struct books *books, bool rereadable);
const char *ledger_input_name(const struct books *books);
struct numbers *ledger_lane_numbers(struct books *books);
struct numbers *ledger_output_numbers(struct ledger *ledger, const char *output); /* NULL: full */
struct numbers *ledger_agent_numbers(struct ledger *ledger);

/* The only way to count events. */
void ledger_move(struct books *books, enum flow flow, uint64_t events, uint64_t bytes);
void ledger_move_cell(struct books *books, enum flow flow, unsigned cell, uint64_t events,
                      uint64_t bytes);
/* Rings this bell at the first drop for a reason in a lane; -1: none. For the whole process. */
void ledger_ring_at_first_drop(int bell);

struct amount ledger_flow(const struct books *books, enum flow flow); /* sum of its cells */
/* Inflow less outflow, exact while the account's owner stands still. */
struct amount ledger_stock(const struct books *books, enum account account);
struct amount ledger_stock_cell(const struct books *books, unsigned cell); /* a worker's `batch` */

/* The owner of an account, standing still, says what it physically holds. Stored as measured, with
 * the difference to the books. cell: the worker for `batch`, else 0. Returns true if they agree. */
bool ledger_audit(struct books *books, enum account account, unsigned cell, struct amount held);

void numbers_add(struct numbers *numbers, enum number number, uint64_t count);
void numbers_set(struct numbers *numbers, enum number number, uint64_t value);
uint64_t numbers_get(const struct numbers *numbers, enum number number);
/* A reader's copy of one lane, taken without locks. */
struct lane_snapshot {
    char input[LEDGER_NAME], output[LEDGER_NAME];
    struct amount flows[FLOWS];   /* of this start */
    struct amount closing[FLOWS]; /* entries that closed the predecessor's books */
    struct amount
        measured[ACCOUNTS];    /* by the last audits; accounts that are not held: from the books */
    int64_t difference_events; /* sum of the audits' differences: `balance`, 0 or a bug */
    unsigned differences;      /* audits that differ in events or bytes, also where the sum is 0 */
    uint64_t numbers[NUMBERS];
};
unsigned ledger_lane_count(const struct ledger *ledger);
void ledger_snapshot(const struct ledger *ledger, unsigned lane, struct lane_snapshot *ret);
const struct books *ledger_books(const struct ledger *ledger, unsigned lane); /* books_layout.h */
unsigned ledger_output_count(const struct ledger *ledger);
void ledger_output_snapshot(const struct ledger *ledger, unsigned output, char name[LEDGER_NAME],
                            uint64_t ret_numbers[NUMBERS]);
const struct numbers *ledger_output_row(const struct ledger *ledger, unsigned output);
void ledger_agent_snapshot(const struct ledger *ledger, uint64_t ret_numbers[NUMBERS]);

/* The checksummed copy of the books for state_dir: to be written by the disk thread. */
bool ledger_save_image(struct ledger *ledger, struct buf *ret);
const char *ledger_save_path(const struct ledger *ledger); /* of that copy */
