/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/doors.h"

#include "admin/streams.h"
#include "base/auto.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CONNECTIONS_PER_ADDRESS = 16,
    CONNECTION_BYTES = 32 * 1024,
    REQUEST_MS = 5000,
    STUCK_REST_MS = 1000,
};

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
    door->has_come = true;
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

int door_fd(const struct door *door)
{
    return door == NULL || door->is_stuck ? -1 : door->epoll_fd;
}

bool door_is_empty(const struct door *door)
{
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        if (door->guests[i].fd >= 0)
            return false;
    }
    return true;
}

/* Nobody is in, and somebody wants to come in. */
static bool is_waited_for(const struct door *door)
{
    if (door->is_shut || !door_is_empty(door))
        return false;
    struct pollfd ready = {
        .fd = MHD_get_daemon_info(door->daemon, MHD_DAEMON_INFO_LISTEN_FD)->listen_fd,
        .events = POLLIN
    };
    return poll(&ready, 1, 0) == 1;
}

/* microhttpd leaves off accepting when there is no descriptor or no memory, but for the first
 * connection: its own descriptor stays readable then. */
static void run(struct door *door)
{
    bool was_waited_for = is_waited_for(door), was_stuck = door->is_stuck;

    door->has_left = door->has_come = false;
    (void)MHD_run(door->daemon);
    door->is_stuck = was_waited_for && !door->has_come && is_waited_for(door);
    if (door->is_stuck && !was_stuck)
        LOG(LOG_ERROR, "the admin endpoint cannot accept connections",
            LS("why", "out of descriptors or memory; tried once a second"));
}

int64_t door_serve(struct door *door, int64_t now_ms)
{
    MHD_UNSIGNED_LONG_LONG wait_ms;

    if (door == NULL)
        return -1;
    int64_t next_ms = cut_overdue(door, now_ms);
    run(door);
    if (door->has_left) /* a full door listens again at the next round only */
        return 0;
    if (door->is_stuck)
        return STUCK_REST_MS;
    if (MHD_get_timeout(door->daemon, &wait_ms) == MHD_YES && (int64_t)wait_ms < REQUEST_MS)
        return (int64_t)wait_ms;
    return next_ms == INT64_MAX ? -1 : next_ms - now_ms;
}

/* ---- open and close ---- */

static bool start_daemon(struct door *door, int fd, struct err *err)
{
    bool is_tls = door->tls.cert.bytes > 0;
    struct MHD_OptionItem tls[] = {
        { MHD_OPTION_HTTPS_MEM_CERT, 0, door->tls.cert.data },
        { MHD_OPTION_HTTPS_MEM_KEY, 0, door->tls.key.data },
        { MHD_OPTION_END, 0, NULL },
    };
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | (is_tls ? MHD_USE_TLS : 0);

    door->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, admin_answer, door, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        (unsigned)(door->is_tcp ? CONNECTIONS_PER_ADDRESS : 0), MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_BYTES, MHD_OPTION_NOTIFY_CONNECTION, note_guest, door, MHD_OPTION_ARRAY,
        is_tls ? tls : &tls[2], MHD_OPTION_END);
    if (door->daemon == NULL && is_tls)
        return err_set(err, "they are no certificate and key that fit, in PEM");
    if (door->daemon == NULL)
        return err_set(err, "libmicrohttpd does not start: %s", strerror(errno));
    door->epoll_fd = MHD_get_daemon_info(door->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    return true;
}

struct door *door_open(struct admin *admin, int fd, bool is_tcp, struct admin_tls *tls,
                       struct err *err)
{
    struct door *door = calloc(1, sizeof(*door));

    if (door == NULL) {
        (void)close(fd);
        admin_tls_fini(tls);
        (void)err_set(err, "out of memory for the admin endpoint");
        return NULL;
    }
    door->admin = admin;
    door->is_tcp = is_tcp;
    door->tls = *tls;
    *tls = (struct admin_tls){ .cert = { .data = NULL } };
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        door->guests[i].fd = -1;
    if (!start_daemon(door, fd, err)) /* which closes the socket */
        door_free(&door);
    return door;
}

void door_shut(struct door *door)
{
    if (door->is_shut)
        return;
    /* It would else shut the socket down, which another door may have too. */
    int fd = MHD_quiesce_daemon(door->daemon);
    auto_close(&fd);
    door->is_shut = true;
}

/* microhttpd does not end while a connection sleeps. */
static void end_streams(struct door *door)
{
    door->ends_streams = true;
    streams_wake(door->admin);
    (void)door_serve(door, clock_now_ms());
    streams_wake(door->admin);
}

void door_free(struct door **doorp)
{
    struct door *door = *doorp;

    *doorp = NULL;
    if (door == NULL)
        return;
    if (door->daemon != NULL) {
        door_shut(door);
        if (!door_is_empty(door))
            end_streams(door);
        MHD_stop_daemon(door->daemon);
    }
    admin_tls_fini(&door->tls);
    free(door);
}
