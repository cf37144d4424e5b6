/* SPDX-License-Identifier: Apache-2.0 */
/* descriptors: a test's process has none left, for a while. */
#pragma once

#include "test.h"

#include <sys/resource.h>
#include <unistd.h>

/* Returns the limit as it was, to be given back. */
static inline struct rlimit descriptors_use_up(void)
{
    int next = dup(STDERR_FILENO); /* the lowest that is free */
    struct rlimit before;

    (void)close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    const struct rlimit tight = { (rlim_t)next, before.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    return before;
}

static inline void descriptors_give_back(struct rlimit before)
{
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}
