/* SPDX-License-Identifier: Apache-2.0 */
/* admin: the sockets and the thread. libmicrohttpd does not own the thread: a deadline for a whole
 * request is ours to keep, it knows only of connections that idle. One request for each connection,
 * so that the age of a connection is that of its request. We bind the sockets ourselves: only so
 * can an error say what was wrong. */
#include "admin/admin_state.h"
#include "admin/doors.h"
#include "admin/streams.h"
#include "base/bell.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/thread.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    DOORS = 3,
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

enum MHD_Result admin_answer(void *context, struct MHD_Connection *connection, const char *url,
                             const char *method, const char *version, const char *upload,
                             size_t *upload_bytes, void **request_context)
{
    struct door *door = context;
    struct admin *admin = door->admin;
    struct request request = { .url = url,
                               .method = method,
                               .bound = door->is_tcp ? admin->port.address : NULL,
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
        return streams_send(door, connection, &reply, request.now_ms);
    return send_page(admin, connection, &reply);
}

/* ---- the thread ---- */

static int64_t sooner(int64_t a_ms, int64_t b_ms)
{
    if (a_ms < 0)
        return b_ms;
    return b_ms < 0 || a_ms < b_ms ? a_ms : b_ms;
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

static unsigned list_doors(const struct admin *admin, int ret_fds[DOORS])
{
    const struct door *doors[DOORS] = { admin->tcp, admin->local, admin->retiring };
    unsigned count = 0;

    for (size_t i = 0; i < DOORS; i++) {
        int fd = door_fd(doors[i]);
        if (fd >= 0)
            ret_fds[count++] = fd;
    }
    return count;
}

static void *run_admin(void *context)
{
    struct admin *admin = context;
    int fds[DOORS];

    while (!atomic_load(&admin->is_stopping)) {
        int64_t now_ms = clock_now_ms();
        admin_look_at_port(admin, now_ms);
        streams_wake(admin);
        int64_t wait_ms = look_at_books(admin, now_ms);
        wait_ms = sooner(wait_ms, door_serve(admin->tcp, now_ms));
        wait_ms = sooner(wait_ms, door_serve(admin->local, now_ms));
        wait_ms = sooner(wait_ms, door_serve(admin->retiring, now_ms));
        if (streams_flow(admin))
            wait_ms = sooner(wait_ms, STREAM_LOOK_MS);
        bell_wait(admin->bell, fds, list_doors(admin, fds), wait_ms);
    }
    door_free(&admin->retiring);
    door_free(&admin->tcp);
    door_free(&admin->local);
    return NULL;
}

/* ---- start and stop ---- */

void admin_use_port(struct admin *admin)
{
    admin->config.listen = admin->port.listen;
    admin->config.token = buf_slice(&admin->port.token).data;
}

static bool open_tcp(struct admin *admin, struct err *err)
{
    struct admin_tls tls;

    if (!port_open(&admin->port, &admin->config, NULL, &tls, err))
        return false;
    admin_use_port(admin);
    if (admin->port.fd >= 0)
        admin->tcp = admin_open_tcp(admin, &admin->port, &tls, err);
    admin_tls_fini(&tls);
    return admin->port.fd < 0 || admin->tcp != NULL;
}

static void open_local(struct admin *admin)
{
    struct admin_tls none = { .cert = { .data = NULL } };
    struct err why = { "" };

    if (socket_file_open(&admin->socket, admin->config.socket_folder, admin->config.state_dir,
                         BACKLOG, &why)) {
        int fd = admin->socket.fd;
        admin->socket.fd = -1;
        admin->local = door_open(admin, fd, false, &none, &why);
        if (admin->local != NULL)
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
    admin->port.fd = -1;
    admin->socket = (struct socket_file){ .fd = -1, .lock_fd = -1 };
    if (!open_tcp(admin, err)) {
        admin_stop(&admin);
        return NULL;
    }
    open_local(admin);
    if (!bell_open(&admin->bell))
        (void)err_set(err, "cannot make an eventfd: %s", strerror(errno));
    else
        admin->has_thread = thread_start(&admin->thread, "admin", run_admin, admin, err);
    if (!admin->has_thread)
        admin_stop(&admin);
    return admin;
}

void admin_set_phase(struct admin *admin, enum admin_phase phase)
{
    atomic_store(&admin->phase, (int)phase);
}

const char *admin_address(const struct admin *admin)
{
    return admin->port.address;
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
    door_free(&admin->tcp); /* of one whose thread did not start */
    door_free(&admin->local);
    socket_file_close(&admin->socket);
    port_close(&admin->port);
    CHECK(admin->pages_bytes == 0);
    if (admin->bell >= 0)
        (void)close(admin->bell);
    free(admin);
}
