/* SPDX-License-Identifier: Apache-2.0 */
/* admin: the HTTP endpoint of the agent, on a unix socket in the runtime directory and, if asked
 * for, on a TCP port. On libmicrohttpd; one thread of its own serves both.
 * Promise: bounded connections (also for each address), memory, and time: a request that is not
 * answered whole after REQUEST_MS is cut off, whatever drips in; a tap lasts as long as it was
 * asked for. Certificate, key and token are read anew when their files change; of no use, the old
 * ones stay. Nothing is locked. Threads: main, but for the functions of the config, which the
 * endpoint's thread calls. */
#pragma once

#include "admin/history.h"
#include "admin/pages.h"
#include "admin/stream.h"
#include "base/err.h"
#include "ledger/ledger.h"

struct admin_query { /* of /sources: which ones; zeroed: all */
    bool has_file, has_name;
    uint64_t device, inode;
    uint32_t name_sum; /* CRC-32C */
};

struct admin_config {
    const char *listen;        /* ADDRESS:PORT, [v6]:PORT; port 0 takes a free one; "": none */
    const char *cert_file;     /* PEM; the TCP port speaks TLS then; "": plain HTTP */
    const char *key_file;      /* of the certificate */
    const char *token;         /* wanted on TCP for all but /healthz; "": none */
    const char *token_file;    /* instead of it; "": none */
    const char *socket_folder; /* where the unix socket is tried */
    const char *state_dir;
    const struct ledger *ledger;
    struct history *history;         /* used by the endpoint's thread until the stop; NULL: none */
    struct slice version_page;       /* JSON; outlives the endpoint */
    bool (*is_alive)(void *context); /* what the watchdog is told */
    bool (*add_config)(void *context, struct buf *ret); /* the effective configuration, JSON */
    uint64_t (*ask_reload)(void *context);              /* returns the number of the wish */
    bool (*add_reload)(void *context, struct buf *ret); /* how reloads stand, JSON */
    /* What the inputs know of their sources, JSON. May take a second. */
    bool (*add_sources)(void *context, const struct admin_query *query, struct buf *ret);
    void *context;
    struct stream_maker taps; /* events as they pass: to trusted guests only */
};

struct admin;
/* The config's folder and page are borrowed until the stop. NULL: cannot listen on TCP, err says
 * why. Without a unix socket it works all the same, and admin_socket() says why there is none. */
struct admin *admin_start(const struct admin_config *config, struct err *err);
void admin_set_phase(struct admin *admin, enum admin_phase phase);
const char *admin_address(const struct admin *admin); /* as bound: 127.0.0.1:9464; "off" */
const char *admin_socket(const struct admin *admin);  /* its path, or "none: why" */
/* Another TCP side: listen, pair and token of that config. All that can fail fails in prepare, and
 * the old port goes on; NULL: err says why. The old one closes with the commit. */
struct admin_change;
struct admin_change *admin_prepare(struct admin *admin, const struct admin_config *config,
                                   struct err *err);
void admin_commit(struct admin *admin, struct admin_change **changep);
void admin_change_free(struct admin_change **changep);
void admin_stop(struct admin **adminp);
