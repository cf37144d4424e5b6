/* SPDX-License-Identifier: Apache-2.0 */
/* door: libmicrohttpd knows only of connections that idle, so deadlines are kept here: a guest has
 * one from its first byte to the headers of a request, then another to the end of that request.
 * Limits are kept here too: it would not say how many it turned away. */
#include "door.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>

enum {
    BACKLOG = 512,
    CONNECTION_BYTES = 16 * 1024,
    GUEST_BYTES = 1024,          /* what the libraries keep of a connection besides */
    TLS_GUEST_BYTES = 48 * 1024, /* of GnuTLS */
    TURNED_AWAY_AT_ONCE = 8,     /* accepted only to be closed */
    PEM_BYTES = 256 * 1024,
    RECHECK_MS = 1000,
};

struct door {
    struct MHD_Daemon *daemon;
    int listen_fd; /* a duplicate of the daemon's: for another door in its place */
    struct door_config config;
    char *listen; /* as it was opened */
    char bound[LISTEN_TEXT];
    struct buf cert, key;
    size_t guests_max;
    uint64_t refused;
    bool has_left; /* somebody, in this run */
    struct guest guests[];
};

/* ---- addresses ---- */

static bool is_tls(const char *listen)
{
    return strncmp(listen, "tls://", 6) == 0;
}

/* Behind "tcp://" or "tls://"; NULL: it has neither. */
static const char *address_of(const char *listen)
{
    return strncmp(listen, "tcp://", 6) == 0 || is_tls(listen) ? listen + 6 : NULL;
}

uint64_t door_memory_bytes(const struct http_input_config *options)
{
    uint64_t guest = CONNECTION_BYTES + GUEST_BYTES + sizeof(struct guest);

    return options->max_connections * (guest + (is_tls(options->listen) ? TLS_GUEST_BYTES : 0));
}

bool door_check(const struct http_input_config *options, struct err *err)
{
    const char *address = address_of(options->listen);
    bool has_files = options->tls__cert_file[0] != '\0' && options->tls__key_file[0] != '\0';
    bool has_a_file = options->tls__cert_file[0] != '\0' || options->tls__key_file[0] != '\0';

    if (address == NULL)
        return err_set(err, "listen: '%s' does not begin with tcp:// or tls://", options->listen);
    if (is_tls(options->listen) && !has_files)
        return err_set(err, "listen: tls:// needs tls.cert_file and tls.key_file");
    if (!is_tls(options->listen) && has_a_file)
        return err_set(err,
                       "tls.cert_file and tls.key_file need a listen: that begins with tls://");
    return listen_check(address, err);
}

void door_name_guest(const struct guest *guest, char ret[INET6_ADDRSTRLEN])
{
    const struct sockaddr_in *four = (const void *)&guest->address;
    const struct sockaddr_in6 *six = (const void *)&guest->address;
    bool is_six = guest->address.ss_family == AF_INET6;
    const void *address = is_six ? (const void *)&six->sin6_addr : (const void *)&four->sin_addr;

    if (inet_ntop(is_six ? AF_INET6 : AF_INET, address, ret, INET6_ADDRSTRLEN) == NULL)
        ret[0] = '\0';
}

