/* SPDX-License-Identifier: Apache-2.0 */
/* stat: what the kernel says of a file, as far as it matters here. Threads: none. */
#pragma once

#include "table.h"

struct tail_stat {
    struct tail_identity identity;
    uint64_t size;
    int64_t modified_ns;
    bool is_regular;
};

bool tail_stat_path(const char *path, struct tail_stat *ret); /* follows links; false: errno */
bool tail_stat_fd(int fd, struct tail_stat *ret);
bool tail_is_absence(int error); /* of a path: nothing is there. Any other error says nothing */
bool tail_identity_same(const struct tail_identity *a, const struct tail_identity *b);
