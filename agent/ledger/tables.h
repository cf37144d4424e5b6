/* SPDX-License-Identifier: Apache-2.0 */
/* tables: the rows of accounts.def, flows.def and numbers.def as enums and as data. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum account {
#define ACCOUNT(name, ...) ACCOUNT_##name,
#include "ledger/accounts.def"
    ACCOUNTS
};

enum flow {
#define FLOW(name, ...) FLOW_##name,
#include "ledger/flows.def"
    FLOWS
};

enum number {
#define NUMBER(name, ...) NUMBER_##name,
#include "ledger/numbers.def"
    NUMBERS
};

struct flow_info {
    const char *name;
    enum account from, to;
    const char *doc;
};
struct account_info {
    const char *name;
    bool held;
    const char *doc;
};
enum number_scope { SCOPE_input, SCOPE_output, SCOPE_agent };
enum number_kind { KIND_counter, KIND_gauge, KIND_thousandths };
struct number_info {
    const char *name;
    enum number_scope scope;
    enum number_kind kind;
    const char *metric, *doc;
};
extern const struct flow_info flow_infos[FLOWS];
extern const struct account_info account_infos[ACCOUNTS];
extern const struct number_info number_infos[NUMBERS];

struct amount {
    uint64_t events, bytes;
};

/* What lies on disk of a lane, as spools found it: (input, output) may be of no configuration.
 * Input
 * "": not all of what lies there for this output could be read; what the books have over it stays
 * in the spool. */
struct ledger_found {
    const char *input, *output;
    struct amount amount;
};
