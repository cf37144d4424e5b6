/* SPDX-License-Identifier: Apache-2.0 */
/* counters: adding to the books of a lane and reading them, from any thread, without locks.
 * All is relaxed: each counter stands alone, and whoever needs two to agree stands still. */
#include "base/bell.h"
#include "base/check.h"
#include "ledger/books_file.h"

static _Atomic int news_bell =
    -1; /* the books are shared memory, with no room for a process's own */

void ledger_ring_at_first_drop(int bell)
{
    atomic_store(&news_bell, bell);
}

/* Returns true if it was empty. */
static bool add_to(struct cell *cell, uint64_t events, uint64_t bytes)
{
    uint64_t before = atomic_fetch_add_explicit(&cell->events, events, memory_order_relaxed);
    before |= atomic_fetch_add_explicit(&cell->bytes, bytes, memory_order_relaxed);
    return before == 0;
}

static struct amount read_cell(const struct cell *cell)
{
    return (struct amount){ atomic_load_explicit(&cell->events, memory_order_relaxed),
                            atomic_load_explicit(&cell->bytes, memory_order_relaxed) };
}

void ledger_move(struct books *books, enum flow flow, uint64_t events, uint64_t bytes)
{
    ledger_move_cell(books, flow, 0, events, bytes);
}

void ledger_move_cell(struct books *books, enum flow flow, unsigned cell, uint64_t events,
                      uint64_t bytes)
{
    CHECK((unsigned)flow < FLOWS && cell < books_flow_cells[flow].count);
    bool is_first = add_to(&books->cells[books_flow_cells[flow].first + cell], events, bytes);
    int bell = is_first ? atomic_load(&news_bell) : -1;
    /* Once for a lane and a reason. A lock may be held, but nothing waits for an eventfd. */
    if (bell >= 0 && flow_infos[flow].to == ACCOUNT_dropped)
        bell_ring(bell);
}

struct amount ledger_flow(const struct books *books, enum flow flow)
{
    struct amount sum = { 0, 0 };
    for (uint32_t i = 0; i < books_flow_cells[flow].count; i++) {
        struct amount cell = read_cell(&books->cells[books_flow_cells[flow].first + i]);
        sum.events += cell.events;
        sum.bytes += cell.bytes;
    }
    return sum;
}

/* into: 1 for an inflow, -1 for an outflow, 0 for neither. */
static inline __attribute__((always_inline)) void add_flow(struct amount *stock,
                                                           const struct books *books, int into,
                                                           unsigned first_cell, unsigned last_cell)
{
    for (unsigned i = first_cell; into != 0 && i <= last_cell; i++) {
        struct amount moved = read_cell(&books->cells[i]);
        stock->events += into > 0 ? moved.events : 0 - moved.events;
        stock->bytes += into > 0 ? moved.bytes : 0 - moved.bytes;
    }
}

/* Inlined for each account, so that only its own flows are left in it: audits are frequent. */
static inline __attribute__((always_inline)) struct amount stock_of(const struct books *books,
                                                                    enum account account)
{
    struct amount stock = { 0, 0 };
#define FLOW(name, from, to, doc)                                                                  \
    add_flow(&stock, books, (ACCOUNT_##to == account) - (ACCOUNT_##from == account), CELL_##name,  \
             CELL_LAST_##name);
#include "ledger/flows.def"
    return stock;
}

struct amount ledger_stock(const struct books *books, enum account account)
{
    switch (account) {
#define ACCOUNT(name, held, doc)                                                                   \
    case ACCOUNT_##name:                                                                           \
        return stock_of(books, ACCOUNT_##name);
#include "ledger/accounts.def"
    case ACCOUNTS:
        break;
    }
    CHECK(false);
}

struct amount ledger_stock_cell(const struct books *books, unsigned cell)
{
    struct amount stock = { 0, 0 };

    CHECK(cell < LEDGER_CELLS);
#define FLOW(name, from, to, doc)                                                                  \
    add_flow(&stock, books, (ACCOUNT_##to == ACCOUNT_batch) - (ACCOUNT_##from == ACCOUNT_batch),   \
             CELL_##name + cell, CELL_##name + cell);
#include "ledger/flows.def"
    return stock;
}

bool ledger_audit(struct books *books, enum account account, unsigned cell, struct amount held)
{
    CHECK((unsigned)account < ACCOUNTS && cell < books_account_measured[account].count);
    struct measured *measured = &books->measured[books_account_measured[account].first + cell];
    struct amount stock =
        account == ACCOUNT_batch ? ledger_stock_cell(books, cell) : ledger_stock(books, account);

    atomic_store_explicit(&measured->held.events, held.events, memory_order_relaxed);
    atomic_store_explicit(&measured->held.bytes, held.bytes, memory_order_relaxed);
    atomic_store_explicit(&measured->differing_events, (int64_t)(held.events - stock.events),
                          memory_order_relaxed);
    atomic_store_explicit(&measured->differing_bytes, (int64_t)(held.bytes - stock.bytes),
                          memory_order_relaxed);
    return held.events == stock.events && held.bytes == stock.bytes;
}

void numbers_add(struct numbers *numbers, enum number number, uint64_t count)
{
    atomic_fetch_add_explicit(&numbers->values[number], count, memory_order_relaxed);
}

void numbers_set(struct numbers *numbers, enum number number, uint64_t value)
{
    atomic_store_explicit(&numbers->values[number], value, memory_order_relaxed);
}

uint64_t numbers_get(const struct numbers *numbers, enum number number)
{
    return atomic_load_explicit(&numbers->values[number], memory_order_relaxed);
}

/* ---- what a crash would leave ---- */

bool ledger_is_rereadable(const struct books *books)
{
    return atomic_load_explicit(&books->rereadable, memory_order_relaxed) != 0;
}

void ledger_set_rereadable(struct books *books, bool rereadable)
{
    atomic_store_explicit(&books->rereadable, rereadable, memory_order_relaxed);
}
