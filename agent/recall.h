/* SPDX-License-Identifier: Apache-2.0 */
/* recall: what the checkpoints of an agent say of its sources, as the page /sources of one that
 * runs. For `spillway why` where none runs. */
#pragma once

#include "admin/admin.h"

/* false: ret is full, or memory is short. */
bool recall_sources(const char *state_dir, const struct admin_query *query, struct buf *ret);
