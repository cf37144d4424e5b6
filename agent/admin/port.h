/* SPDX-License-Identifier: Apache-2.0 */
/* port: the TCP side of the endpoint as it was configured, and the files that it is made from.
 * Another one is opened beside it, with the same socket where it listens at the same place.
 * Threads: of which it is told in admin_state.h. */
#pragma once

#include "admin/admin.h"
#include "admin/admin_tls.h"
#include "base/file.h"
#include "base/listen.h"

enum { PORT_CERT, PORT_KEY, PORT_TOKEN, PORT_FILES };

struct port {
    char *listen;            /* "": none */
    char *files[PORT_FILES]; /* paths; "": none */
    struct buf token;        /* empty: none is wanted */
    int fd;                  /* listens; -1: none. Doors have copies of it */
    char address[LISTEN_TEXT];
    struct file_mark seen[PORT_FILES];
};

/* before: its socket is used again if it listens at the same place; NULL: there is none. ret_tls:
 * what a door needs. false: err says why, and nothing is left open. */
bool port_open(struct port *ret, const struct admin_config *config, const struct port *before,
               struct admin_tls *ret_tls, struct err *err);
void port_close(struct port *port); /* the socket too */
/* Of its files, those that have changed since they were looked at: bits, by enum. */
unsigned port_look(struct port *port);
/* Reads the token anew. */
bool port_read_token(struct port *port, struct err *err);
/* Does a door of the one serve for the other? */
bool port_has_same_door(const struct port *a, const struct port *b);