static bool is_same_address(const struct sockaddr_storage *a, const struct sockaddr *b)
{
    if (a->ss_family != b->sa_family)
        return false;
    if (b->sa_family == AF_INET6)
        return memcmp(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr,
                      &((const struct sockaddr_in6 *)(const void *)b)->sin6_addr,
                      sizeof(struct in6_addr)) == 0;
    return ((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr ==
           ((const struct sockaddr_in *)(const void *)b)->sin_addr.s_addr;
}

/* ---- guests ---- */

static enum MHD_Result admit_guest(void *context, const struct sockaddr *address, socklen_t bytes)
{
    struct door *door = context;
    uint64_t of_address = 0, all = 0;

    (void)bytes;
    for (size_t i = 0; i < door->guests_max; i++) {
        if (door->guests[i].fd < 0)
            continue;
        all++;
        of_address += is_same_address(&door->guests[i].address, address);
    }
    if (all < door->guests_max && of_address < door->config.options->max_connections_per_address)
        return MHD_YES;
    door->refused++;
    return MHD_NO;
}

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
    for (guest = door->guests; guest->fd >= 0; guest++)
        CHECK(guest < door->guests + door->guests_max - 1); /* admit_guest() has seen to it */
    const struct sockaddr *address =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
    size_t bytes =
        address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    memcpy(&guest->address, address, bytes);
    guest->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    guest->deadline_ms = clock_now_ms() + door->config.options->idle_timeout;
    *socket_context = guest;
}

struct guest *door_guest(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

/* libmicrohttpd sees the end of the connection, and lets go of it. Returns the next deadline. */
static int64_t cut_overdue(struct door *door, int64_t now_ms)
{
    int64_t next_ms = INT64_MAX;

    for (size_t i = 0; i < door->guests_max; i++) {
        struct guest *guest = &door->guests[i];
        if (guest->fd < 0)
            continue;
        if (now_ms >= guest->deadline_ms) {
            (void)shutdown(guest->fd, SHUT_RDWR);
            guest->deadline_ms = now_ms + RECHECK_MS;
            door->refused++;
        }
        if (guest->deadline_ms < next_ms)
            next_ms = guest->deadline_ms;
    }
    return next_ms;
}

bool door_run(struct door *door, int64_t now_ms, int64_t *ret_due_ms)
{
    MHD_UNSIGNED_LONG_LONG wait_ms;
    int64_t due_ms = cut_overdue(door, now_ms);

    door->has_left = false;
    (void)MHD_run(door->daemon);
    *ret_due_ms = due_ms == INT64_MAX ? 0 : due_ms;
    if (door->has_left) /* a full door listens again at the next round only */
        return true;
    if (MHD_get_timeout(door->daemon, &wait_ms) != MHD_YES)
        return false;
    if (wait_ms < RECHECK_MS && now_ms + (int64_t)wait_ms < due_ms)
        *ret_due_ms = now_ms + (int64_t)wait_ms;
    return wait_ms == 0;
}

uint64_t door_take_refused(struct door *door)
{
    uint64_t refused = door->refused;

    door->refused = 0;
    return refused;
}

/* ---- open and close ---- */

static bool read_tls(struct door *door, struct err *err)
{
    const struct http_input_config *options = door->config.options;

    door->cert.limit = door->key.limit = PEM_BYTES;
    if (!is_tls(door->listen))
        return true;
    if (MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES)
        return err_set(err, "libmicrohttpd was built without TLS");
    return file_read(options->tls__cert_file, &door->cert, err) &&
           file_read(options->tls__key_file, &door->key, err);
}

static bool start(struct door *door, int fd, struct err *err)
{
    bool with_tls = is_tls(door->listen);
    struct MHD_OptionItem tls[] = {
        { MHD_OPTION_HTTPS_MEM_CERT, 0, door->cert.data },
        { MHD_OPTION_HTTPS_MEM_KEY, 0, door->key.data },
        { MHD_OPTION_END, 0, NULL },
    };
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | (with_tls ? MHD_USE_TLS : 0);

    door->daemon = MHD_start_daemon(
        flags, 0, admit_guest, door, door->config.on_request, door->config.context,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)door->guests_max + TURNED_AWAY_AT_ONCE, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_BYTES, MHD_OPTION_NOTIFY_CONNECTION, note_guest, door,
        MHD_OPTION_NOTIFY_COMPLETED, door->config.on_completed, door->config.context,
        MHD_OPTION_ARRAY, with_tls ? tls : &tls[2], MHD_OPTION_END);
    if (door->daemon != NULL)
        return true;
    (void)close(fd);
    if (with_tls)
        return err_set(err, "'%s' and '%s' are no certificate and key that fit, in PEM",
                       door->config.options->tls__cert_file, door->config.options->tls__key_file);
    return err_set(err, "libmicrohttpd does not start: %s", strerror(errno));
}

static bool open_socket(struct door *door, const struct door *like, struct err *err)
{
    if (like != NULL && strcmp(like->listen, door->listen) == 0) {
        memcpy(door->bound, like->bound, sizeof(door->bound));
        door->listen_fd = fcntl(like->listen_fd, F_DUPFD_CLOEXEC, 0);
    } else {
        door->listen_fd = listen_open(address_of(door->listen), BACKLOG, door->bound, NULL, err);
        if (door->listen_fd < 0)
            return false;
    }
    return door->listen_fd >= 0 || err_set(err, "cannot keep a socket: %s", strerror(errno));
}

struct door *door_open(const struct door_config *config, const struct door *like, struct err *err)
{
    size_t guests = config->options->max_connections;
    AUTO(door_close)
    struct door *door = calloc(1, sizeof(*door) + guests * sizeof(door->guests[0]));

    if (door == NULL || (door->listen = strdup(config->options->listen)) == NULL) {
        (void)err_set(err, "out of memory for %zu connections", guests);
        return NULL;
    }
    door->listen_fd = -1;
    door->config = *config;
    door->guests_max = guests;
    for (size_t i = 0; i < guests; i++)
        door->guests[i].fd = -1;
    if (!read_tls(door, err) || !open_socket(door, like, err))
        return NULL;
    int fd = fcntl(door->listen_fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0 || !start(door, fd, err)) {
        if (fd < 0)
            (void)err_set(err, "cannot keep a socket: %s", strerror(errno));
        return NULL;
    }
    struct door *made = door;
    door = NULL;
    return made;
}

void door_close(struct door **doorp)
{
    struct door *door = *doorp;

    *doorp = NULL;
    if (door == NULL)
        return;
    if (door->daemon != NULL)
        MHD_stop_daemon(door->daemon);
    if (door->listen != NULL) /* else nothing else was made */
        auto_close(&door->listen_fd);
    if (door->key.data != NULL)
        explicit_bzero(door->key.data, door->key.bytes);
    buf_fini(&door->cert);
    buf_fini(&door->key);
    free(door->listen);
    free(door);
}

static bool is_same_file(const char *path, const struct buf *before)
{
    AUTO(buf_fini) struct buf now = { .limit = PEM_BYTES };
    struct err err = { "" };
    bool is_same = file_read(path, &now, &err) && slice_equals(buf_slice(&now), buf_slice(before));

    if (now.data != NULL)
        explicit_bzero(now.data, now.bytes);
    return is_same;
}

bool door_is_like(const struct door *door, const struct http_input_config *options)
{
    if (strcmp(door->listen, options->listen) != 0 || door->guests_max != options->max_connections)
        return false;
    return !is_tls(door->listen) || (is_same_file(options->tls__cert_file, &door->cert) &&
                                     is_same_file(options->tls__key_file, &door->key));
}

void door_set_options(struct door *door, const struct http_input_config *options)
{
    door->config.options = options;
}

const char *door_bound(const struct door *door)
{
    return door->bound;
}

int door_fd(const struct door *door)
{
    return MHD_get_daemon_info(door->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}
