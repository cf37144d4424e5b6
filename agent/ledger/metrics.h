/* SPDX-License-Identifier: Apache-2.0 */
/* metrics: the ledger as text for Prometheus, straight from the tables: the classic text exposition
 * format 0.0.4, or OpenMetrics 1.0. Names of samples are the same in both. */
#pragma once

#include "ledger/ledger.h"

enum metrics_format { METRICS_CLASSIC, METRICS_OPENMETRICS };
/* What a scraper with this Accept header prefers; NULL: no header. */
enum metrics_format metrics_choose(const char *accept);
const char *metrics_content_type(enum metrics_format format);
bool metrics_write(const struct ledger *ledger, enum metrics_format format, struct buf *ret);
