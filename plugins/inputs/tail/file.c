/* SPDX-License-Identifier: Apache-2.0 */
/* file: what can happen to one file. Descriptors are bounded: the file that was quiet longest is
 * closed for another and opened again, by path and identity, when it has news. */
#include "container.h"
#include "copy.h"

enum { SNAP_BYTES = 4096 };

uint64_t tail_file_offset(const struct tail_file *file)
{
    return file->loaded ? file->read.offset : file->settled.offset;
}

bool tail_file_is_settled(const struct tail_file *file)
{
    return file->settled.offset >= tail_file_offset(file);
}

static uint64_t unread_bytes(const struct tail_file *file)
{
    uint64_t offset = tail_file_offset(file);
    if (file->held_ms != 0 && file->held_bytes > 0)
        return 0; /* it is in the live file */
    return file->size > offset ? file->size - offset : 0;
}

void tail_file_note(struct tail *tail, struct tail_file *file)
{
    uint64_t lag = unread_bytes(file);
    tail->lag_bytes += lag - file->lag_bytes;
    file->lag_bytes = lag;
}

static void set_failed(struct tail *tail, struct tail_file *file, bool failed)
{
    tail->refused.file_count += failed;
    tail->refused.file_count -= file->failed;
    file->failed = failed;
}

void tail_file_drop(struct tail *tail, struct tail_file **filep)
{
    struct tail_file *file = *filep;
    tail_file_close(tail, file);
    tail_watch_drop(&tail->watch, file->watch);
    set_failed(tail, file, false);
    tail->lag_bytes -= file->lag_bytes;
    tail_table_remove(&tail->table, filep);
}

/* Room in a full table: the file that is gone for the longest time gives way. Not one that has to
 * be read again, or counted, after a crash. */
static bool drop_longest_gone(struct tail *tail)
{
    struct tail_file *longest = NULL;

    for (uint32_t i = 0; i < tail->table.room; i++) {
        struct tail_file *file = tail_table_at(&tail->table, i);
        if (file != NULL && file->gone_ns != 0 && !file->queued && !file->reading &&
            tail_file_is_settled(file) && (longest == NULL || file->gone_ns < longest->gone_ns))
            longest = file;
    }
    if (longest == NULL)
        return false;
    tail_file_drop(tail, &longest);
    return true;
}

/* What a file takes as long as it is known: its entry, path and resource, and its line in the
 * checkpoint, twice while that is saved. Measured with ten thousand files. */
enum { FILE_BYTES = 1400 };

static bool keep(const struct tail *tail, struct sink *sink, uint32_t more)
{
    return sink_keep(sink, ((uint64_t)tail->table.count + more) * FILE_BYTES);
}

void tail_file_keep(const struct tail *tail, struct sink *sink)
{
    (void)keep(tail, sink, 0);
}

/* NULL: there is room. */
static const char *has_no_room(struct tail *tail, struct sink *sink)
{
    if (tail->table.count >= tail->table.max && !drop_longest_gone(tail))
        return "max_files are known already";
    if (keep(tail, sink, 1) || drop_longest_gone(tail))
        return NULL;
    tail_file_keep(tail, sink);
    return "files that are known take half of the memory for batches: raise agent.memory_limit";
}

struct tail_file *tail_file_add(struct tail *tail, struct sink *sink, const char *path,
                                const struct tail_stat *stat, bool from_end)
{
    struct tail_file *file = NULL;

    if (tail_own_leaves_out(tail, sink, path, stat))
        return NULL;
    const char *why = has_no_room(tail, sink);
    if (why == NULL)
        file = tail_table_add(&tail->table, path, stat->identity);
    if (file == NULL) {
        if (!tail->told_full)
            sink_tell(sink, LOG_ERROR, "file is not read", path,
                      why == NULL ? "there is no memory" : why);
        tail->told_full = true;
        return NULL;
    }
    file->settled.offset = from_end ? stat->size : 0;
    file->snap = from_end;
    file->size = stat->size;
    file->modified_ns = stat->modified_ns;
    file->home_ns = tail->scan_ns;
    file->is_new = true;
    tail_file_note(tail, file);
    tail_queue_push(&tail->table, file);
    return file;
}

