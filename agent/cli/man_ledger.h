/* SPDX-License-Identifier: Apache-2.0 */
/* man_ledger: the man page spillway-ledger(7), from the tables of accounts and flows. */
#pragma once

#include "base/buf.h"

void man_ledger(struct buf *ret);
