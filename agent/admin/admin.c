/* SPDX-License-Identifier: Apache-2.0 */
/* admin: the sockets and the thread. libmicrohttpd does not own the thread: a deadline for a whole
 * request is ours to keep, it knows only of connections that idle. One request for each connection,
 * so that the age of a connection is that of its request. We bind the sockets ourselves: only so
 * can an error say what was wrong. */
#include "admin/admin.h"

#include "admin/routes.h"
#include "admin/socket_file.h"
#include "base/bell.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/listen.h"

#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 32, /* of each door */
    CONNECTIONS_PER_ADDRESS = 16,
    STREAMS_MAX = 8,
    CONNECTION_BYTES = 32 * 1024,
    REQUEST_MS = 5000,
    BACKLOG = 16,
    STREAM_BLOCK = 16 * 1024,
    STREAM_LOOK_MS = 50,    /* between two looks whether there is more */
    STREAM_GRACE_MS = 2000, /* for the last words, when its time is over */
    /* Pages that slow readers have not taken yet, together; a page alone has room for all lanes. */
    PAGES_BYTES = 4 * 1024 * 1024,
};

struct guest {
    int fd; /* -1: no one */
    int64_t deadline_ms;
};

/* An answer that goes on. */
struct flowing {
    struct admin *admin;
    struct MHD_Connection *connection;
    void *stream; /* NULL: none */
    bool is_suspended;
};

struct door { /* one listening socket */
    struct admin *admin;
    struct MHD_Daemon *daemon; /* NULL: not open */
    int epoll_fd;
    bool is_tcp;
    bool has_left; /* a guest left in this round */
    struct guest guests[CONNECTIONS_MAX];
};

struct admin {
    /* constant after the start */
    struct admin_config config;
    char address[LISTEN_TEXT];
    char no_socket[sizeof(struct err) + 8];
    struct socket_file socket;
    int bell;
    bool has_thread;
    pthread_t thread;
    /* any thread */
    _Atomic bool is_stopping;
    _Atomic int phase;
    /* the endpoint's thread only */
    struct door tcp, local;
    size_t pages_bytes;
    struct flowing flowing[STREAMS_MAX];
    int64_t next_look_ms;
};

/* A page on its way. It is counted until microhttpd lets go of it. */
struct served {
    struct admin *admin;
    struct buf text;
};

/* ---- answers ---- */

static void free_served(void *context)
{
    struct served *served = context;

    served->admin->pages_bytes -= served->text.bytes;
    buf_fini(&served->text);
    free(served);
}

static enum MHD_Result send_response(struct MHD_Connection *connection,
                                     struct MHD_Response *response, const struct reply *reply)
{
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, reply->type);
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    (void)MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (reply->policy[0] != '\0')
        (void)MHD_add_response_header(response, "Content-Security-Policy", reply->policy);
    if (reply->allow != NULL)
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, reply->allow);
    if (reply->authenticate != NULL)
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE,
                                      reply->authenticate);
    enum MHD_Result result = MHD_queue_response(connection, reply->status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result refuse_for_now(struct MHD_Connection *connection)
{
    static const char text[] = "Too many unread answers, or out of memory. Ask again later.\n";
    struct reply reply = { .status = MHD_HTTP_SERVICE_UNAVAILABLE,
                           .type = "text/plain; charset=utf-8" };
    struct MHD_Response *response = MHD_create_response_from_buffer(
        sizeof(text) - 1, (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT);

    return response == NULL ? MHD_NO : send_response(connection, response, &reply);
}

/* Takes the reply's text. */
static enum MHD_Result send_page(struct admin *admin, struct MHD_Connection *connection,
                                 struct reply *reply)
{
    struct served *served = calloc(1, sizeof(*served));

    if (served == NULL) {
        buf_fini(&reply->text);
        return refuse_for_now(connection);
    }
    *served = (struct served){ admin, reply->text };
    admin->pages_bytes += served->text.bytes;
    struct MHD_Response *response = MHD_create_response_from_buffer_with_free_callback_cls(
        served->text.bytes, served->text.data, free_served, served);
    if (response == NULL) {
        free_served(served);
        return refuse_for_now(connection);
    }
    return send_response(connection, response, reply);
}

/* ---- streams ---- */

/* 0 would have it called again at once: without more to say the connection sleeps. */
static ssize_t read_stream(void *context, uint64_t at, char *to, size_t room)
{
    struct flowing *flowing = context;
    const struct stream_maker *maker = &flowing->admin->config.taps;
    bool is_over = atomic_load(&flowing->admin->is_stopping);

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

    flowing->admin->config.taps.close(flowing->stream);
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

/* Takes the reply's stream. */
static enum MHD_Result send_stream(struct admin *admin, struct MHD_Connection *connection,
                                   struct reply *reply, int64_t now_ms)
{
    struct flowing *flowing = find_free_stream(admin);
    struct MHD_Response *response = NULL;

    buf_fini(&reply->text);
    if (flowing != NULL) {
        *flowing = (struct flowing){ admin, connection, reply->stream, false };
        response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, read_stream,
                                                     flowing, free_stream);
    }
    if (response == NULL) {
        if (flowing != NULL)
            flowing->stream = NULL;
        admin->config.taps.close(reply->stream);
        return refuse_for_now(connection);
    }
    set_deadline(connection, now_ms + reply->stream_ms + STREAM_GRACE_MS);
    return send_response(connection, response, reply);
}

static bool has_streams(const struct admin *admin)
{
    for (size_t i = 0; i < STREAMS_MAX; i++) {
        if (admin->flowing[i].stream != NULL)
            return true;
    }
    return false;
}

/* What sleeps is asked again whether there is more, and whether its reader is still there. */
static void wake_streams(struct admin *admin)
{
    for (size_t i = 0; i < STREAMS_MAX; i++) {
        struct flowing *flowing = &admin->flowing[i];
        if (flowing->stream != NULL && flowing->is_suspended)
            MHD_resume_connection(flowing->connection);
        flowing->is_suspended = false;
    }
}

static const char *find_argument(const void *source, const char *name)
{
    return MHD_lookup_connection_value((struct MHD_Connection *)(uintptr_t)source,
                                       MHD_GET_ARGUMENT_KIND, name);
}

static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_bytes, void **request_context)
{
    const struct door *door = context;
    struct admin *admin = door->admin;
    struct request request = { .url = url,
                               .method = method,
                               .bound = door->is_tcp ? admin->address : NULL,
                               .query = { find_argument, connection },
                               .now_ms = clock_now_ms() };
    struct reply reply = { .text = { .limit = PAGES_BYTES - admin->pages_bytes } };

    (void)version, (void)upload, (void)upload_bytes, (void)request_context;
    if (reply.text.limit == 0)
        return refuse_for_now(connection);
    request.host = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST);
    request.accept =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT);
    request.authorization =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);
    request.file = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "file");
    request.name = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "name");
    enum admin_phase phase = (enum admin_phase)atomic_load(&admin->phase);
    if (!routes_answer(&admin->config, phase, &request, &reply)) {
        buf_fini(&reply.text);
        return refuse_for_now(connection);
    }
    if (reply.stream != NULL)
        return send_stream(admin, connection, &reply, request.now_ms);
    return send_page(admin, connection, &reply);
}

