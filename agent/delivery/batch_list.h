/* SPDX-License-Identifier: Apache-2.0 */
/* batch_list: batches in order, linked by their `next`. A batch is in one list at most.
 * Bounded by the permits of its batches. Threads: the caller holds the lock. */
#pragma once

#include "delivery/batch.h"

struct batch_list {
    struct batch *head, *tail;
    unsigned count;
};

void batch_list_push_back(struct batch_list *list, struct batch *batch);
void batch_list_push_front(struct batch_list *list, struct batch *batch);
struct batch *batch_list_pop(struct batch_list *list); /* NULL: empty */
/* CHECKs that it is in the list. */
void batch_list_remove(struct batch_list *list, struct batch *batch);
/* after: in the list; NULL: to the front. */
void batch_list_insert(struct batch_list *list, struct batch *after, struct batch *batch);
