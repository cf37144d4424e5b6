/* SPDX-License-Identifier: Apache-2.0 */
/* copy: the proof is that of a cursor: the first bytes, and the last ones before an offset. */
#include "copy.h"

#include <fcntl.h>

static bool is_live(const struct tail *tail, const struct tail_file *file, const char *path)
{
    struct tail_file *live = NULL;

    while ((live = tail_table_by_path(&tail->table, path, live)) != NULL) {
        if (live != file && !live->moved)
            return true;
    }
    return false;
}

static struct tail_file *find_live(const struct tail *tail, const struct tail_file *file)
{
    struct tail_file *live = NULL;
    char path[PATH_MAX];
    uint32_t rotation;

    if (!tail_rotate_origin(tail, file, is_live, path, &rotation))
        return NULL;
    while ((live = tail_table_by_path(&tail->table, path, live)) != NULL && live->moved)
        continue;
    return live;
}

static bool same_bytes(int a, int b, uint64_t offset, size_t bytes)
{
    char block_a[TAIL_PREFIX_BYTES], block_b[TAIL_PREFIX_BYTES];

    return pread(a, block_a, bytes, (off_t)offset) == (ssize_t)bytes &&
           pread(b, block_b, bytes, (off_t)offset) == (ssize_t)bytes &&
           memcmp(block_a, block_b, bytes) == 0;
}

/* Is the whole of it what the live file begins with? */
static bool is_begin_of(const struct tail_file *file, const struct tail_file *live, uint64_t size)
{
    size_t first = size < TAIL_PREFIX_BYTES ? (size_t)size : TAIL_PREFIX_BYTES;
    size_t last = size < TAIL_LAST_BYTES ? (size_t)size : TAIL_LAST_BYTES;

    return same_bytes(file->fd, live->fd, 0, first) &&
           same_bytes(file->fd, live->fd, size - last, last);
}

static bool was_read(const struct tail_cut *cut)
{
    return cut->read.offset > 0 || cut->read.prefix_bytes > 0;
}

/* Where to go on in a copy of what the live file was when it was cut off. It may lack the last that
 * was read: that was written after the copy was made. */
static bool find_place(const struct tail_file *live, int fd, const struct tail_stat *stat,
                       uint64_t proven_bytes, struct tail_cursor *ret)
{
    struct tail_position at = live->cut.read;

    if (!was_read(&live->cut)) { /* no proof but what was seen while it waited */
        *ret = tail_cursor_make();
        return proven_bytes > 0;
    }
    if (stat->identity.born_ns > live->cut.seen_ns)
        return false;
    if (stat->size < at.offset) {
        if (stat->size < TAIL_PREFIX_BYTES && stat->size != proven_bytes)
            return false;
        at.offset = stat->size;
        at.last_bytes = 0;
        at.prefix_bytes = stat->size < TAIL_PREFIX_BYTES ? 0 : at.prefix_bytes;
    }
    return tail_cursor_load(ret, &at, fd) == TAIL_FITS; /* else rather read twice */
}

static void take(struct tail *tail, struct sink *sink, struct tail_file *live,
                 struct tail_file *file, const struct tail_cursor *place)
{
    file->held_ms = 0;
    if (!tail_table_set_path(&tail->table, file, live->path))
        return; /* no memory: rather read twice */
    struct tail_pending_position most = { file->ref, file->generation,
                                          tail_cursor_position(place) };
    tail_pending_redirect(&tail->pending, live->ref, live->generation - 1, &most);
    file->read = *place;
    file->settled = live->cut.settled.offset < place->offset ? live->cut.settled : most.position;
    file->loaded = true;
    file->is_new = file->at_home = file->snap = false;
    tail_file_note(tail, file);
    tail_file_move(tail, sink, file);
}

