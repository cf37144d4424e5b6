/* SPDX-License-Identifier: Apache-2.0 */
/* inlet: a listening socket with libmicrohttpd behind it, and who has come in by it.
 * libmicrohttpd has no thread here: inlet_run() serves what is ready, in the reading's thread,
 * which sleeps on inlet_fd() between. Promise: connections are bounded, in all and by address, and
 * each is cut at its deadline, however busily it drips. */
#pragma once

#include "options.h"

#include <microhttpd.h>
#include <netinet/in.h>

struct inlet;

/* One connection. */
struct guest {
    int fd;     /* -1: a free place */
    bool rests; /* between two requests: to be cut then is no refusal */
    int64_t deadline_ms;
    struct sockaddr_storage address;
};

typedef enum MHD_Result inlet_request_fn(void *context, struct MHD_Connection *connection,
                                         const char *url, const char *method, const char *version,
                                         const char *data, size_t *data_bytes, void **exchangep);
typedef void inlet_completed_fn(void *context, struct MHD_Connection *connection, void **exchangep,
                                enum MHD_RequestTerminationCode code);

struct inlet_config {
    const struct http_input_config *options; /* borrowed, as long as it is said anew in time */
    inlet_request_fn *on_request;
    inlet_completed_fn *on_completed;
    void *context;
};

/* Bytes that an inlet may take for its connections. */
uint64_t inlet_memory_bytes(const struct http_input_config *options);
bool inlet_check(const struct http_input_config *options, struct err *err);
/* like: NULL, or an inlet that listens there already: its socket is shared. NULL: err says why. */
struct inlet *inlet_open(const struct inlet_config *config, const struct inlet *like,
                         struct err *err);
void inlet_close(struct inlet **inletp); /* cuts all connections */
/* Its place and the room for connections are these; no file is read. */
bool inlet_is_at(const struct inlet *inlet, const struct http_input_config *options);
/* And its certificate is what the files hold now. */
bool inlet_is_like(const struct inlet *inlet, const struct http_input_config *options);
void inlet_set_options(struct inlet *inlet, const struct http_input_config *options);
const char *inlet_bound(const struct inlet *inlet); /* "127.0.0.1:8080", "unix:///run/a.sock" */
/* Mode and owner of its file, as the options of now say. */
bool inlet_adjust(struct inlet *inlet, struct err *err);
int inlet_fd(const struct inlet *inlet); /* -1: only time may help */
/* Returns whether it should be run again at once. *ret_due_ms: when at the latest; 0: no matter. */
bool inlet_run(struct inlet *inlet, int64_t now_ms, int64_t *ret_due_ms);
/* Connections since the last call. */
struct inlet_counts {
    uint64_t accepted, refused; /* refused: not let in, or cut before a request was whole */
    uint64_t stuck;             /* times that connections began to wait in vain to be accepted */
};
struct inlet_counts inlet_take_counts(struct inlet *inlet);

struct guest *inlet_guest(struct MHD_Connection *connection);
/* The address alone, as text; empty: it has none, it came by a unix socket. */
void inlet_name_guest(const struct guest *guest, char ret[INET6_ADDRSTRLEN]);
