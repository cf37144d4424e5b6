/* SPDX-License-Identifier: Apache-2.0 */
/* inlet: libmicrohttpd knows only of connections that idle, so deadlines are kept here: a guest has
 * one from its first byte to the headers of a request, then another to the end of that request.
 * Limits are kept here too: it would not say how many it turned away. */
#include "inlet.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

enum {
    CONNECTION_BYTES = 16 * 1024,
    GUEST_BYTES = 1024,          /* what the libraries keep of a connection besides */
    TLS_GUEST_BYTES = 48 * 1024, /* of GnuTLS */
    TURNED_AWAY_AT_ONCE = 8,     /* accepted only to be closed */
    PEM_BYTES = 256 * 1024,
    RECHECK_MS = 1000,
    STUCK_REST_MS = 1000,
};

/* A socket that inlets share: of two in one place, the later one has its file too. */
struct place {
    struct socket *socket;
    unsigned inlets;
};

struct inlet {
    struct MHD_Daemon *daemon; /* has a duplicate of the socket */
    struct place *place;
    struct inlet_config config;
    struct buf cert, key;
    size_t guests_max;
    struct inlet_counts counts;
    bool has_left; /* somebody, in this run */
    bool is_stuck; /* somebody waits, and cannot be accepted */
    struct guest guests[];
};

/* ---- addresses ---- */

static bool is_tls(const char *listen)
{
    return strncmp(listen, "tls://", 6) == 0;
}

static const char *listen_of(const struct http_input_config *options)
{
    return options->listen.items[0];
}

static struct socket_wishes wishes_of(const struct http_input_config *options)
{
    return (struct socket_wishes){ .mode = options->socket_mode, .owner = options->socket_owner };
}

uint64_t inlet_memory_bytes(const struct http_input_config *options)
{
    uint64_t guest = CONNECTION_BYTES + GUEST_BYTES + sizeof(struct guest);

    return options->max_connections * (guest + (is_tls(listen_of(options)) ? TLS_GUEST_BYTES : 0));
}

bool inlet_check(const struct http_input_config *options, struct err *err)
{
    struct socket_wishes wishes = wishes_of(options);
    struct address address;
    bool has_files = options->tls__cert_file[0] != '\0' && options->tls__key_file[0] != '\0';
    bool has_a_file = options->tls__cert_file[0] != '\0' || options->tls__key_file[0] != '\0';

    if (options->listen.count != 1)
        return err_set(err, "listen: one address; each further one is an input of its own");
    if (!address_parse(listen_of(options), HTTP_INPUT_SCHEMES, &address, err) ||
        !socket_check_wishes(&wishes, err))
        return false;
    if (is_tls(listen_of(options)) && !has_files)
        return err_set(err, "listen: tls:// needs tls.cert_file and tls.key_file");
    if (!is_tls(listen_of(options)) && has_a_file)
        return err_set(err,
                       "tls.cert_file and tls.key_file need a listen: that begins with tls://");
    return true;
}

void inlet_name_guest(const struct guest *guest, char ret[INET6_ADDRSTRLEN])
{
    const struct sockaddr_in *four = (const void *)&guest->address;
    const struct sockaddr_in6 *six = (const void *)&guest->address;

    ret[0] = '\0';
    if (guest->address.ss_family != AF_INET && guest->address.ss_family != AF_INET6)
        return;
    bool is_six = guest->address.ss_family == AF_INET6;
    const void *address = is_six ? (const void *)&six->sin6_addr : (const void *)&four->sin_addr;

    if (inet_ntop(is_six ? AF_INET6 : AF_INET, address, ret, INET6_ADDRSTRLEN) == NULL)
        ret[0] = '\0';
}

static bool is_same_address(const struct sockaddr_storage *a, const struct sockaddr *b)
{
    if (a->ss_family != b->sa_family || (b->sa_family != AF_INET && b->sa_family != AF_INET6))
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
    struct inlet *inlet = context;
    uint64_t of_address = 0, all = 0;

    (void)bytes;
    for (size_t i = 0; i < inlet->guests_max; i++) {
        if (inlet->guests[i].fd < 0)
            continue;
        all++;
        of_address += is_same_address(&inlet->guests[i].address, address);
    }
    if (all < inlet->guests_max && of_address < inlet->config.options->max_connections_per_address)
        return MHD_YES;
    inlet->counts.refused++;
    return MHD_NO;
}

static void note_guest(void *context, struct MHD_Connection *connection, void **socket_context,
                       enum MHD_ConnectionNotificationCode code)
{
    struct inlet *inlet = context;
    struct guest *guest = *socket_context;

    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (guest != NULL)
            guest->fd = -1;
        inlet->has_left = true;
        return;
    }
    for (guest = inlet->guests; guest->fd >= 0; guest++)
        CHECK(guest < inlet->guests + inlet->guests_max - 1); /* admit_guest() has seen to it */
    const struct sockaddr *address =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
    size_t bytes = address->sa_family == AF_INET6  ? sizeof(struct sockaddr_in6)
                   : address->sa_family == AF_INET ? sizeof(struct sockaddr_in)
                                                   : sizeof(address->sa_family);
    memcpy(&guest->address, address, bytes);
    guest->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    guest->deadline_ms = clock_now_ms() + inlet->config.options->idle_timeout;
    guest->rests = false;
    inlet->counts.accepted++;
    *socket_context = guest;
}