/* Open, and knowing whether it was cut off. false: it cannot be had now. */
static bool refresh_live(struct tail *tail, struct sink *sink, struct tail_file *live)
{
    if (!tail_file_open(tail, sink, live))
        return false;
    switch (tail_cursor_fits(&live->read, live->fd)) {
    case TAIL_FITS:
        return true;
    case TAIL_FITS_NOT:
        tail_file_renew(tail, sink, live);
        tail_queue_push(&tail->table, live);
        return true;
    case TAIL_UNREADABLE:
        tail_file_unreadable(tail, sink, live, errno);
        return false;
    }
    return false;
}

/* A few equal bytes are no proof: such a file waits for rotate_wait, and is read then. */
static bool may_wait(const struct tail *tail, const struct tail_file *file, uint64_t size)
{
    return size >= TAIL_PREFIX_BYTES || clock_now_ms() - file->held_ms < tail->config->rotate_wait;
}

static bool has_held(const struct tail *tail, const struct tail_file *live)
{
    for (uint32_t i = 0; i < tail->table.room; i++) {
        const struct tail_file *file = tail_table_at(&tail->table, i);
        if (file != NULL && file->held_ms != 0 && file->held_bytes > 0 &&
            find_live(tail, file) == live)
            return true;
    }
    return false;
}

bool tail_copy_take_unread(struct tail *tail, struct sink *sink, struct tail_file *live)
{
    struct tail_stat stat;

    if (live->read.offset > 0 || !tail_stat_fd(live->fd, &stat) || stat.size >= live->size ||
        !has_held(tail, live))
        return false;
    tail_file_renew(tail, sink, live);
    tail_queue_push(&tail->table, live);
    return true;
}

/* Asks whether the live one still is what it was: what waits for its cut is taken then. */
static bool is_decided(struct tail *tail, struct sink *sink, struct tail_file *live,
                       struct tail_file *file, enum tail_copy *ret)
{
    bool can_tell = refresh_live(tail, sink, live);

    *ret = file->held_ms == 0 ? TAIL_COPY_TAKEN : TAIL_COPY_WAIT;
    if (!can_tell && !(live->failed && live->error == EMFILE)) { /* it has left, or is not ours */
        file->held_ms = 0;
        *ret = TAIL_COPY_NOT;
    }
    return !can_tell || *ret != TAIL_COPY_WAIT || file->fd < 0; /* closed for the other one */
}

enum tail_copy tail_copy_judge(struct tail *tail, struct sink *sink, struct tail_file *file)
{
    struct tail_file *live = find_live(tail, file);
    struct tail_cursor place;
    struct tail_stat stat;
    enum tail_copy ret;

    if (file->held_ms == 0)
        file->held_ms = clock_now_ms();
    if (live == NULL) {
        file->held_ms = 0;
        return TAIL_COPY_NOT;
    }
    if (!tail_file_open(tail, sink, file))
        return TAIL_COPY_WAIT; /* it is judged when it can be opened */
    if (is_decided(tail, sink, live, file, &ret))
        return ret;
    if (!tail_stat_fd(file->fd, &stat))
        return TAIL_COPY_WAIT;
    file->size = stat.size;
    if (is_begin_of(file, live, stat.size) && may_wait(tail, file, stat.size)) {
        file->held_bytes = stat.size;
        return TAIL_COPY_WAIT;
    }
    /* No more what the live one begins with: that may have been cut off since it was asked. */
    if (is_decided(tail, sink, live, file, &ret))
        return ret;
    if (tail_copy_take_unread(tail, sink, live) && file->held_ms == 0)
        return TAIL_COPY_TAKEN;
    if (!was_read(&live->cut) || !find_place(live, file->fd, &stat, file->held_bytes, &place)) {
        file->held_ms = 0;
        return TAIL_COPY_NOT;
    }
    take(tail, sink, live, file, &place);
    return TAIL_COPY_TAKEN;
}

