/* SPDX-License-Identifier: Apache-2.0 */
/* dead_letter: opens the file for each letter. Letters are rare (finding one costs several
 * requests), and so a file that an operator moved or removed is simply made again. */
#include "batch/dead_letter.h"

#include "base/auto.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "batch/codec.h"
#include "batch/encoder.h"
#include "plugins/plugin.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* ---- one line ---- */

static void put_text(struct buf *line, const char *key, const char *text)
{
    char escaped[6 * 256 + 32];
    struct slice slice = slice_of(text);

    if (slice.bytes > 256)
        slice.bytes = 256;
    size_t bytes = json_escape(escaped, slice, NULL);
    (void)buf_printf(line, "\"%s\":\"%.*s\",", key, (int)bytes, escaped);
}

static const char *input_of(const struct batch *batch, uint64_t index)
{
    for (size_t i = 0; i < batch->run_count; i++) {
        if (index < batch->runs[i].events)
            return ledger_input_name(batch->runs[i].books);
        index -= batch->runs[i].events;
    }
    return "";
}

static bool put_head(const struct dead_letter *letters, const struct batch *batch, uint64_t index,
                     const struct refusal *refusal, struct buf *line)
{
    int64_t now_ms = clock_real_ns() / NS_PER_MS;
    time_t seconds = (time_t)(now_ms / MS_PER_S);
    struct tm utc;
    char time[32];

    (void)gmtime_r(&seconds, &utc);
    (void)strftime(time, sizeof(time), "%Y-%m-%dT%H:%M:%S", &utc);
    (void)buf_printf(line, "{\"time\":\"%s.%03dZ\",", time, (int)(now_ms % MS_PER_S));
    put_text(line, "output", letters->output);
    put_text(line, "input", input_of(batch, index));
    put_text(line, "key", batch->key);
    put_text(line, "reason", refusal->reason);
    put_text(line, "answer", refusal->answer);
    return buf_add_text(line, "\"event\":");
}

/* ---- the file ---- */

