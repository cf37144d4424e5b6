/* SPDX-License-Identifier: Apache-2.0 */
#include "stat.h"

#include <fcntl.h>
#include <linux/stat.h>
#include <sys/stat.h>

/* A disk may have any time, a checkpoint has none before 1970. 0 for those. */
static int64_t time_of(const struct statx_timestamp *at)
{
    const int64_t most_s = INT64_MAX / NS_PER_S - 1; /* in the year 2262 */

    if (at->tv_sec < 0)
        return 0;
    return at->tv_sec > most_s ? most_s * NS_PER_S : at->tv_sec * NS_PER_S + at->tv_nsec;
}

static bool take_stat(int at, const char *path, int flags, struct tail_stat *ret)
{
    struct statx stat;

    if (statx(at, path, flags, STATX_BASIC_STATS | STATX_BTIME, &stat) != 0)
        return false;
    bool has_birth = (stat.stx_mask & STATX_BTIME) != 0;
    *ret = (struct tail_stat){
        .identity = { .device = ((uint64_t)stat.stx_dev_major << 32) | stat.stx_dev_minor,
                      .inode = stat.stx_ino,
                      .born_ns = has_birth ? time_of(&stat.stx_btime) : 0 },
        .size = stat.stx_size,
        .modified_ns = time_of(&stat.stx_mtime),
        .is_regular = S_ISREG(stat.stx_mode),
    };
    return true;
}

bool tail_stat_path(const char *path, struct tail_stat *ret)
{
    return take_stat(AT_FDCWD, path, 0, ret);
}

bool tail_stat_fd(int fd, struct tail_stat *ret)
{
    return take_stat(fd, "", AT_EMPTY_PATH, ret);
}

bool tail_is_absence(int error)
{
    return error == ENOENT || error == ENOTDIR || error == ELOOP;
}

bool tail_identity_same(const struct tail_identity *a, const struct tail_identity *b)
{
    return a->inode == b->inode && a->device == b->device &&
           (a->born_ns == 0 || b->born_ns == 0 || a->born_ns == b->born_ns);
}