struct guest *inlet_guest(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

/* libmicrohttpd sees the end of the connection, and lets go of it. */
static void cut_overdue(struct inlet *inlet, int64_t now_ms)
{
    for (size_t i = 0; i < inlet->guests_max; i++) {
        struct guest *guest = &inlet->guests[i];
        if (guest->fd < 0 || now_ms < guest->deadline_ms)
            continue;
        (void)shutdown(guest->fd, SHUT_RDWR);
        guest->deadline_ms = now_ms + RECHECK_MS;
        inlet->counts.refused += !guest->rests;
        guest->rests = true; /* it is counted once */
    }
}

static int64_t next_deadline(const struct inlet *inlet)
{
    int64_t next_ms = INT64_MAX;

    for (size_t i = 0; i < inlet->guests_max; i++) {
        const struct guest *guest = &inlet->guests[i];
        if (guest->fd >= 0 && guest->deadline_ms < next_ms)
            next_ms = guest->deadline_ms;
    }
    return next_ms;
}

/* Nobody is in, and somebody wants to come in. */
static bool is_waited_for(const struct inlet *inlet)
{
    struct pollfd ready = { .fd = inlet->place->socket->fd, .events = POLLIN };

    return next_deadline(inlet) == INT64_MAX && poll(&ready, 1, 0) == 1;
}

/* libmicrohttpd leaves off accepting when there is no descriptor or no memory, but for the first
 * connection: its own descriptor stays readable then. */
static void run(struct inlet *inlet)
{
    bool was_waited_for = is_waited_for(inlet), was_stuck = inlet->is_stuck;
    uint64_t came = inlet->counts.accepted + inlet->counts.refused;

    inlet->has_left = false;
    (void)MHD_run(inlet->daemon);
    inlet->is_stuck = was_waited_for && came == inlet->counts.accepted + inlet->counts.refused &&
                      is_waited_for(inlet);
    inlet->counts.stuck += inlet->is_stuck && !was_stuck;
}

bool inlet_run(struct inlet *inlet, int64_t now_ms, int64_t *ret_due_ms)
{
    MHD_UNSIGNED_LONG_LONG wait_ms;

    cut_overdue(inlet, now_ms);
    run(inlet);
    int64_t due_ms = next_deadline(inlet); /* of those too that came, or asked, just now */
    *ret_due_ms = due_ms == INT64_MAX ? 0 : due_ms;
    if (inlet->has_left) /* a full inlet listens again at the next round only */
        return true;
    if (inlet->is_stuck)
        *ret_due_ms = now_ms + STUCK_REST_MS;
    if (MHD_get_timeout(inlet->daemon, &wait_ms) != MHD_YES)
        return false;
    if (wait_ms < RECHECK_MS && now_ms + (int64_t)wait_ms < due_ms)
        *ret_due_ms = now_ms + (int64_t)wait_ms;
    return wait_ms == 0;
}

struct inlet_counts inlet_take_counts(struct inlet *inlet)
{
    struct inlet_counts counts = inlet->counts;

    inlet->counts = (struct inlet_counts){ 0 };
    return counts;
}

/* ---- open and close ---- */

static bool read_tls(struct inlet *inlet, struct err *err)
{
    const struct http_input_config *options = inlet->config.options;

    inlet->cert.limit = inlet->key.limit = PEM_BYTES;
    if (!is_tls(listen_of(options)))
        return true;
    if (MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES)
        return err_set(err, "libmicrohttpd was built without TLS");
    return file_read(options->tls__cert_file, &inlet->cert, err) &&
           file_read(options->tls__key_file, &inlet->key, err);
}

static bool start(struct inlet *inlet, int fd, struct err *err)
{
    bool with_tls = is_tls(listen_of(inlet->config.options));
    struct MHD_OptionItem tls[] = {
        { MHD_OPTION_HTTPS_MEM_CERT, 0, inlet->cert.data },
        { MHD_OPTION_HTTPS_MEM_KEY, 0, inlet->key.data },
        { MHD_OPTION_END, 0, NULL },
    };
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | (with_tls ? MHD_USE_TLS : 0);

    inlet->daemon = MHD_start_daemon(
        flags, 0, admit_guest, inlet, inlet->config.on_request, inlet->config.context,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)inlet->guests_max + TURNED_AWAY_AT_ONCE, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_BYTES, MHD_OPTION_NOTIFY_CONNECTION, note_guest, inlet,
        MHD_OPTION_NOTIFY_COMPLETED, inlet->config.on_completed, inlet->config.context,
        MHD_OPTION_ARRAY, with_tls ? tls : &tls[2], MHD_OPTION_END);
    if (inlet->daemon != NULL)
        return true;
    (void)close(fd);
    if (with_tls)
        return err_set(err, "'%s' and '%s' are no certificate and key that fit, in PEM",
                       inlet->config.options->tls__cert_file, inlet->config.options->tls__key_file);
    return err_set(err, "libmicrohttpd does not start: %s", strerror(errno));
}

