/* SPDX-License-Identifier: Apache-2.0 */
/* spool_places: one small file for each output, with a path in it. It stays until nothing lies at
 * that path any more: then the next start takes it away. */
#include "spool_places.h"

#include "base/auto.h"
#include "base/file.h"
#include "delivery/spool_segment.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool note_path(const struct settings *settings, const char *output, char ret[PATH_MAX])
{
    return snprintf(ret, PATH_MAX, "%s/spool-places/%s", settings->agent.state_dir, output) <
           PATH_MAX;
}

bool spool_place_remember(const struct settings *settings, const char *output, const char *path,
                          struct err *err)
{
    char note[PATH_MAX], folder[PATH_MAX];

    if (!note_path(settings, output, note) ||
        snprintf(folder, sizeof(folder), "%s/spool-places", settings->agent.state_dir) >= PATH_MAX)
        return err_set(err, "the path of state_dir is too long");
    return file_make_dirs(folder, 0750, err) && file_replace(note, slice_of(path), false, err);
}

struct spool_left spool_place_left(const char *path)
{
    struct spool_left left = { .files = 0 };
    DIR *folder = opendir(path);
    const struct dirent *entry;
    struct stat info;
    uint64_t id;

    if (folder == NULL) {
        left.is_unknown = errno != ENOENT;
        return left;
    }
    while ((errno = 0) == 0 && (entry = readdir(folder)) != NULL) {
        if (!spool_name_is_ours(entry->d_name, &id))
            continue;
        left.files++;
        if (fstatat(dirfd(folder), entry->d_name, &info, 0) == 0)
            left.bytes += (uint64_t)info.st_size;
    }
    left.is_unknown = errno != 0;
    (void)closedir(folder);
    return left;
}

void spool_place_before(const struct settings *settings, const char *output, char ret[PATH_MAX])
{
    AUTO(buf_fini) struct buf text = { .limit = PATH_MAX - 1 };
    char note[PATH_MAX];
    struct err ignored;

    ret[0] = '\0';
    if (!note_path(settings, output, note) || !file_read(note, &text, &ignored))
        return;
    struct spool_left left = spool_place_left(buf_slice(&text).data);
    if (left.files > 0 || left.is_unknown)
        (void)snprintf(ret, PATH_MAX, "%s", buf_slice(&text).data);
    else
        (void)unlink(note);
}