void tail_file_failed(struct tail *tail, struct sink *sink, struct tail_file *file, const char *msg,
                      int error)
{
    char why[TAIL_WHY_BYTES];

    if (!file->failed)
        sink_tell(sink, LOG_WARN, msg, file->path, tail_refused_why(file->path, error, why));
    file->error_msg = msg;
    file->error = error;
    file->error_ms = clock_now_ms();
    if (!file->failed)
        file->failed_ms = file->error_ms;
    set_failed(tail, file, true); /* until it works: the next scan tries again, and says no more */
}

void tail_file_close(struct tail *tail, struct tail_file *file)
{
    if (file->fd < 0)
        return;
    (void)close(file->fd);
    file->fd = -1;
    tail->open_count--;
}

void tail_file_unreadable(struct tail *tail, struct sink *sink, struct tail_file *file, int error)
{
    tail_file_failed(tail, sink, file, "file cannot be read", error);
    tail_file_close(tail, file);
}

void tail_file_renew(struct tail *tail, struct sink *sink, struct tail_file *file)
{
    uint64_t lost = unread_bytes(file);

    file->cut = (struct tail_cut){
        .read = file->loaded ? tail_cursor_position(&file->read) : file->settled,
        .settled = file->settled,
        .seen_ns = clock_real_ns(),
    };
    sink_add(sink, SINK_SOURCES_TRUNCATED, 1);
    file->generation++;
    file->read = tail_cursor_make();
    file->settled = tail_cursor_position(&file->read);
    file->ahead = AHEAD_NONE;
    file->hold = (struct tail_hold){ .any = false };
    file->loaded = true;
    file->snap = false;
    file->size = 0;
    tail_file_note(tail, file);
    uint64_t copied = tail_copy_take_over(tail, sink, file);
    if (lost > copied)
        sink_lost(sink, file->path, 0, lost - copied);
}

void tail_file_finish(struct tail *tail, struct tail_file *file)
{
    tail_file_close(tail, file);
    tail_watch_drop(&tail->watch, file->watch);
    tail_table_set_watch(&tail->table, file, -1);
    file->hold = (struct tail_hold){ .any = false };
    set_failed(tail, file, false);
    file->finishing = false;
    file->finished = true;
    if (!file->seen)
        file->gone_ns = clock_real_ns();
}

static void forget_unread(struct tail *tail, struct tail_file *file)
{
    file->size = tail_file_offset(file);
    tail_file_note(tail, file);
}

void tail_file_vanish(struct tail *tail, struct sink *sink, struct tail_file *file)
{
    uint64_t lost = unread_bytes(file);

    if (lost > 0)
        sink_lost(sink, file->path, 0, lost);
    file->held_ms = 0; /* a copy of the live one no more */
    forget_unread(tail, file);
    tail_file_finish(tail, file);
}

/* As if it had left its path: it goes on where it was if it is wanted again. */
void tail_file_leave_out(struct tail *tail, struct tail_file *file)
{
    forget_unread(tail, file);
    file->moved = file->left_out = true;
    tail_file_finish(tail, file);
}

void tail_file_expect(struct tail *tail, const struct tail_file *file)
{
    int64_t expiry_ms = file->active_ms + tail->config->rotate_wait;
    if (tail->next_expiry_ms == 0 || expiry_ms < tail->next_expiry_ms)
        tail->next_expiry_ms = expiry_ms;
}

void tail_file_expect_line(struct tail *tail, const struct tail_file *file)
{
    int64_t due_ms = tail_join_due_ms(tail->join, &file->hold);
    if (due_ms != 0 && (tail->next_join_ms == 0 || due_ms < tail->next_join_ms))
        tail->next_join_ms = due_ms;
}

void tail_file_move(struct tail *tail, struct sink *sink, struct tail_file *file)
{
    file->moved = true;
    file->active_ms = clock_now_ms();
    sink_add(sink, SINK_SOURCES_ROTATED, 1);
    tail_queue_push(&tail->table, file); /* what was written since the last look */
    tail_rotate_order(tail, file->path);
    tail_file_expect(tail, file);
}

/* Back to the begin of the last line, so that a line being written is not delivered by half. A
 * begin that is further back than the longest line is not looked for. */
static void snap_to_line(const struct tail *tail, struct tail_file *file)
{
    uint64_t end = file->settled.offset, at = end;
    char block[SNAP_BYTES];

    file->snap = false;
    while (at > 0 && end - at <= tail->config->max_line_bytes) {
        size_t bytes = at < sizeof(block) ? (size_t)at : sizeof(block);
        if (pread(file->fd, block, bytes, (off_t)(at - bytes)) != (ssize_t)bytes)
            return;
        const char *newline = memrchr(block, '\n', bytes);
        at -= bytes;
        if (newline != NULL) {
            file->settled.offset = at + (uint64_t)(newline + 1 - block);
            return;
        }
    }
    if (at == 0)
        file->settled.offset = 0;
}

