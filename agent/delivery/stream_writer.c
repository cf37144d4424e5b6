/* SPDX-License-Identifier: Apache-2.0 */
/* stream_writer: the descriptor may be a blocking one, so it is written to only when poll(2) says
 * so, and not more than PIPE_BUF at a time: that much does not block a pipe that is writable. */
#include "delivery/stream_writer.h"

#include "base/check.h"
#include "base/clock.h"
#include "plugins/plugin.h"

#include <limits.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

enum { FILE_CHUNK_BYTES = 1024 * 1024, STALL_MS = 1000 };

struct stream_writer {
    struct transport transport; /* first */
    /* constant */
    int fd;
    int wake_fd;
    size_t chunk_bytes;
    bool (*expand)(const struct batch *batch, struct buf *ret);
    /* sender thread only */
    struct batch *batch; /* NULL: nothing to write */
    struct slice text;   /* of it */
    struct buf expanded;
    size_t offset;
    int64_t started_ms, deadline_ms;
    int64_t stalled_until_ms; /* after an error in the middle of a batch */
    bool has_ended;
    struct outcome outcome;
};

/* Sealed for an endpoint of before: a stream has no word for how it is compressed. */
static bool take_text(struct stream_writer *writer, const struct batch *batch)
{
    writer->text = (struct slice){ batch->body, batch->body_bytes };
    if (batch->compression == COMPRESS_NONE || writer->expand == NULL)
        return true;
    bool ok = writer->expand(batch, &writer->expanded);
    writer->text = buf_slice(&writer->expanded);
    return ok;
}

static bool send_batch(struct transport *transport, struct batch *batch, int64_t timeout_ms)
{
    struct stream_writer *writer = (struct stream_writer *)transport;

    CHECK(writer->batch == NULL);
    if (!take_text(writer, batch)) {
        buf_fini(&writer->expanded);
        return false;
    }
    writer->batch = batch;
    writer->offset = 0;
    writer->started_ms = clock_now_ms();
    writer->deadline_ms = writer->started_ms + timeout_ms;
    writer->stalled_until_ms = 0;
    return true;
}

static void end(struct stream_writer *writer, enum verdict verdict, const char *what)
{
    struct outcome *outcome = &writer->outcome;

    *outcome = (struct outcome){ .batch = writer->batch };
    outcome->summary.verdict = (int)verdict;
    outcome->summary.retry_after_ms = -1;
    outcome->summary.took_ms = clock_now_ms() - writer->started_ms;
    (void)snprintf(outcome->what, sizeof(outcome->what), "%s", what);
    writer->batch = NULL;
    buf_fini(&writer->expanded);
    writer->has_ended = true;
}

static void fail(struct stream_writer *writer, int error)
{
    if (error == EAGAIN || error == EINTR)
        return;
    if (error == EPIPE || error == EBADF)
        end(writer, VERDICT_HOLD, strerror(error));
    else if (writer->offset == 0)
        end(writer, VERDICT_RETRY, strerror(error));
    else /* a full disk, say: goes on from here */
        writer->stalled_until_ms = clock_now_ms() + STALL_MS;
}

static void write_some(struct stream_writer *writer)
{
    CHECK(writer->batch != NULL);
    size_t left = writer->text.bytes - writer->offset;
    ssize_t wrote = write(writer->fd, writer->text.data + writer->offset,
                          left < writer->chunk_bytes ? left : writer->chunk_bytes);

    if (wrote < 0) {
        fail(writer, errno);
        return;
    }
    writer->offset += (size_t)wrote;
    if (writer->offset == writer->text.bytes)
        end(writer, VERDICT_SENT, "written");
}

static int64_t shorten(const struct stream_writer *writer, int64_t timeout_ms, int64_t now_ms)
{
    int64_t until_ms = writer->offset == 0 ? writer->deadline_ms : INT64_MAX;

    if (writer->stalled_until_ms > now_ms)
        until_ms = writer->stalled_until_ms;
    if (until_ms - now_ms < timeout_ms)
        timeout_ms = until_ms - now_ms;
    return timeout_ms < 0 ? 0 : timeout_ms;
}

static void wait_for_events(struct transport *transport, int64_t timeout_ms)
{
    struct stream_writer *writer = (struct stream_writer *)transport;
    int64_t now_ms = clock_now_ms();
    struct pollfd fds[2] = { { .fd = writer->wake_fd, .events = POLLIN }, { .fd = -1 } };
    uint64_t wakes;

    if (writer->batch != NULL) {
        timeout_ms = shorten(writer, timeout_ms, now_ms);
        if (writer->stalled_until_ms <= now_ms)
            fds[1] = (struct pollfd){ .fd = writer->fd, .events = POLLOUT };
    }
    if (timeout_ms > INT_MAX)
        timeout_ms = INT_MAX;
    if (poll(fds, 2, (int)timeout_ms) < 0)
        return; /* interrupted: the caller comes again */
    if (fds[0].revents != 0)
        (void)!read(writer->wake_fd, &wakes, sizeof(wakes));
    if (fds[1].revents != 0)
        write_some(writer);
    else if (writer->batch != NULL && writer->offset == 0 && clock_now_ms() >= writer->deadline_ms)
        end(writer, VERDICT_RETRY, "nobody reads: timeout");
}

static bool take_outcome(struct transport *transport, struct outcome *ret)
{
    struct stream_writer *writer = (struct stream_writer *)transport;

    if (!writer->has_ended)
        return false;
    *ret = writer->outcome;
    writer->has_ended = false;
    return true;
}

static void wake_up(struct transport *transport)
{
    const struct stream_writer *writer = (const struct stream_writer *)transport;
    uint64_t one = 1;

    (void)!write(writer->wake_fd, &one, sizeof(one)); /* full: it is awake already */
}

static void break_off(struct transport *transport)
{
    struct stream_writer *writer = (struct stream_writer *)transport;

    writer->batch = NULL;
    buf_fini(&writer->expanded);
    writer->has_ended = false;
}

static void free_writer(struct transport **transportp)
{
    struct stream_writer *writer = (struct stream_writer *)*transportp;

    *transportp = NULL;
    if (writer == NULL)
        return;
    (void)close(writer->wake_fd);
    buf_fini(&writer->expanded);
    free(writer);
}

struct transport *stream_writer_new(int fd,
                                    bool (*expand)(const struct batch *batch, struct buf *ret),
                                    struct err *err)
{
    struct stream_writer *writer = calloc(1, sizeof(*writer));
    struct stat status;

    if (writer == NULL || (writer->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0) {
        (void)err_set(err, "cannot make a stream writer: %s", strerror(errno));
        free(writer);
        return NULL;
    }
    writer->transport = (struct transport){ send_batch, wait_for_events, take_outcome,
                                            wake_up,    break_off,       free_writer };
    writer->fd = fd;
    writer->expand = expand;
    writer->chunk_bytes = PIPE_BUF;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
        writer->chunk_bytes = FILE_CHUNK_BYTES;
    return &writer->transport;
}
