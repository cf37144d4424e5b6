/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/port.h"

#include "base/auto.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BACKLOG = 16, TOKEN_BYTES = 8 * 1024 };

static void wipe_token(struct buf *token)
{
    if (token->data != NULL)
        explicit_bzero(token->data, token->bytes);
    buf_fini(token);
}

void port_close(struct port *port)
{
    free(port->listen);
    for (size_t i = 0; i < PORT_FILES; i++)
        free(port->files[i]);
    wipe_token(&port->token);
    auto_close(&port->fd);
    *port = (struct port){ .fd = -1 };
}

/* What no header can carry would let nobody in. */
static bool check_token(const struct buf *token, const char *path, struct err *err)
{
    if (token->bytes == 0)
        return err_set(err, "'%s' has no token in it", path);
    for (size_t i = 0; i < token->bytes; i++) {
        if ((unsigned char)token->data[i] <= ' ' || (unsigned char)token->data[i] >= 0x7f)
            return err_set(err, "the token in '%s' is not visible ASCII without blanks", path);
    }
    return true;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

bool port_read_token(struct port *port, struct err *err)
{
    struct buf token = { .limit = TOKEN_BYTES };
    const char *path = port->files[PORT_TOKEN];
    bool ok = file_read(path, &token, err);

    while (ok && token.bytes > 0 && is_space(token.data[token.bytes - 1]))
        token.data[--token.bytes] = '\0';
    if (!ok || !check_token(&token, path, err)) {
        wipe_token(&token);
        return false;
    }
    wipe_token(&port->token);
    port->token = token;
    return true;
}

unsigned port_look(struct port *port)
{
    unsigned changed = 0;

    for (unsigned i = 0; i < PORT_FILES; i++) {
        if (port->files[i][0] != '\0' && file_mark_look(&port->seen[i], port->files[i]))
            changed |= 1U << i;
    }
    return changed;
}

static bool copy_texts(struct port *port, const struct admin_config *config)
{
    const char *const files[PORT_FILES] = { [PORT_CERT] = config->cert_file,
                                            [PORT_KEY] = config->key_file,
                                            [PORT_TOKEN] = config->token_file };
    bool ok = true;

    port->listen = strdup(config->listen);
    for (size_t i = 0; i < PORT_FILES; i++) {
        port->files[i] = strdup(files[i]);
        ok = ok && port->files[i] != NULL;
    }
    (void)snprintf(port->address, sizeof(port->address), "off");
    return ok && port->listen != NULL && buf_add_text(&port->token, config->token);
}

static bool open_socket(struct port *port, const struct port *before, struct err *err)
{
    if (port->listen[0] == '\0')
        return true;
    if (before == NULL || before->fd < 0 || strcmp(before->listen, port->listen) != 0) {
        port->fd = listen_open(port->listen, BACKLOG, port->address, NULL, err);
        return port->fd >= 0;
    }
    memcpy(port->address, before->address, sizeof(port->address));
    port->fd = fcntl(before->fd, F_DUPFD_CLOEXEC, 0);
    return port->fd >= 0 ||
           err_set(err, "cannot listen on '%s': %s", port->listen, strerror(errno));
}

static bool fill_port(struct port *port, const struct admin_config *config,
                      const struct port *before, struct admin_tls *ret_tls, struct err *err)
{
    struct err why = { "" };

    if (!copy_texts(port, config))
        return err_set(err, "out of memory for the admin endpoint");
    (void)port_look(port);
    if (port->files[PORT_TOKEN][0] != '\0' && !port_read_token(port, &why))
        return err_set(err, "admin.token_file: %s", why.text);
    return (port->listen[0] == '\0' ||
            admin_tls_read(ret_tls, port->files[PORT_CERT], port->files[PORT_KEY], err)) &&
           open_socket(port, before, err);
}

bool port_open(struct port *ret, const struct admin_config *config, const struct port *before,
               struct admin_tls *ret_tls, struct err *err)
{
    struct port port = { .fd = -1 };

    *ret_tls = (struct admin_tls){ .cert = { .data = NULL } };
    if (!fill_port(&port, config, before, ret_tls, err)) {
        admin_tls_fini(ret_tls);
        port_close(&port);
        return false;
    }
    *ret = port;
    return true;
}

bool port_has_same_door(const struct port *a, const struct port *b)
{
    return strcmp(a->listen, b->listen) == 0 &&
           strcmp(a->files[PORT_CERT], b->files[PORT_CERT]) == 0 &&
           strcmp(a->files[PORT_KEY], b->files[PORT_KEY]) == 0;
}
