/* SPDX-License-Identifier: Apache-2.0 */
#include "base/listen.h"

#include "base/auto.h"
#include "base/capability.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

enum { PORT_MAX = 65535 };

/* getaddrinfo() would take port 99999 for 34463. */
static bool is_port(const char *text)
{
    return text[0] != '\0' && strspn(text, "0123456789") == strlen(text) && strlen(text) <= 5 &&
           strtoul(text, NULL, 10) <= PORT_MAX;
}

struct endpoint {
    char host[LISTEN_TEXT];
    const char *port; /* in the text that was parsed */
    bool is_numeric;
};

/* Letters, digits, "-", "_" and dots; one that ends in a number is an address, and not a good one.
 */
static bool is_host_name(const char *text)
{
    static const char digits[] = "0123456789";
    const char *last = strrchr(text, '.');

    last = last == NULL ? text : last + 1;
    return last[strspn(last, digits)] != '\0' &&
           text[strspn(
               text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")] == '\0';
}

static bool is_address(const char *text)
{
    struct in6_addr parsed;
    char address[LISTEN_TEXT];
    size_t bytes = strcspn(text, "%"); /* [fe80::1%eth0]: the zone is looked at when it is bound */

    memcpy(address, text, bytes);
    address[bytes] = '\0';
    return inet_pton(AF_INET6, address, &parsed) == 1 || inet_pton(AF_INET, text, &parsed) == 1;
}

static bool parse(const char *listen_at, struct endpoint *ret, struct err *err)
{
    const char *colon = strrchr(listen_at, ':');
    size_t bytes = colon == NULL ? 0 : (size_t)(colon - listen_at);
    bool in_brackets = bytes > 2 && listen_at[0] == '[' && colon[-1] == ']';
    const char *host = listen_at + in_brackets;

    bytes -= in_brackets ? 2 : 0;
    bool whole = bytes > 0 && bytes < sizeof(ret->host) && is_port(colon + 1) &&
                 (in_brackets || memchr(host, ':', bytes) == NULL);
    if (whole) {
        memcpy(ret->host, host, bytes);
        ret->host[bytes] = '\0';
        ret->port = colon + 1;
        ret->is_numeric = is_address(ret->host);
    }
    if (!whole || !(ret->is_numeric || (!in_brackets && is_host_name(ret->host))))
        return err_set(err,
                       "cannot listen on '%s': write ADDRESS:PORT, as in 127.0.0.1:9464, "
                       "[::1]:9464 or localhost:9464",
                       listen_at);
    return true;
}

bool listen_check(const char *listen_at, struct err *err)
{
    struct endpoint endpoint;
    return parse(listen_at, &endpoint, err);
}

/* NULL: err says why. */
static struct addrinfo *resolve(const char *listen_at, int type, struct err *err)
{
    struct addrinfo hints = { .ai_socktype = type, .ai_flags = AI_NUMERICSERV | AI_PASSIVE };
    struct addrinfo *found = NULL;
    struct endpoint endpoint = { .port = NULL };

    if (!parse(listen_at, &endpoint, err))
        return NULL;
    hints.ai_flags |= endpoint.is_numeric ? AI_NUMERICHOST : 0;
    int failed = getaddrinfo(endpoint.host, endpoint.port, &hints, &found);
    if (failed != 0) {
        (void)err_set(err, "cannot listen on '%s': no address of '%s': %s", listen_at,
                      endpoint.host, gai_strerror(failed));
        return NULL;
    }
    return found;
}

static bool show_bound(int fd, char ret_bound[LISTEN_TEXT], unsigned *ret_port)
{
    struct sockaddr_storage bound = { .ss_family = AF_UNSPEC };
    socklen_t bytes = sizeof(bound);
    char host[64], port[8];

    if (getsockname(fd, (struct sockaddr *)&bound, &bytes) != 0 ||
        getnameinfo((struct sockaddr *)&bound, bytes, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return false;
    (void)snprintf(ret_bound, LISTEN_TEXT, bound.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host,
                   port);
    if (ret_port != NULL)
        *ret_port = (unsigned)strtoul(port, NULL, 10);
    return true;
}

/* A restart must not wait for connections of the start before to time out. Of datagrams the same
 * option would let a stranger share the port. */
static bool bind_to(int fd, const struct addrinfo *at, int backlog)
{
    int on = 1;

    if (at->ai_socktype == SOCK_DGRAM)
        return bind(fd, at->ai_addr, at->ai_addrlen) == 0;
    return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
           bind(fd, at->ai_addr, at->ai_addrlen) == 0 && listen(fd, backlog) == 0;
}

static int open_one(const struct addrinfo *at, int backlog, char ret_bound[LISTEN_TEXT],
                    unsigned *ret_port)
{
    int fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 || !bind_to(fd, at, backlog) || !show_bound(fd, ret_bound, ret_port)) {
        int error = errno;
        auto_close(&fd);
        errno = error;
    }
    return fd;
}

static int open_at(const char *listen_at, int type, int backlog, char ret_bound[LISTEN_TEXT],
                   unsigned *ret_port, struct err *err)
{
    static const int families[] = { AF_INET, AF_INET6 };
    struct addrinfo *found = resolve(listen_at, type, err);
    int fd = -1, error = EADDRNOTAVAIL;

    if (found == NULL)
        return -1;
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        for (const struct addrinfo *at = found; at != NULL && fd < 0; at = at->ai_next) {
            if (at->ai_family != families[i])
                continue;
            fd = open_one(at, backlog, ret_bound, ret_port);
            /* of several addresses the one that is in use says more than one that is not ours */
            if (fd < 0 && error == EADDRNOTAVAIL)
                error = errno;
        }
    }
    if (fd < 0)
        (void)err_set(err, "cannot listen on '%s': %s%s%s", listen_at,
                      error == EADDRNOTAVAIL ? "that is no address of this host" : strerror(error),
                      error == EACCES ? ": ports below 1024 take " : "",
                      error == EACCES ? capability_advice(CAP_NET_BIND_SERVICE) : "");
    freeaddrinfo(found);
    errno = error; /* of a failure */
    return fd;
}

int listen_open(const char *listen_at, int backlog, char ret_bound[LISTEN_TEXT], unsigned *ret_port,
                struct err *err)
{
    return open_at(listen_at, SOCK_STREAM, backlog, ret_bound, ret_port, err);
}

int listen_open_datagrams(const char *listen_at, char ret_bound[LISTEN_TEXT], unsigned *ret_port,
                          struct err *err)
{
    return open_at(listen_at, SOCK_DGRAM, 0, ret_bound, ret_port, err);
}
