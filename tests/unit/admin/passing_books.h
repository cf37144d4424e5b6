/* SPDX-License-Identifier: Apache-2.0 */
/* passing_books: books that are gone with the process, for tests that only show them. */
#pragma once

#include "ledger/ledger.h"

static inline struct ledger *open_passing_books(void)
{
    struct err err = { "" };
    /* /proc is no tmpfs. */
    struct ledger_config config = { .state_dir = "/nonexistent", .runtime_dir = "/proc" };
    return ledger_open(&config, &err);
}

static inline int open_books(void **context)
{
    *context = open_passing_books();
    return *context == NULL ? -1 : 0;
}

static inline int close_books(void **context)
{
    ledger_close((struct ledger **)context);
    return 0;
}
