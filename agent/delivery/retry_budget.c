/* SPDX-License-Identifier: Apache-2.0 */
/* retry_budget: whole numbers of thousandths, so that a tenth added ten times is a token. */
#include "delivery/retry_budget.h"

enum {
    TOKEN = 1000,
    FULL = 10 * TOKEN,
    PER_SUCCESS = TOKEN / 10,
    MS_PER_THOUSANDTH = 10, /* one token in ten seconds */
};

struct retry_budget retry_budget_make(void)
{
    return (struct retry_budget){ .thousandths = FULL };
}

static void add(struct retry_budget *budget, int64_t thousandths)
{
    if (thousandths > FULL - budget->thousandths)
        thousandths = FULL - budget->thousandths;
    budget->thousandths += thousandths;
}

/* The remainder that is not worth a thousandth stays uncredited for the next time. */
static void fill(struct retry_budget *budget, int64_t now_ms)
{
    int64_t earned;

    if (now_ms <= budget->filled_ms)
        return;
    earned = (now_ms - budget->filled_ms) / MS_PER_THOUSANDTH;
    add(budget, earned);
    budget->filled_ms += earned * MS_PER_THOUSANDTH;
}

void retry_budget_success(struct retry_budget *budget)
{
    add(budget, PER_SUCCESS);
}

bool retry_budget_take(struct retry_budget *budget, int64_t now_ms)
{
    fill(budget, now_ms);
    if (budget->thousandths < TOKEN)
        return false;
    budget->thousandths -= TOKEN;
    return true;
}

int64_t retry_budget_left(const struct retry_budget *budget, int64_t now_ms)
{
    struct retry_budget then = *budget;

    fill(&then, now_ms);
    return then.thousandths;
}

int64_t retry_budget_ready_ms(const struct retry_budget *budget, int64_t now_ms)
{
    struct retry_budget then = *budget;

    fill(&then, now_ms);
    if (then.thousandths >= TOKEN)
        return now_ms;
    return then.filled_ms + (TOKEN - then.thousandths) * MS_PER_THOUSANDTH;
}
