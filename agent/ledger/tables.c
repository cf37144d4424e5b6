/* SPDX-License-Identifier: Apache-2.0 */
/* tables: the rows of the .def files as data. */
#include "ledger/ledger.h"

const struct account_info account_infos[ACCOUNTS] = {
#define ACCOUNT(account, is_held, text) [ACCOUNT_##account] = { #account, is_held, text },
#include "ledger/accounts.def"
};

const struct flow_info flow_infos[FLOWS] = {
#define FLOW(flow, source, target, text)                                                           \
    [FLOW_##flow] = { #flow, ACCOUNT_##source, ACCOUNT_##target, text },
#include "ledger/flows.def"
};

const struct number_info number_infos[NUMBERS] = {
#define NUMBER(number, of, what, family, text)                                                     \
    [NUMBER_##number] = { #number, SCOPE_##of, KIND_##what, family, text },
#include "ledger/numbers.def"
};

const struct histogram_info histogram_infos[HISTOGRAMS] = {
#define HISTOGRAM(histogram, of, family, text)                                                     \
    [HISTOGRAM_##histogram] = { #histogram, SCOPE_##of, family, text },
#include "ledger/histograms.def"
};

const uint64_t histogram_bounds_ms[HISTOGRAM_BUCKETS] = {
    1,    5,    10,    25,    50,    100,    250,     500,     1000,
    2500, 5000, 10000, 30000, 60000, 300000, 1800000, 7200000, UINT64_MAX,
};
