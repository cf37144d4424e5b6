/* SPDX-License-Identifier: Apache-2.0 */
#include "base/listen.h"

#include "base/auto.h"

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

/* NULL: err says why. */
static struct addrinfo *resolve(const char *listen_at, struct err *err)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
                              .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE };
    const char *colon = strrchr(listen_at, ':');
    size_t bytes = colon == NULL ? 0 : (size_t)(colon - listen_at);
    bool in_brackets = bytes > 2 && listen_at[0] == '[' && colon[-1] == ']';
    const char *host = listen_at + in_brackets;
    struct addrinfo *found = NULL;
    char text[LISTEN_TEXT];

    bytes -= in_brackets ? 2 : 0;
    bool whole = bytes > 0 && bytes < sizeof(text) && is_port(colon + 1) &&
                 (in_brackets || memchr(host, ':', bytes) == NULL);
    if (whole) {
        memcpy(text, host, bytes);
        text[bytes] = '\0';
    }
    if (!whole || getaddrinfo(text, colon + 1, &hints, &found) != 0) {
        (void)err_set(err,
                      "cannot listen on '%s': write a numeric ADDRESS:PORT, as in "
                      "127.0.0.1:9464 or [::1]:9464",
                      listen_at);
        return NULL;
    }
    return found;
}

bool listen_check(const char *listen_at, struct err *err)
{
    struct addrinfo *found = resolve(listen_at, err);
    if (found == NULL)
        return false;
    freeaddrinfo(found);
    return true;
}

static bool show_bound(int fd, char ret_bound[LISTEN_TEXT], unsigned *ret_port)
{
    struct sockaddr_storage bound;
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

int listen_open(const char *listen_at, int backlog, char ret_bound[LISTEN_TEXT], unsigned *ret_port,
                struct err *err)
{
    struct addrinfo *found = resolve(listen_at, err);
    int on = 1;

    if (found == NULL)
        return -1;
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* A restart must not wait for connections of the start before to time out. */
    bool ok = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
              bind(fd, found->ai_addr, found->ai_addrlen) == 0 && listen(fd, backlog) == 0 &&
              show_bound(fd, ret_bound, ret_port);
    if (!ok) {
        (void)err_set(err, "cannot listen on '%s': %s", listen_at, strerror(errno));
        auto_close(&fd);
    }
    freeaddrinfo(found);
    return fd;
}