static void load_cursor(struct tail *tail, struct sink *sink, struct tail_file *file)
{
    if (file->snap)
        snap_to_line(tail, file);
    switch (tail_cursor_load(&file->read, &file->settled, file->fd)) {
    case TAIL_FITS:
        file->loaded = true;
        file->settled = tail_cursor_position(&file->read);
        tail_file_note(tail, file);
        break;
    case TAIL_FITS_NOT:
        tail_file_renew(tail, sink, file);
        break;
    case TAIL_UNREADABLE:
        tail_file_unreadable(tail, sink, file, errno);
        break;
    }
}

/* Those that can be found by their path first: they are the ones that are surely there again. */
static bool is_better_victim(const struct tail_file *file, const struct tail_file *than)
{
    if (than == NULL)
        return true;
    if (file->queued != than->queued)
        return than->queued;
    if (file->moved != than->moved)
        return than->moved;
    return file->active_ms < than->active_ms;
}

static void close_least_active(struct tail *tail)
{
    struct tail_file *victim = NULL;

    for (uint32_t i = 0; i < tail->table.room; i++) {
        struct tail_file *file = tail_table_at(&tail->table, i);
        bool needed = file != NULL && file->moved && (file->queued || file->reading);
        if (file != NULL && file->fd >= 0 && !needed && is_better_victim(file, victim))
            victim = file;
    }
    if (victim != NULL)
        tail_file_close(tail, victim);
}

static int open_any(struct tail *tail, struct tail_file *file)
{
    if (tail->open_count >= tail->max_open)
        close_least_active(tail);
    if (tail->open_count >= tail->max_open) {
        errno = EMFILE;
        return -1;
    }
    return file->moved ? tail_rotate_open(file) : tail_open_same(file->path, &file->identity);
}

static void cannot_open(struct tail *tail, struct sink *sink, struct tail_file *file, int error)
{
    if (error != ENOENT && error != ESTALE)
        tail_file_failed(tail, sink, file, "file cannot be opened", error);
    else if (file->moved)
        tail_file_vanish(tail, sink, file);
    else
        tail->scan_due = true; /* it has left its path just now */
}

bool tail_file_open(struct tail *tail, struct sink *sink, struct tail_file *file)
{
    if (file->fd >= 0)
        return true;
    int fd = open_any(tail, file);
    if (fd < 0) {
        cannot_open(tail, sink, file, errno);
        return false;
    }
    file->fd = fd;
    tail->open_count++;
    if (file->watch < 0)
        tail_table_set_watch(&tail->table, file, tail_watch_file(&tail->watch, fd, file->path));
    if (!file->loaded)
        load_cursor(tail, sink, file);
    if (file->fd < 0)
        return false;
    set_failed(tail, file, false);
    return true;
}

/* ---- its resource ---- */

static struct attribute text_attribute(const char *key, const char *text)
{
    return (struct attribute){ slice_of(key), { .kind = VALUE_TEXT, .text = slice_of(text) } };
}

static struct resource *make_resource(const struct tail *tail, const struct tail_file *file)
{
    const char *slash = strrchr(file->path, '/');
    size_t base = tail->host->base_count;
    struct container_names names = { .count = 0 };
    struct resource *resource = NULL;

    if (tail->config->format != TAIL_LINES)
        tail_container_names(file->path, &names);
    struct attribute *all = calloc(base + 2 + names.count, sizeof(*all));

    if (all != NULL) {
        if (base > 0)
            memcpy(all, tail->host->base, base * sizeof(*all));
        all[base] = text_attribute("log.file.name", slash == NULL ? file->path : slash + 1);
        all[base + 1] = text_attribute("log.file.path", file->path);
        memcpy(all + base + 2, names.attributes, names.count * sizeof(*all));
        resource = resource_new(all, base + 2 + names.count);
    }
    free(all);
    return resource;
}

/* Without memory the reading's own has to do. */
void tail_file_describe(const struct tail *tail, struct tail_file *file)
{
    if (file->resource == NULL)
        file->resource = make_resource(tail, file);
}
