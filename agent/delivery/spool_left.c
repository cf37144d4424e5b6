/* SPDX-License-Identifier: Apache-2.0 */
/* spool_left: what a write that failed left behind, where that could not be taken back either: half
 * a record, or all of one whose sync failed. Its batch is in memory again and may be sent from
 * there, so from that place on nothing on disk counts: the books say so at once, for the next
 * start. Nothing is written before it is gone, so there is never more than one. */
#include "delivery/spool_state.h"

#include <errno.h>

/* Neither word is 0 while there is something: a start that dies between the two has none. */
void spool_publish_left(const struct spool *spool)
{
    numbers_set(spool->numbers, NUMBER_spool_left_at, spool->left.at);
    numbers_set(spool->numbers, NUMBER_spool_left_segment, spool->left.segment);
}

void spool_set_left(struct spool *spool, struct spool_place left)
{
    if (left.segment != 0 && left.at != 0)
        spool->left = left;
}

struct spool_place spool_left(const struct spool *spool)
{
    return spool->left;
}

void spool_note_left(struct spool *spool, const struct spool_job *job,
                     const struct spool_result *result)
{
    if (!result->is_left)
        return;
    spool->left =
        (struct spool_place){ job->place.segment, job->is_new ? SPOOL_ALL_OF_IT : job->place.at };
    spool_publish_left(spool);
}

void spool_forget_left(struct spool *spool, uint64_t segment)
{
    if (spool->left.segment != segment)
        return;
    spool->left = (struct spool_place){ 0, 0 };
    spool_publish_left(spool);
}

bool spool_plan_undo(const struct spool *spool, struct spool_job *ret)
{
    if (spool->left.segment == 0)
        return false;
    *ret = (struct spool_job){ .kind = SPOOL_UNDO, .place = spool->left };
    return true;
}

void spool_undone(struct spool *spool, const struct spool_job *job,
                  const struct spool_result *result, int64_t now_ms)
{
    if (result->error != 0 && result->error != ENOENT)
        spool_disk_failed(spool, "take back what a failed write left", result->error, now_ms);
    else
        spool_forget_left(spool, job->place.segment);
    spool_publish(spool);
}
