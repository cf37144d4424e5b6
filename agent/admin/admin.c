/* SPDX-License-Identifier: Apache-2.0 */
/* admin: /metrics over HTTP. libmicrohttpd owns the one thread, which sleeps in epoll and costs
 * nothing while nobody asks. We bind the socket ourselves: only so can an error say what was wrong.
 */
#include "admin/admin.h"

#include "base/auto.h"
#include "base/check.h"
#include "base/listen.h"
#include "ledger/metrics.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>

enum {
    CONNECTIONS_MAX = 32,
    CONNECTIONS_PER_ADDRESS = 16,
    CONNECTION_BYTES = 32 * 1024,
    CONNECTION_TIMEOUT_S = 10,
    BACKLOG = 16,
    /* Pages that slow readers have not taken yet, together; a page alone has room for all lanes. */
    PAGES_BYTES = 4 * 1024 * 1024,
};

struct admin {
    /* constant after the start */
    struct MHD_Daemon *daemon;
    const struct ledger *ledger;
    char address[LISTEN_TEXT];
    /* microhttpd's thread only */
    size_t pages_bytes;
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

static enum MHD_Result reply_text(struct MHD_Connection *connection, unsigned status,
                                  const char *text)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(
        strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT);
    if (response == NULL)
        return MHD_NO;
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
                                  "text/plain; charset=utf-8");
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result reply_metrics(struct admin *admin, struct MHD_Connection *connection)
{
    struct served *served = calloc(1, sizeof(*served));

    if (served == NULL)
        return reply_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "Out of memory.\n");
    served->admin = admin;
    served->text.limit = PAGES_BYTES;
    bool ok = metrics_write(admin->ledger, &served->text) &&
              served->text.bytes <= PAGES_BYTES - admin->pages_bytes;
    admin->pages_bytes += served->text.bytes;
    struct MHD_Response *response = NULL;
    if (ok)
        response = MHD_create_response_from_buffer_with_free_callback_cls(
            served->text.bytes, served->text.data, free_served, served);
    if (response == NULL) {
        free_served(served);
        return reply_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
                          "Too many unread answers, or out of memory. Ask again later.\n");
    }
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
                                  "text/plain; version=0.0.4; charset=utf-8");
    enum MHD_Result result = MHD_queue_response(connection, MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_bytes, void **request)
{
    (void)version, (void)upload, (void)upload_bytes, (void)request;

    if (strcmp(url, "/metrics") != 0)
        return reply_text(connection, MHD_HTTP_NOT_FOUND, "There is only /metrics here.\n");
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        return reply_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED,
                          "/metrics is for reading: use GET.\n");
    return reply_metrics(context, connection);
}

/* ---- start and stop ---- */

static struct MHD_Daemon *start_daemon(struct admin *admin, int fd)
{
    /* epoll where microhttpd has it, without its messages: the agent has one log. */
    unsigned flags =
        (unsigned)MHD_USE_AUTO | (unsigned)MHD_USE_INTERNAL_POLLING_THREAD | (unsigned)MHD_USE_ITC;

    return MHD_start_daemon(flags, 0, NULL, NULL, answer, admin, MHD_OPTION_LISTEN_SOCKET, fd,
                            MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
                            MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)CONNECTIONS_PER_ADDRESS,
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES,
                            MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)CONNECTION_TIMEOUT_S,
                            MHD_OPTION_END);
}

struct admin *admin_start(const char *listen, const struct ledger *ledger, struct err *err)
{
    struct admin *admin = calloc(1, sizeof(*admin));

    if (admin == NULL) {
        (void)err_set(err, "out of memory for the admin endpoint");
        return NULL;
    }
    admin->ledger = ledger;
    int fd = listen_open(listen, BACKLOG, admin->address, NULL, err);
    if (fd < 0) {
        free(admin);
        return NULL;
    }
    admin->daemon = start_daemon(admin, fd); /* takes the socket, also when it fails */
    if (admin->daemon == NULL) {
        (void)err_set(err, "cannot listen on '%s': libmicrohttpd does not start: %s", listen,
                      strerror(errno));
        free(admin);
        return NULL;
    }
    return admin;
}

const char *admin_address(const struct admin *admin)
{
    return admin->address;
}

void admin_stop(struct admin **adminp)
{
    struct admin *admin = *adminp;

    *adminp = NULL;
    if (admin == NULL)
        return;
    MHD_stop_daemon(admin->daemon);
    CHECK(admin->pages_bytes == 0);
    free(admin);
}
