/* SPDX-License-Identifier: Apache-2.0 */
#include "folders.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/stat.h>
#include <sys/stat.h>

static void look_at(struct journal_folders *folders, size_t nth, const char *root, const char *path)
{
    char whole[PATH_MAX];
    struct statx stat;

    if (snprintf(whole, sizeof(whole), "%s%s", root, path) >= (int)sizeof(whole) ||
        statx(AT_FDCWD, whole, 0, STATX_INO | STATX_BTIME, &stat) != 0)
        return;
    folders->each[nth].device = ((uint64_t)stat.stx_dev_major << 32) | stat.stx_dev_minor;
    folders->each[nth].inode = stat.stx_ino;
    if ((stat.stx_mask & STATX_BTIME) != 0)
        folders->each[nth].born_ns = stat.stx_btime.tv_sec * NS_PER_S + stat.stx_btime.tv_nsec;
}

struct journal_folders journal_folders_of(const struct journald_config *config)
{
    struct journal_folders folders;

    memset(&folders, 0, sizeof(folders));
    if (config->directory[0] != '\0') {
        look_at(&folders, 0, "", config->directory);
    } else {
        look_at(&folders, 0, config->root_path, "/var/log/journal");
        look_at(&folders, 1, config->root_path, "/run/log/journal");
    }
    return folders;
}

bool journal_folders_same(const struct journal_folders *a, const struct journal_folders *b)
{
    for (size_t i = 0; i < JOURNAL_FOLDERS; i++) {
        if (a->each[i].device != b->each[i].device || a->each[i].inode != b->each[i].inode ||
            a->each[i].born_ns != b->each[i].born_ns)
            return false;
    }
    return true;
}
