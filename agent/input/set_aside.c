/* SPDX-License-Identifier: Apache-2.0 */
/* set_aside: only the body is written and where it came from, as they were read: whatever else of
 * the agent looked at the event may be what crashed. */
#include "input/set_aside.h"

#include "base/auto.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"
#include "event/resource.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static void note_error(struct set_aside *aside, int error)
{
    if (aside->error == 0)
        aside->error = error;
}

void set_aside_begin(struct set_aside *aside, const char *state_dir, const char *input,
                     const char *output, uint64_t events)
{
    struct err unused;
    struct stat info;
    int length;

    *aside = (struct set_aside){ .left = events, .fd = -1 };
    length = snprintf(aside->path, sizeof(aside->path), "%s/quarantine", state_dir);
    if (length > 0 && length < PATH_MAX)
        (void)file_make_dirs(aside->path, 0700, &unused);
    length =
        snprintf(aside->path, sizeof(aside->path), "%s/quarantine/%s@%s", state_dir, input, output);
    if (length < 0 || length >= PATH_MAX) {
        note_error(aside, ENAMETOOLONG);
        return;
    }
    aside->fd = open(aside->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (aside->fd < 0 || fstat(aside->fd, &info) != 0)
        note_error(aside, errno);
    else
        aside->file_bytes = (uint64_t)info.st_size;
}

static bool make_line(const struct event *event, struct buf *ret)
{
    AUTO(auto_free) char *body = malloc(6 * event->body.bytes + 32);
    int64_t time_ns = event->time_ns != 0 ? event->time_ns : event->observed_ns;

    if (body == NULL)
        return false;
    size_t bytes = json_escape(body, event->body, NULL);
    (void)buf_printf(ret, "{\"time_unix_nano\":\"%lld\",", (long long)time_ns);
    if (event->resource != NULL) {
        struct slice resource = resource_json(event->resource);
        (void)buf_printf(ret, "\"resource\":%.*s,", (int)resource.bytes, resource.data);
    }
    (void)buf_add_text(ret, "\"body\":\"");
    (void)buf_add(ret, body, bytes);
    return buf_add_text(ret, "\"}\n");
}

/* 0, or an errno. */
static int write_event(struct set_aside *aside, const struct event *event)
{
    AUTO(buf_fini) struct buf line = { 0 };

    if (aside->fd < 0)
        return EBADF;
    if (!make_line(event, &line))
        return ENOMEM;
    if (aside->file_bytes + line.bytes > SET_ASIDE_FILE_BYTES)
        return EFBIG;
    ssize_t written = write(aside->fd, line.data, line.bytes);
    if (written < 0)
        return errno;
    aside->file_bytes += (uint64_t)written;
    return (size_t)written == line.bytes ? 0 : ENOSPC;
}

size_t set_aside_take(struct set_aside *aside, const struct event *events, size_t count)
{
    size_t taken = count < aside->left ? count : (size_t)aside->left;

    for (size_t i = 0; i < taken; i++) {
        int error = write_event(aside, &events[i]);
        if (error != 0) {
            note_error(aside, error);
            aside->not_written++;
        }
        aside->events++;
        aside->bytes += event_bytes(&events[i]);
    }
    aside->left -= taken;
    return taken;
}

void set_aside_end(struct set_aside *aside)
{
    if (aside->fd >= 0 && fdatasync(aside->fd) != 0)
        note_error(aside, errno);
    auto_close(&aside->fd);
}
