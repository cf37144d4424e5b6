/* SPDX-License-Identifier: Apache-2.0 */
/* filesystem: the mounts and statvfs(). A device that is mounted in several places is sampled at
 * the first. statvfs() on a network file system whose server is gone blocks for good, so only local
 * types are asked unless the user names others. */
#include "groups.h"

#include <limits.h>
#include <sys/statvfs.h>

struct mount {
    struct slice device, point, type, mode;
};

static bool is_wanted(const struct round *round, struct slice type)
{
    static const char *const local[] = { "ext2",     "ext3", "ext4",   "xfs",     "btrfs", "zfs",
                                         "f2fs",     "jfs",  "vfat",   "exfat",   "ntfs",  "ntfs3",
                                         "bcachefs", "ufs",  "nilfs2", "reiserfs" };
    const struct text_list *named = round->filesystem_types;
    const char *const *types = named->count > 0 ? named->items : local;
    size_t count = named->count > 0 ? named->count : sizeof(local) / sizeof(local[0]);

    for (size_t i = 0; i < count; i++) {
        if (slice_equals(slice_of(types[i]), type))
            return true;
    }
    return false;
}

static bool is_octal(const char *at, const char *end)
{
    return end - at >= 4 && at[0] == '\\' && at[1] >= '0' && at[1] <= '3' && at[2] >= '0' &&
           at[2] <= '7' && at[3] >= '0' && at[3] <= '7';
}

/* Spaces in names are written \040. Decoded in place: it only gets shorter. */
static struct slice decode(struct slice word)
{
    char *to = (char *)(uintptr_t)word.data;
    const char *end = word.data + word.bytes;
    size_t bytes = 0;

    for (const char *at = word.data; at < end; at++) {
        if (is_octal(at, end)) {
            to[bytes++] = (char)((at[1] - '0') << 6 | (at[2] - '0') << 3 | (at[3] - '0'));
            at += 3;
        } else {
            to[bytes++] = *at;
        }
    }
    return (struct slice){ to, bytes };
}

static bool read_mount(struct slice line, struct mount *ret)
{
    struct slice device, point, type, options;

    if (!proc_take_word(&line, &device) || !proc_take_word(&line, &point) ||
        !proc_take_word(&line, &type) || !proc_take_word(&line, &options))
        return false;
    const char *comma = memchr(options.data, ',', options.bytes);
    ret->device = decode(device);
    ret->point = decode(point);
    ret->type = type;
    ret->mode = (struct slice){ options.data,
                                comma == NULL ? options.bytes : (size_t)(comma - options.data) };
    return true;
}

static bool ask(const struct round *round, struct slice point, struct statvfs *ret)
{
    char path[PATH_MAX];

    if (memchr(point.data, '\0', point.bytes) != NULL || point.bytes >= sizeof(path))
        return false;
    int length = snprintf(path, sizeof(path), "%s%.*s", round->root, (int)point.bytes, point.data);
    return length < (int)sizeof(path) && statvfs(path, ret) == 0 && ret->f_blocks > 0;
}

static void add_attributes(struct event *event, const struct mount *mount, const char *state)
{
    event_text(event, "system.device", mount->device);
    event_text(event, "system.filesystem.mountpoint", mount->point);
    event_text(event, "system.filesystem.type", mount->type);
    event_text(event, "system.filesystem.mode", mount->mode);
    if (state != NULL)
        event_text(event, "system.filesystem.state", slice_of(state));
}

static void sample_state(struct round *round, const struct mount *mount, const char *state,
                         double bytes, double limit)
{
    add_attributes(round_sample(round, "system.filesystem.usage", EVENT_UPDOWN, "By", bytes), mount,
                   state);
    add_attributes(
        round_sample(round, "system.filesystem.utilization", EVENT_GAUGE, "1", bytes / limit),
        mount, state);
}

/* Reserved: free blocks that only root may use. */
static void sample_mount(struct round *round, const struct mount *mount, const struct statvfs *stat)
{
    double block = (double)stat->f_frsize;
    uint64_t unused = stat->f_bfree < stat->f_blocks ? stat->f_bfree : stat->f_blocks;
    uint64_t available = stat->f_bavail < unused ? stat->f_bavail : unused;
    double limit = block * (double)stat->f_blocks;

    sample_state(round, mount, "used", block * (double)(stat->f_blocks - unused), limit);
    sample_state(round, mount, "free", block * (double)available, limit);
    sample_state(round, mount, "reserved", block * (double)(unused - available), limit);
    add_attributes(round_sample(round, "system.filesystem.limit", EVENT_UPDOWN, "By", limit), mount,
                   NULL);
}

static bool is_known(struct slice device, const struct slice *devices, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_equals(devices[i], device))
            return true;
    }
    return false;
}

bool group_filesystem(struct round *round, struct err *err)
{
    struct slice devices[GROUP_ROWS];
    struct slice text, line;
    size_t count = 0, lines = 0;

    if (!round_read(round, HOST_MOUNTS, &text, err))
        return false;
    while (proc_take_line(&text, &line)) {
        struct mount mount;
        struct statvfs stat;
        if (!read_mount(line, &mount))
            continue;
        lines++;
        if (!is_wanted(round, mount.type) || is_known(mount.device, devices, count))
            continue;
        if (count == GROUP_ROWS) {
            round_tell_left_out(round, "filesystem");
            break;
        }
        if (!ask(round, mount.point, &stat))
            continue;
        devices[count++] = mount.device;
        sample_mount(round, &mount, &stat);
    }
    return lines > 0 || err_set(err, "no mounts in /proc");
}
