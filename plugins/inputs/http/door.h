/* SPDX-License-Identifier: Apache-2.0 */
/* door: a listening socket with libmicrohttpd behind it, and who has come in by it.
 * libmicrohttpd has no thread here: door_run() serves what is ready, in the reading's thread, which
 * sleeps on door_fd() between. Promise: connections are bounded, in all and by address, and each is
 * cut at its deadline, however busily it drips. */
#pragma once

#include "options.h"

#include <microhttpd.h>
#include <netinet/in.h>

struct door;

/* One connection. */
struct guest {
    int fd; /* -1: a free place */
    int64_t deadline_ms;
    struct sockaddr_storage address;
};

typedef enum MHD_Result door_request_fn(void *context, struct MHD_Connection *connection,
                                        const char *url, const char *method, const char *version,
                                        const char *data, size_t *data_bytes, void **exchangep);
typedef void door_completed_fn(void *context, struct MHD_Connection *connection, void **exchangep,
                               enum MHD_RequestTerminationCode code);

struct door_config {
    const struct http_input_config *options; /* borrowed, as long as it is said anew in time */
    door_request_fn *on_request;
    door_completed_fn *on_completed;
    void *context;
};

/* Bytes that a door may take for its connections. */
uint64_t door_memory_bytes(const struct http_input_config *options);
bool door_check(const struct http_input_config *options, struct err *err);
/* like: NULL, or a door that listens there already: its socket is shared. NULL: err says why. */
struct door *door_open(const struct door_config *config, const struct door *like, struct err *err);
void door_close(struct door **doorp); /* cuts all connections */
bool door_is_like(const struct door *door, const struct http_input_config *options);
void door_set_options(struct door *door, const struct http_input_config *options);
const char *door_bound(const struct door *door); /* "127.0.0.1:8080" */
int door_fd(const struct door *door);
/* Returns whether it should be run again at once. *ret_due_ms: when at the latest; 0: no matter. */
bool door_run(struct door *door, int64_t now_ms, int64_t *ret_due_ms);
uint64_t door_take_refused(struct door *door); /* connections refused or cut since the last call */

struct guest *door_guest(struct MHD_Connection *connection);
/* The address alone, as text. */
void door_name_guest(const struct guest *guest, char ret[INET6_ADDRSTRLEN]);
