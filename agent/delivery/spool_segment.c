/* SPDX-License-Identifier: Apache-2.0 */
/* spool_segment: heads are read through a window, so that a segment of many small records costs few
 * calls. */
#include "delivery/spool_segment.h"

#include "base/check.h"
#include "delivery/spool_join.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { WINDOW_BYTES = SPOOL_HEAD_MAX, PEEK_BYTES = 4096 };

struct spool_files *spool_files_new(struct spool_disk **diskp)
{
    struct spool_files *files = calloc(1, sizeof(*files));

    if (files == NULL)
        return NULL;
    files->window = malloc(WINDOW_BYTES);
    if (files->window == NULL) {
        free(files);
        return NULL;
    }
    files->disk = *diskp;
    *diskp = NULL;
    return files;
}

void spool_files_use_pool(struct spool_files *files, struct body_pool *bodies)
{
    files->bodies = bodies;
}

bool spool_files_move(struct spool_files *files, struct spool_disk **diskp)
{
    struct spool_disk *joined = spool_join(diskp, &files->disk);

    if (joined == NULL)
        return false;
    files->disk = joined;
    files->is_folder_dirty = true;
    return true;
}

void spool_files_free(struct spool_files **filesp)
{
    struct spool_files *files = *filesp;

    *filesp = NULL;
    if (files == NULL)
        return;
    for (unsigned i = 0; i < SPOOL_OPEN_MAX; i++) {
        if (files->open[i].id != 0)
            files->disk->close(files->disk, files->open[i].fd);
    }
    files->disk->free(&files->disk);
    buf_fini(&files->buf);
    free(files->window);
    free(files);
}

/* ---- names ---- */

void spool_name(uint64_t id, char ret[SPOOL_NAME_BYTES])
{
    (void)snprintf(ret, SPOOL_NAME_BYTES, "%016llx.seg", (unsigned long long)id);
}

bool spool_name_is_ours(const char *name, uint64_t *ret_id)
{
    char again[SPOOL_NAME_BYTES];
    char *end;
    unsigned long long id;

    errno = 0;
    id = strtoull(name, &end, 16);
    if (errno != 0 || id == 0 || id >= UINT64_MAX)
        return false;
    spool_name(id, again);
    *ret_id = id;
    return strcmp(name, again) == 0;
}

/* ---- open files ---- */

void spool_close_segment(struct spool_files *files, uint64_t id)
{
    for (unsigned i = 0; i < SPOOL_OPEN_MAX; i++) {
        if (files->open[i].id != id)
            continue;
        files->disk->close(files->disk, files->open[i].fd);
        files->open[i].id = 0;
        files->open[i].used = 0;
    }
}

int spool_open_segment(struct spool_files *files, uint64_t id, bool is_new)
{
    char name[SPOOL_NAME_BYTES];
    unsigned slot = 0;
    int fd;

    for (unsigned i = 0; i < SPOOL_OPEN_MAX; i++) {
        if (files->open[i].id == id) {
            files->open[i].used = ++files->uses;
            return files->open[i].fd;
        }
        if (files->open[i].used < files->open[slot].used)
            slot = i;
    }
    spool_name(id, name);
    fd = is_new ? files->disk->create(files->disk, name) : files->disk->open(files->disk, name);
    if (fd < 0)
        return fd;
    if (files->open[slot].id != 0)
        files->disk->close(files->disk, files->open[slot].fd);
    files->open[slot].id = id;
    files->open[slot].fd = fd;
    files->open[slot].used = ++files->uses;
    return fd;
}

/* ---- records ---- */

void spool_forget_window(struct spool_files *files)
{
    files->window_id = 0;
}

/* What lies there, up to `need` bytes and more; less where the file ends. */
static int look_at(struct spool_files *files, uint64_t id, uint64_t at, size_t need,
                   struct slice *ret)
{
    CHECK(need <= WINDOW_BYTES);
    if (files->window_id != id || at < files->window_at ||
        at + need > files->window_at + files->window_bytes) {
        int fd = spool_open_segment(files, id, false);
        int64_t got;
        if (fd < 0)
            return fd;
        files->window_id = 0;
        if (need < PEEK_BYTES)
            need = files->is_scanning ? WINDOW_BYTES : PEEK_BYTES;
        got = files->disk->read(files->disk, fd, files->window, need, at);
        if (got < 0)
            return (int)got;
        files->window_id = id;
        files->window_at = at;
        files->window_bytes = (size_t)got;
    }
    size_t skip = (size_t)(at - files->window_at);
    if (skip > files->window_bytes)
        skip = files->window_bytes;
    *ret = (struct slice){ files->window + skip, files->window_bytes - skip };
    return 0;
}

static int read_record(struct spool_files *files, uint64_t id, uint64_t at,
                       enum spool_read *ret_found, struct spool_record *ret)
{
    size_t need = SPOOL_RECORD_LEAST;

    for (;;) {
        struct slice bytes;
        size_t asked = need;
        int failed = look_at(files, id, at, need, &bytes);
        if (failed != 0)
            return failed;
        *ret_found = spool_read_record_head(bytes, ret, &need);
        if (*ret_found != SPOOL_MORE)
            return 0;
        if (bytes.bytes < asked || need > WINDOW_BYTES) { /* the file ends in it */
            *ret_found = SPOOL_DAMAGED;
            return 0;
        }
    }
}

int spool_find_record(struct spool_files *files, uint64_t id, uint64_t at, uint64_t stop_at,
                      enum spool_read *ret_found, uint64_t *ret_at, struct spool_record *ret)
{
    do {
        int failed = read_record(files, id, at, ret_found, ret);
        if (failed != 0)
            return failed;
        if (*ret_found == SPOOL_READ && (stop_at == 0 || at + spool_record_bytes(ret) <= stop_at)) {
            *ret_at = at;
            return 0;
        }
        at += 8;
    } while (at < stop_at);
    *ret_found = SPOOL_DAMAGED;
    return 0;
}
