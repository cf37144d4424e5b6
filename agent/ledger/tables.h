/* SPDX-License-Identifier: Apache-2.0 */
/* tables: the rows of accounts.def, flows.def, numbers.def and histograms.def as enums and as data.
 */
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

enum histogram {
#define HISTOGRAM(name, ...) HISTOGRAM_##name,
#include "ledger/histograms.def"
    HISTOGRAMS
};
enum { HISTOGRAM_BUCKETS = 18 };

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
struct histogram_info {
    const char *name;
    enum number_scope scope;
    const char *metric, *doc;
};
extern const struct histogram_info histogram_infos[HISTOGRAMS];
/* A bucket counts what took at most this long and longer than the bound before; the last bound is
 * UINT64_MAX. */
extern const uint64_t histogram_bounds_ms[HISTOGRAM_BUCKETS];

struct amount {
    uint64_t events, bytes;
};

/* What lies on disk of a lane, as spools found it: (input, output) may be of no configuration. */
struct ledger_found {
    const char *input, *output;
    struct amount amount;
};
