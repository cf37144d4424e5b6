/* SPDX-License-Identifier: Apache-2.0 */
/* batch_list: singly linked; what is removed from the middle is in lists as long as there may be
 * requests in flight, so walking them costs nothing beside a request. */
#include "delivery/batch_list.h"

#include "base/check.h"

#include <stddef.h>

void batch_list_push_back(struct batch_list *list, struct batch *batch)
{
    batch->next = NULL;
    if (list->head == NULL)
        list->head = batch;
    else
        list->tail->next = batch;
    list->tail = batch;
    list->count++;
}

void batch_list_push_front(struct batch_list *list, struct batch *batch)
{
    batch->next = list->head;
    if (list->head == NULL)
        list->tail = batch;
    list->head = batch;
    list->count++;
}

struct batch *batch_list_pop(struct batch_list *list)
{
    struct batch *batch = list->head;

    if (batch != NULL)
        batch_list_remove(list, batch);
    return batch;
}

void batch_list_remove(struct batch_list *list, struct batch *batch)
{
    struct batch *before = NULL, *at = list->head;

    while (at != batch) {
        CHECK(at != NULL);
        before = at;
        at = at->next;
    }
    if (before == NULL)
        list->head = batch->next;
    else
        before->next = batch->next;
    if (list->tail == batch)
        list->tail = before;
    batch->next = NULL;
    list->count--;
}

void batch_list_insert(struct batch_list *list, struct batch *after, struct batch *batch)
{
    if (after == NULL) {
        batch_list_push_front(list, batch);
        return;
    }
    batch->next = after->next;
    after->next = batch;
    if (list->tail == after)
        list->tail = batch;
    list->count++;
}