/* Lines of a file that is about to go; what a human put there counts as well. */
static uint64_t count_lines(const char *path)
{
    AUTO(auto_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    char chunk[16384];
    uint64_t lines = 0;
    ssize_t got;

    while (fd >= 0 && (got = read(fd, chunk, sizeof(chunk))) > 0) {
        for (ssize_t i = 0; i < got; i++)
            lines += chunk[i] == '\n';
    }
    return lines;
}

/* The last line may be cut off, if the agent was killed while it wrote. Returns the bytes of whole
 * lines, < 0: cannot be read. */
static off_t find_whole_lines(int fd, off_t bytes)
{
    char chunk[4096];

    while (bytes > 0) {
        size_t size = bytes < (off_t)sizeof(chunk) ? (size_t)bytes : sizeof(chunk);
        if (pread(fd, chunk, size, bytes - (off_t)size) != (ssize_t)size)
            return -1;
        const char *newline = memrchr(chunk, '\n', size);
        if (newline != NULL)
            return bytes - (off_t)size + (newline - chunk) + 1;
        bytes -= (off_t)size;
    }
    return 0;
}

/* Returns a descriptor at the end of whole lines, with their bytes; -1: err says why. */
static int open_letters(const char *path, off_t *ret_bytes, struct err *err)
{
    AUTO(auto_close)
    int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    struct stat status;

    if (fd < 0 || fstat(fd, &status) != 0) {
        (void)err_set(err, "cannot open: %s", strerror(errno));
        return -1;
    }
    if (!S_ISREG(status.st_mode)) {
        (void)err_set(err, "not a regular file");
        return -1;
    }
    off_t whole = find_whole_lines(fd, status.st_size);
    if (whole < 0 || (whole < status.st_size && ftruncate(fd, whole) != 0)) {
        (void)err_set(err, "cannot read or cut the last line: %s", strerror(errno));
        return -1;
    }
    *ret_bytes = whole;
    return auto_keep_fd(&fd);
}

static bool name_older(const struct dead_letter *letters, char ret[PATH_MAX])
{
    return snprintf(ret, PATH_MAX, "%s.1", letters->path) < PATH_MAX;
}

static void note_removed(struct dead_letter *letters, const char *older, uint64_t lines)
{
    numbers_add(letters->numbers, NUMBER_dead_letter_removed, lines);
    if (lines == 0 || letters->has_told_removal)
        return;
    letters->has_told_removal = true;
    LOG(LOG_WARN, "oldest dead letters removed", LS("output", letters->output), LS("path", older),
        LU("events", lines), LU("max_bytes", letters->max_bytes),
        LS("more", "counted in spillway_dead_letter_removed_total"));
}

/* path becomes path.1, and what was there is gone. */
static bool rotate(struct dead_letter *letters, struct err *err)
{
    char older[PATH_MAX];

    if (!name_older(letters, older))
        return err_set(err, "the path is too long");
    uint64_t removed = count_lines(older);
    if (rename(letters->path, older) != 0)
        return err_set(err, "cannot rename to '%s': %s", older, strerror(errno));
    note_removed(letters, older, removed);
    return true;
}

/* They were written when max_bytes was more: beside `bytes` in path there is no room for them. */
static void remove_older(struct dead_letter *letters, uint64_t bytes)
{
    char older[PATH_MAX];
    struct stat status;

    if (!name_older(letters, older) || lstat(older, &status) != 0 || !S_ISREG(status.st_mode) ||
        (uint64_t)status.st_size + bytes <= letters->max_bytes)
        return;
    uint64_t removed = count_lines(older);
    if (unlink(older) == 0)
        note_removed(letters, older, removed);
}

static bool append(struct dead_letter *letters, struct iovec line[3], size_t bytes, struct err *err)
{
    uint64_t room = letters->max_bytes / 2; /* of each file of the pair */
    off_t before;
    AUTO(auto_close) int fd = open_letters(letters->path, &before, err);

    if (fd < 0)
        return false;
    if (bytes > room)
        return err_set(err, "the line of %zu bytes is larger than half of max_bytes", bytes);
    if ((uint64_t)before + bytes > room) {
        auto_close(&fd);
        if (!rotate(letters, err) || (fd = open_letters(letters->path, &before, err)) < 0)
            return false;
    }
    remove_older(letters, (uint64_t)before + bytes);
    ssize_t put;
    do {
        put = writev(fd, line, 3);
    } while (put < 0 && errno == EINTR);
    if (put == (ssize_t)bytes)
        return true;
    if (put < 0)
        return err_set(err, "cannot write: %s", strerror(errno));
    (void)!ftruncate(fd, before); /* if not now, then before the next letter */
    return err_set(err, "cannot write: there is room for %zd of %zu bytes", put, bytes);
}

/* ---- what is said and counted ---- */

static void note_failure(struct dead_letter *letters, const struct batch *batch, uint64_t events,
                         const struct err *err)
{
    numbers_add(letters->numbers, NUMBER_dead_letter_errors, events);
    if (!letters->is_failing)
        LOG(LOG_ERROR, "cannot write dead letters", LS("output", letters->output),
            LS("path", letters->path), LS("error", err->text), LS("key", batch->key),
            LS("effect", "refused events are counted, but not kept; shipping goes on"));
    letters->is_failing = true;
}

static void note_success(struct dead_letter *letters, const struct batch *batch, size_t bytes,
                         const struct refusal *refusal)
{
    numbers_add(letters->numbers, NUMBER_dead_letter_events, 1);
    numbers_add(letters->numbers, NUMBER_dead_letter_bytes, bytes);
    if (letters->is_failing)
        LOG(LOG_INFO, "dead letters are written again", LS("output", letters->output),
            LS("path", letters->path));
    letters->is_failing = false;
    LOG(LOG_WARN, "event refused", LS("output", letters->output), LS("reason", refusal->reason),
        LS("key", batch->key), LS("kept_in", letters->path));
}

/* For whom: one who was left behind in the middle of it tells and counts nothing any more. */
struct wish {
    bool (*is_there)(void *context);
    void *context;
};

static void write_letter(struct dead_letter *letters, const struct batch *batch, struct slice text,
                         uint64_t index, const struct refusal *refusal, const struct wish *wish)
{
    AUTO(buf_fini) struct buf head = { 0 };
    struct err err = { "" };
    struct slice event;

    if (!encoder_event(batch->encoding, text, index, &event)) {
        (void)err_set(&err, "the event is not in its batch");
        note_failure(letters, batch, 1, &err);
        return;
    }
    if (!put_head(letters, batch, index, refusal, &head)) {
        (void)err_set(&err, "out of memory");
        note_failure(letters, batch, 1, &err);
        return;
    }
    struct iovec line[3] = { { head.data, head.bytes },
                             { (void *)(uintptr_t)event.data, event.bytes },
                             { (void *)(uintptr_t) "}\n", 2 } };
    size_t bytes = head.bytes + event.bytes + 2;
    bool is_kept = append(letters, line, bytes, &err);
    if (!wish->is_there(wish->context))
        return;
    if (is_kept)
        note_success(letters, batch, bytes, refusal);
    else
        note_failure(letters, batch, 1, &err);
}

static bool is_always(void *context)
{
    (void)context;
    return true;
}

void dead_letter_write(struct dead_letter *letters, const struct batch *batch, struct slice text,
                       uint64_t index, const struct refusal *refusal)
{
    static const struct wish wish = { is_always, NULL };

    write_letter(letters, batch, text, index, refusal, &wish);
}

void dead_letter_write_batch(struct dead_letter *letters, const struct batch *batch,
                             bool (*is_wanted)(void *context), void *context)
{
    AUTO(buf_fini) struct buf expanded = { .limit = batch->raw_bytes + 1 };
    struct slice text = { batch->body, batch->body_bytes };
    struct wish wish = { is_wanted, context };
    struct err err = { "" };

    if (batch->compression != COMPRESS_NONE) {
        if (!codec_expand(batch->compression, text, &expanded)) {
            (void)err_set(&err, "out of memory to expand the event");
            note_failure(letters, batch, batch->events, &err);
            return;
        }
        text = buf_slice(&expanded);
    }
    for (uint64_t i = 0; i < batch->events && is_wanted(context); i++)
        write_letter(letters, batch, text, i, batch->refusal, &wish);
}