bool tail_copy_is_held(struct tail *tail, struct sink *sink, struct tail_file *file,
                       bool *ret_again)
{
    const struct tail_file *live = file->held_ms == 0 ? NULL : find_live(tail, file);

    if (file->held_ms == 0)
        return false;
    *ret_again = live != NULL && live->reading;
    if (*ret_again)
        return true;
    enum tail_copy copy = tail_copy_judge(tail, sink, file);
    if (copy == TAIL_COPY_WAIT && file->held_bytes > 0 && file->finishing && !file->seen)
        tail_file_vanish(tail, sink, file); /* removed: the live one has all of it */
    *ret_again = copy == TAIL_COPY_TAKEN;   /* it has a place in the order of its path now */
    return copy != TAIL_COPY_NOT;
}

struct search {
    struct tail *tail;
    struct sink *sink;
    struct tail_file *live, *copy;
};

/* The file that this is, also where one that was removed had its inode: then it is a new one, as
 * most copies are where the oldest is removed for each. false: it is known, and was judged already.
 * Of those that came between two looks one is judged first, and the others are known by then. */
static bool find_unjudged(struct tail *tail, struct sink *sink, const struct tail_stat *stat,
                          struct tail_file **ret)
{
    *ret = tail_table_by_inode(&tail->table, stat->identity.device, stat->identity.inode);
    if (*ret != NULL && (*ret)->reading)
        return false;
    *ret = tail_scan_find(tail, sink, stat);
    return *ret == NULL || (*ret)->held_ms != 0 || ((*ret)->is_new && !(*ret)->loaded);
}

/* A copy that was not judged yet, or that no scan has seen. */
static bool take_if_copy(void *context, const char *path, const char *name)
{
    struct search *search = context;
    struct tail *tail = search->tail;
    struct tail_file *file = NULL;
    struct tail_stat stat;
    struct tail_cursor place;

    if (!tail_rotate_is_rotated(name, search->live->path) || !tail_scan_is_ours(tail, name) ||
        tail_scan_excludes(tail, path) || !tail_stat_path(path, &stat) || !stat.is_regular ||
        !find_unjudged(tail, search->sink, &stat, &file))
        return true;
    int fd = tail_open_same(path, &stat.identity);
    bool is_copy = fd >= 0 && find_place(search->live, fd, &stat, 0, &place);
    if (fd >= 0)
        (void)close(fd);
    if (!is_copy)
        return true;
    if (file == NULL)
        file = tail_file_add(tail, search->sink, path, &stat, false);
    if (file == NULL)
        return true;
    file->size = stat.size;
    take(tail, search->sink, search->live, file, &place);
    search->copy = file;
    return false;
}

/* Those that were waiting for this. Returns a copy, if one was among them. */
static struct tail_file *release_held(struct tail *tail, struct sink *sink, struct tail_file *live)
{
    struct tail_file *copy = NULL;

    CHECK(live != NULL); /* which find_live() may return */
    for (uint32_t i = 0; i < tail->table.room; i++) {
        struct tail_file *file = tail_table_at(&tail->table, i);
        struct tail_cursor place;
        struct tail_stat stat;
        if (file == NULL || file->held_ms == 0 || find_live(tail, file) != live)
            continue;
        tail_queue_push(&tail->table, file);
        if (file->fd >= 0 && tail_stat_fd(file->fd, &stat) &&
            find_place(live, file->fd, &stat, file->held_bytes, &place)) {
            file->size = stat.size;
            take(tail, sink, live, file, &place);
            copy = file;
        }
    }
    return copy;
}

uint64_t tail_copy_take_over(struct tail *tail, struct sink *sink, struct tail_file *live)
{
    struct search search = { tail, sink, live, release_held(tail, sink, live) };

    if (search.copy == NULL && was_read(&live->cut))
        (void)tail_visit_folder_of(live->path, take_if_copy, &search);
    return search.copy == NULL ? 0 : search.copy->size - search.copy->read.offset;
}
