/* SPDX-License-Identifier: Apache-2.0 */
#include "recall.h"

#include "catalog.h"
#include "input/sources.h"

bool recall_sources(const char *state_dir, const struct admin_query *query, struct buf *ret)
{
    struct sources_query wanted = { .has_file = query->has_file,
                                    .has_name = query->has_name,
                                    .device = query->device,
                                    .inode = query->inode,
                                    .name_sum = query->name_sum };

    return sources_recall(state_dir, catalog.inputs, &wanted, ret);
}
