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