static bool open_place(struct place *place, const struct http_input_config *options,
                       struct err *err)
{
    struct socket_wishes wishes = wishes_of(options);
    struct socket *sockets[2];
    size_t count = 0;

    if (!socket_open(listen_of(options), &wishes, sockets, sizeof(sockets) / sizeof(sockets[0]),
                     &count, err))
        return false;
    for (size_t i = 1; i < count; i++)
        socket_close(&sockets[i]);
    place->socket = sockets[0];
    if (count > 1)
        return err_set(err, "'%s' is several sockets: one for each input", listen_of(options));
    if (place->socket->kind != SOCKET_ACCEPTS)
        return err_set(err, "'%s' takes no connections", listen_of(options));
    return true;
}

static void leave_place(struct place **placep)
{
    struct place *place = *placep;

    *placep = NULL;
    if (place == NULL || --place->inlets > 0)
        return;
    socket_close(&place->socket);
    free(place);
}

static struct place *find_place(const struct http_input_config *options, const struct inlet *like,
                                struct err *err)
{
    struct place *place;

    if (like != NULL && strcmp(like->place->socket->address, listen_of(options)) == 0) {
        like->place->inlets++;
        return like->place;
    }
    place = calloc(1, sizeof(*place));
    if (place == NULL) {
        (void)err_set(err, "out of memory for a socket");
        return NULL;
    }
    place->inlets = 1;
    if (!open_place(place, options, err))
        leave_place(&place);
    return place;
}

struct inlet *inlet_open(const struct inlet_config *config, const struct inlet *like,
                         struct err *err)
{
    size_t guests = config->options->max_connections;
    AUTO(inlet_close)
    struct inlet *inlet = calloc(1, sizeof(*inlet) + guests * sizeof(inlet->guests[0]));

    if (inlet == NULL) {
        (void)err_set(err, "out of memory for %zu connections", guests);
        return NULL;
    }
    inlet->config = *config;
    inlet->guests_max = guests;
    for (size_t i = 0; i < guests; i++)
        inlet->guests[i].fd = -1;
    inlet->place = find_place(config->options, like, err);
    if (inlet->place == NULL || !read_tls(inlet, err))
        return NULL;
    int fd = fcntl(inlet->place->socket->fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0 || !start(inlet, fd, err)) {
        if (fd < 0)
            (void)err_set(err, "cannot keep a socket: %s", strerror(errno));
        return NULL;
    }
    struct inlet *made = inlet;
    inlet = NULL;
    return made;
}

void inlet_close(struct inlet **inletp)
{
    struct inlet *inlet = *inletp;

    *inletp = NULL;
    if (inlet == NULL)
        return;
    if (inlet->daemon != NULL)
        MHD_stop_daemon(inlet->daemon);
    leave_place(&inlet->place);
    if (inlet->key.data != NULL)
        explicit_bzero(inlet->key.data, inlet->key.bytes);
    buf_fini(&inlet->cert);
    buf_fini(&inlet->key);
    free(inlet);
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

bool inlet_is_at(const struct inlet *inlet, const struct http_input_config *options)
{
    return strcmp(inlet->place->socket->address, listen_of(options)) == 0 &&
           inlet->guests_max == options->max_connections;
}

bool inlet_is_like(const struct inlet *inlet, const struct http_input_config *options)
{
    const char *listen = inlet->place->socket->address;

    if (!inlet_is_at(inlet, options))
        return false;
    return !is_tls(listen) || (is_same_file(options->tls__cert_file, &inlet->cert) &&
                               is_same_file(options->tls__key_file, &inlet->key));
}

bool inlet_adjust(struct inlet *inlet, struct err *err)
{
    struct socket_wishes wishes = wishes_of(inlet->config.options);

    return socket_adjust(inlet->place->socket, &wishes, err);
}

void inlet_set_options(struct inlet *inlet, const struct http_input_config *options)
{
    inlet->config.options = options;
}

const char *inlet_bound(const struct inlet *inlet)
{
    const struct socket *socket = inlet->place->socket;
    bool has_port = socket->path[0] == '\0' && strncmp(socket->name, "t", 1) == 0;

    return socket->name + (has_port ? strlen("tcp://") : 0);
}

int inlet_fd(const struct inlet *inlet)
{
    if (inlet->is_stuck)
        return -1;
    return MHD_get_daemon_info(inlet->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}