/* ---- guests ---- */

static void note_guest(void *context, struct MHD_Connection *connection, void **socket_context,
                       enum MHD_ConnectionNotificationCode code)
{
    struct door *door = context;
    struct guest *guest = *socket_context;

    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (guest != NULL)
            guest->fd = -1;
        door->has_left = true;
        return;
    }
    for (guest = door->guests; guest < door->guests + CONNECTIONS_MAX && guest->fd >= 0;)
        guest++;
    CHECK(guest < door->guests + CONNECTIONS_MAX);
    guest->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    guest->deadline_ms = clock_now_ms() + REQUEST_MS;
    *socket_context = guest;
}

/* microhttpd sees the end of the connection, and lets go of it. Returns the next deadline. */
static int64_t cut_overdue(struct door *door, int64_t now_ms)
{
    int64_t next_ms = INT64_MAX;

    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        struct guest *guest = &door->guests[i];
        if (guest->fd < 0)
            continue;
        if (now_ms >= guest->deadline_ms) {
            (void)shutdown(guest->fd, SHUT_RDWR);
            guest->deadline_ms = now_ms + REQUEST_MS;
        }
        if (guest->deadline_ms < next_ms)
            next_ms = guest->deadline_ms;
    }
    return next_ms;
}

/* ---- the thread ---- */

/* Returns how long may be slept; -1: until something comes. */
static int64_t serve_door(struct door *door, int64_t now_ms)
{
    MHD_UNSIGNED_LONG_LONG wait_ms;

    if (door->daemon == NULL)
        return -1;
    int64_t next_ms = cut_overdue(door, now_ms);
    door->has_left = false;
    (void)MHD_run(door->daemon);
    if (door->has_left) /* a full door listens again at the next round only */
        return 0;
    if (MHD_get_timeout(door->daemon, &wait_ms) == MHD_YES && (int64_t)wait_ms < REQUEST_MS)
        return (int64_t)wait_ms;
    return next_ms == INT64_MAX ? -1 : next_ms - now_ms;
}

static int64_t sooner(int64_t a_ms, int64_t b_ms)
{
    if (a_ms < 0)
        return b_ms;
    return b_ms < 0 || a_ms < b_ms ? a_ms : b_ms;
}

/* microhttpd does not end while a connection sleeps. */
static void end_streams(struct admin *admin)
{
    wake_streams(admin);
    (void)serve_door(&admin->tcp, clock_now_ms());
    (void)serve_door(&admin->local, clock_now_ms());
    wake_streams(admin);
}

