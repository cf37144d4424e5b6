/* SPDX-License-Identifier: Apache-2.0 */
/* metrics: the ledger as Prometheus text (text exposition format 0.0.4), straight from the tables.
 */
#pragma once

#include "ledger/ledger.h"

bool metrics_write(const struct ledger *ledger, struct buf *ret);
