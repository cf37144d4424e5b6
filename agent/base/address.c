/* SPDX-License-Identifier: Apache-2.0 */
#include "base/address.h"

#include "base/listen.h"

#include <stdio.h>
#include <string.h>
#include <sys/un.h>

enum { NAME_MAX_BYTES = 255, FD_FIRST = 3, FD_DIGITS = 6 };

static const struct {
    const char *scheme, *example;
} kinds[] = {
    [ADDRESS_UDP] = { "udp://", "udp://127.0.0.1:5514" },
    [ADDRESS_TCP] = { "tcp://", "tcp://127.0.0.1:5514" },
    [ADDRESS_TLS] = { "tls://", "tls://127.0.0.1:6514" },
    [ADDRESS_UNIX] = { "unix://", "unix:///run/app.sock" },
    [ADDRESS_UNIXGRAM] = { "unixgram://", "unixgram:///run/app.sock" },
    [ADDRESS_FIFO] = { "fifo://", "fifo:///run/app.fifo" },
    [ADDRESS_FD] = { "fd:", "fd:3" },
    [ADDRESS_SYSTEMD] = { "systemd:", "systemd:app" },
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static bool is_listed(const char *schemes, const char *scheme)
{
    size_t bytes = strlen(scheme);

    for (const char *at = schemes; *at != '\0'; at += *at == '|' ? 1 : 0) {
        size_t length = strcspn(at, "|");
        if (length == bytes && memcmp(at, scheme, bytes) == 0)
            return true;
        at += length;
    }
    return false;
}

static bool refuse_scheme(const char *text, const char *schemes, struct err *err)
{
    char examples[256] = "";
    size_t used = 0;

    for (size_t kind = 0; kind < KINDS; kind++) {
        if (is_listed(schemes, kinds[kind].scheme) && used < sizeof(examples))
            used += (size_t)snprintf(examples + used, sizeof(examples) - used, "%s%s",
                                     used == 0 ? "" : ", ", kinds[kind].example);
    }
    return err_set(err, "'%.80s' is no address to listen on: write one as in %s", text, examples);
}

static bool parse_host(const char *text, struct address *ret, struct err *err)
{
    struct err why;

    if (listen_check(ret->at, &why))
        return true;
    return err_set(err, "'%.80s' is no address to listen on: write %sADDRESS:PORT, as in %s", text,
                   kinds[ret->kind].scheme, kinds[ret->kind].example);
}

static bool parse_path(const char *text, const struct address *ret, struct err *err)
{
    size_t room = sizeof(((struct sockaddr_un *)0)->sun_path);

    if (ret->at[0] != '/' || ret->at[1] == '\0' || ret->at[strlen(ret->at) - 1] == '/')
        return err_set(err, "'%.80s': write the whole path, as in %s", text,
                       kinds[ret->kind].example);
    if (ret->kind != ADDRESS_FIFO && strlen(ret->at) >= room)
        return err_set(err, "'%.80s': the path of a unix socket has at most %zu bytes", text,
                       room - 1);
    return true;
}

static bool parse_fd(const char *text, struct address *ret, struct err *err)
{
    size_t digits = strspn(ret->at, "0123456789");
    unsigned fd = 0;

    for (size_t i = 0; i < digits && digits <= FD_DIGITS; i++)
        fd = fd * 10 + (unsigned)(ret->at[i] - '0');
    if (digits == 0 || digits > FD_DIGITS || ret->at[digits] != '\0')
        return err_set(err, "'%.80s': write the number of the descriptor, as in fd:3", text);
    if (fd < FD_FIRST)
        return err_set(err, "'%.80s': descriptors 0, 1 and 2 are the agent's own", text);
    ret->fd = fd;
    return true;
}

static bool parse_name(const char *text, const struct address *ret, struct err *err)
{
    size_t bytes = strlen(ret->at);

    if (bytes > 0 && bytes <= NAME_MAX_BYTES && strpbrk(ret->at, ":/ \t") == NULL)
        return true;
    return err_set(err,
                   "'%.80s': write the name of the socket unit (FileDescriptorName=), as in "
                   "systemd:app",
                   text);
}

static bool parse_rest(const char *text, struct address *ret, struct err *err)
{
    switch (ret->kind) {
    case ADDRESS_UDP:
    case ADDRESS_TCP:
    case ADDRESS_TLS:
        return parse_host(text, ret, err);
    case ADDRESS_UNIX:
    case ADDRESS_UNIXGRAM:
    case ADDRESS_FIFO:
        return parse_path(text, ret, err);
    case ADDRESS_FD:
        return parse_fd(text, ret, err);
    case ADDRESS_SYSTEMD:
        return parse_name(text, ret, err);
    }
    return false;
}

bool address_parse(const char *text, const char *schemes, struct address *ret, struct err *err)
{
    for (size_t kind = 0; kind < KINDS; kind++) {
        size_t bytes = strlen(kinds[kind].scheme);
        struct address address = { .kind = (enum address_kind)kind };

        if (strncmp(text, kinds[kind].scheme, bytes) != 0)
            continue;
        if (!is_listed(schemes, kinds[kind].scheme))
            break;
        address.at = text + bytes;
        if (!parse_rest(text, &address, err))
            return false;
        *ret = address;
        return true;
    }
    return refuse_scheme(text, schemes, err);
}
