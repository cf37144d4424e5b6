/* SPDX-License-Identifier: Apache-2.0 */
#include "account.h"

static bool waits_for_older(const struct tail *tail, const struct tail_file *file)
{
    const struct tail_file *older = tail_table_get(&tail->table, file->after);
    return older != NULL && (older->queued || older->reading);
}

static const char *state_of(const struct tail *tail, const struct tail_file *file)
{
    if (file->left_out)
        return "it is not read any more: paths, exclude or own_output leave it out";
    if (file->gone_ns != 0)
        return "it is gone, and was read to its end";
    if (file->finished)
        return "it has left its path, and was read to its end";
    if (file->failed)
        return "it cannot be read now, and is tried again at each look at all files";
    if (file->held_ms != 0)
        return "it may be a copy of a live file, and waits until that is sure";
    if (file->queued && waits_for_older(tail, file))
        return "it waits until an older file of its path is read";
    if (file->moved)
        return "it has left its path, and is followed until rotate_wait is over";
    if (!file->loaded || (file->queued && !file->reading))
        return "it waits for its turn";
    return "it is followed";
}

/* A time of the monotonic clock as one of the calendar's. */
static int64_t real_ns(int64_t at_ms, int64_t now_ms, int64_t now_ns)
{
    return at_ms == 0 ? 0 : now_ns - (now_ms - at_ms) * NS_PER_MS;
}

void tail_account(struct tail *tail, source_tell_fn *tell, void *context)
{
    int64_t now_ms = clock_now_ms(), now_ns = clock_real_ns();

    for (uint32_t i = 0; i < tail->table.room; i++) {
        const struct tail_file *file = tail_table_at(&tail->table, i);
        if (file == NULL)
            continue;
        struct tail_position at = file->loaded ? tail_cursor_position(&file->read) : file->settled;
        struct source_account account = {
            .name = file->path,
            .state = state_of(tail, file),
            .is_followed =
                !file->finished && file->gone_ns == 0 && file->held_ms == 0 && !file->failed,
            .is_at_end = file->at_end,
            .is_watched = file->watch >= 0,
            .device = file->identity.device,
            .inode = file->identity.inode,
            .born_ns = file->identity.born_ns,
            .size = file->size,
            .offset = at.offset,
            .settled = file->settled.offset,
            .read_ns = real_ns(file->read_ms, now_ms, now_ns),
            .end_ns = real_ns(file->end_ms, now_ms, now_ns),
            .fingerprint = at.prefix_hash,
            .fingerprint_bytes = at.prefix_bytes,
            .resource = file->resource,
            .error = file->error_msg,
            .error_why = file->error_msg == NULL ? NULL : strerror(file->error),
            .error_ns = real_ns(file->error_ms, now_ms, now_ns),
        };
        tell(context, &account);
    }
}

void tail_account_saved(const char *path, const struct tail_identity *identity,
                        const struct tail_position *position, uint64_t size, bool is_gone,
                        source_tell_fn *tell, void *context)
{
    struct source_account account = {
        .name = path,
        .state = is_gone ? "it is gone, and was read to its end"
                         : "it is read from here on at the "
                           "next start",
        .is_followed = !is_gone,
        .device = identity->device,
        .inode = identity->inode,
        .born_ns = identity->born_ns,
        .size = size,
        .offset = position->offset,
        .settled = position->offset,
        .fingerprint = position->prefix_hash,
        .fingerprint_bytes = position->prefix_bytes,
    };

    tell(context, &account);
}