/* Returns how long until the next look; -1: there is none. */
static int64_t look_at_books(struct admin *admin, int64_t now_ms)
{
    if (admin->config.history == NULL)
        return -1;
    if (now_ms >= admin->next_look_ms) {
        history_look(admin->config.history, admin->config.ledger, clock_boot_ms());
        admin->next_look_ms = now_ms + HISTORY_LOOK_MS;
    }
    return admin->next_look_ms - now_ms;
}

static void *run_admin(void *context)
{
    struct admin *admin = context;
    int fds[2];
    unsigned count = 0;

    if (admin->tcp.daemon != NULL)
        fds[count++] = admin->tcp.epoll_fd;
    if (admin->local.daemon != NULL)
        fds[count++] = admin->local.epoll_fd;
    while (!atomic_load(&admin->is_stopping)) {
        int64_t now_ms = clock_now_ms();
        wake_streams(admin);
        int64_t look_ms = look_at_books(admin, now_ms);
        int64_t wait_ms = serve_door(&admin->tcp, now_ms);
        wait_ms = sooner(wait_ms, serve_door(&admin->local, now_ms));
        if (has_streams(admin))
            wait_ms = sooner(wait_ms, STREAM_LOOK_MS);
        bell_wait(admin->bell, fds, count, sooner(wait_ms, look_ms));
    }
    end_streams(admin);
    return NULL;
}

/* ---- start and stop ---- */

/* Takes the socket, also when it fails. */
static bool open_door(struct door *door, struct admin *admin, int fd, bool is_tcp, struct err *err)
{
    door->admin = admin;
    door->is_tcp = is_tcp;
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        door->guests[i].fd = -1;
    door->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, answer,
                                    door, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
                                    (unsigned)CONNECTIONS_MAX, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
                                    (unsigned)(is_tcp ? CONNECTIONS_PER_ADDRESS : 0),
                                    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES,
                                    MHD_OPTION_NOTIFY_CONNECTION, note_guest, door, MHD_OPTION_END);
    if (door->daemon == NULL)
        return err_set(err, "libmicrohttpd does not start: %s", strerror(errno));
    door->epoll_fd = MHD_get_daemon_info(door->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    return true;
}

static bool open_tcp(struct admin *admin, struct err *err)
{
    struct err why = { "" };

    if (admin->config.listen[0] == '\0') {
        (void)snprintf(admin->address, sizeof(admin->address), "off");
        return true;
    }
    int fd = listen_open(admin->config.listen, BACKLOG, admin->address, NULL, err);
    if (fd < 0)
        return false;
    return open_door(&admin->tcp, admin, fd, true, &why) ||
           err_set(err, "cannot listen on '%s': %s", admin->config.listen, why.text);
}

static void open_local(struct admin *admin)
{
    struct err why = { "" };

    if (socket_file_open(&admin->socket, admin->config.socket_folder, admin->config.state_dir,
                         BACKLOG, &why)) {
        int fd = admin->socket.fd;
        admin->socket.fd = -1;
        if (open_door(&admin->local, admin, fd, false, &why))
            return;
        socket_file_close(&admin->socket);
    }
    (void)snprintf(admin->no_socket, sizeof(admin->no_socket), "none: %s", why.text);
}

struct admin *admin_start(const struct admin_config *config, struct err *err)
{
    struct admin *admin = calloc(1, sizeof(*admin));

    if (admin == NULL) {
        (void)err_set(err, "out of memory for the admin endpoint");
        return NULL;
    }
    admin->config = *config;
    admin->bell = -1;
    admin->socket = (struct socket_file){ .fd = -1, .lock_fd = -1 };
    if (!open_tcp(admin, err)) {
        admin_stop(&admin);
        return NULL;
    }
    open_local(admin);
    int failed =
        bell_open(&admin->bell) ? pthread_create(&admin->thread, NULL, run_admin, admin) : errno;
    admin->has_thread = failed == 0;
    if (failed != 0) {
        (void)err_set(err, "cannot start the admin endpoint: %s", strerror(failed));
        admin_stop(&admin);
    }
    return admin;
}

void admin_set_phase(struct admin *admin, enum admin_phase phase)
{
    atomic_store(&admin->phase, (int)phase);
}

const char *admin_address(const struct admin *admin)
{
    return admin->address;
}

const char *admin_socket(const struct admin *admin)
{
    return admin->socket.path[0] != '\0' ? admin->socket.path : admin->no_socket;
}

void admin_stop(struct admin **adminp)
{
    struct admin *admin = *adminp;

    *adminp = NULL;
    if (admin == NULL)
        return;
    atomic_store(&admin->is_stopping, true);
    if (admin->has_thread) {
        bell_ring(admin->bell);
        CHECK(pthread_join(admin->thread, NULL) == 0);
    }
    if (admin->tcp.daemon != NULL)
        MHD_stop_daemon(admin->tcp.daemon);
    if (admin->local.daemon != NULL)
        MHD_stop_daemon(admin->local.daemon);
    socket_file_close(&admin->socket);
    CHECK(admin->pages_bytes == 0);
    if (admin->bell >= 0)
        (void)close(admin->bell);
    free(admin);
}
