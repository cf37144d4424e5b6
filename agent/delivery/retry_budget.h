/* SPDX-License-Identifier: Apache-2.0 */
/* retry_budget: bounds what retries may add to the load of an endpoint. A bucket of tokens that
 * starts full: a retry takes one, a success puts a tenth back, and time puts back a little too, so
 * that an agent without traffic is not locked out. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct retry_budget {
    int64_t thousandths; /* of a token */
    int64_t filled_ms;   /* until when time has been credited */
};

struct retry_budget retry_budget_make(void);
void retry_budget_success(struct retry_budget *budget);
bool retry_budget_take(struct retry_budget *budget, int64_t now_ms);
/* What is there now, in thousandths of a token. */
int64_t retry_budget_left(const struct retry_budget *budget, int64_t now_ms);
/* When a token will be there if nothing else happens; now_ms or earlier: there is one. */
int64_t retry_budget_ready_ms(const struct retry_budget *budget, int64_t now_ms);
