/* SPDX-License-Identifier: Apache-2.0 */
/* admin: the sockets and the thread. libmicrohttpd does not own the thread: a deadline for a whole
 * request is ours to keep, it knows only of connections that idle. One request for each connection,
 * so that the age of a connection is that of its request. We bind the sockets ourselves: only so
 * can an error say what was wrong. */
#include "admin/admin_state.h"
#include "admin/streams.h"
#include "base/bell.h"
#include "base/check.h"
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CONNECTIONS_PER_ADDRESS = 16,
    CONNECTION_BYTES = 32 * 1024,
    REQUEST_MS = 5000,
    BACKLOG = 16,
    STREAM_LOOK_MS = 50, /* between two looks whether there is more */
    /* Pages that slow readers have not taken yet, together; a page alone has room for all lanes. */
    PAGES_BYTES = 4 * 1024 * 1024,
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

enum MHD_Result admin_send(struct MHD_Connection *connection, struct MHD_Response *response,
                           const struct reply *reply)
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

enum MHD_Result admin_refuse_for_now(struct MHD_Connection *connection)
{
    static const char text[] = "Too many unread answers, or out of memory. Ask again later.\n";
    struct reply reply = { .status = MHD_HTTP_SERVICE_UNAVAILABLE,
                           .type = "text/plain; charset=utf-8" };
    struct MHD_Response *response = MHD_create_response_from_buffer(
        sizeof(text) - 1, (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT);

    return response == NULL ? MHD_NO : admin_send(connection, response, &reply);
}

/* Takes the reply's text. */
static enum MHD_Result send_page(struct admin *admin, struct MHD_Connection *connection,
                                 struct reply *reply)
{
    struct served *served = calloc(1, sizeof(*served));

    if (served == NULL) {
        buf_fini(&reply->text);
        return admin_refuse_for_now(connection);
    }
    *served = (struct served){ admin, reply->text };
    admin->pages_bytes += served->text.bytes;
    struct MHD_Response *response = MHD_create_response_from_buffer_with_free_callback_cls(
        served->text.bytes, served->text.data, free_served, served);
    if (response == NULL) {
        free_served(served);
        return admin_refuse_for_now(connection);
    }
    return admin_send(connection, response, reply);
}

/* ---- requests ---- */

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
        return admin_refuse_for_now(connection);
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
        return admin_refuse_for_now(connection);
    }
    if (reply.stream != NULL)
        return streams_send(admin, connection, &reply, request.now_ms);
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
    streams_wake(admin);
    (void)serve_door(&admin->tcp, clock_now_ms());
    (void)serve_door(&admin->local, clock_now_ms());
    streams_wake(admin);
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
        streams_wake(admin);
        int64_t look_ms = look_at_books(admin, now_ms);
        int64_t wait_ms = serve_door(&admin->tcp, now_ms);
        wait_ms = sooner(wait_ms, serve_door(&admin->local, now_ms));
        if (streams_flow(admin))
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
    bool is_tls = is_tcp && admin->config.cert_file[0] != '\0';
    struct MHD_OptionItem tls[] = {
        { MHD_OPTION_HTTPS_MEM_CERT, 0, admin->tls.cert.data },
        { MHD_OPTION_HTTPS_MEM_KEY, 0, admin->tls.key.data },
        { MHD_OPTION_END, 0, NULL },
    };
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | (is_tls ? MHD_USE_TLS : 0);
    door->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, answer, door, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        (unsigned)(is_tcp ? CONNECTIONS_PER_ADDRESS : 0), MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_BYTES, MHD_OPTION_NOTIFY_CONNECTION, note_guest, door, MHD_OPTION_ARRAY,
        is_tls ? tls : &tls[2], MHD_OPTION_END);
    if (door->daemon == NULL && is_tls)
        return err_set(err, "'%s' and '%s' are no certificate and key that fit, in PEM",
                       admin->config.cert_file, admin->config.key_file);
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
    if (!admin_tls_read(&admin->tls, admin->config.cert_file, admin->config.key_file, err))
        return false;
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
    admin_tls_fini(&admin->tls);
    CHECK(admin->pages_bytes == 0);
    if (admin->bell >= 0)
        (void)close(admin->bell);
    free(admin);
}
