/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/streams.h"

#include "base/clock.h"

enum {
    STREAM_BLOCK = 16 * 1024,
    STREAM_GRACE_MS = 2000, /* for the last words, when its time is over */
};

/* 0 would have it called again at once: without more to say the connection sleeps. */
static ssize_t read_stream(void *context, uint64_t at, char *to, size_t room)
{
    struct flowing *flowing = context;
    const struct admin *admin = flowing->door->admin;
    const struct stream_maker *maker = &admin->config.taps;
    bool is_over = atomic_load(&admin->is_stopping) || flowing->door->ends_streams;

    (void)at;
    size_t bytes = maker->read(flowing->stream, clock_now_ms(), to, room, &is_over);
    if (bytes > 0)
        return (ssize_t)bytes;
    if (is_over)
        return MHD_CONTENT_READER_END_OF_STREAM;
    flowing->is_suspended = true;
    MHD_suspend_connection(flowing->connection);
    return 0;
}

static void free_stream(void *context)
{
    struct flowing *flowing = context;

    flowing->door->admin->config.taps.close(flowing->stream);
    flowing->stream = NULL;
    flowing->is_suspended = false;
}

static struct flowing *find_free_stream(struct admin *admin)
{
    for (size_t i = 0; i < STREAMS_MAX; i++) {
        if (admin->flowing[i].stream == NULL)
            return &admin->flowing[i];
    }
    return NULL;
}

static void set_deadline(struct MHD_Connection *connection, int64_t deadline_ms)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct guest *guest = info->socket_context;

    guest->deadline_ms = deadline_ms;
}

enum MHD_Result streams_send(struct door *door, struct MHD_Connection *connection,
                             struct reply *reply, int64_t now_ms)
{
    struct admin *admin = door->admin;
    struct flowing *flowing = find_free_stream(admin);
    struct MHD_Response *response = NULL;

    buf_fini(&reply->text);
    if (flowing != NULL) {
        *flowing = (struct flowing){ door, connection, reply->stream, false };
        response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, read_stream,
                                                     flowing, free_stream);
    }
    if (response == NULL) {
        if (flowing != NULL)
            flowing->stream = NULL;
        admin->config.taps.close(reply->stream);
        return admin_refuse_for_now(connection);
    }
    set_deadline(connection, now_ms + reply->stream_ms + STREAM_GRACE_MS);
    return admin_send(connection, response, reply);
}

bool streams_flow(const struct admin *admin)
{
    for (size_t i = 0; i < STREAMS_MAX; i++) {
        if (admin->flowing[i].stream != NULL)
            return true;
    }
    return false;
}

void streams_wake(struct admin *admin)
{
    for (size_t i = 0; i < STREAMS_MAX; i++) {
        struct flowing *flowing = &admin->flowing[i];
        if (flowing->stream != NULL && flowing->is_suspended)
            MHD_resume_connection(flowing->connection);
        flowing->is_suspended = false;
    }
}
