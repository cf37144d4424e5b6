/* SPDX-License-Identifier: Apache-2.0 */
/* state: of the input http, and of a request in it; for its own files.
 * A request is received, then admitted: its events go into all lanes, or into none. It is answered
 * at once, or it is suspended: until there is room, or until all its events are settled. */
#pragma once

#include "expand.h"
#include "guard.h"
#include "inlet.h"
#include "otlp.h"
#include "take.h"

enum { REPLY_BYTES = 256 };

enum stage {
    STAGE_RECEIVES,
    STAGE_AWAITS_ROOM,
    STAGE_AWAITS_END, /* of its events */
    STAGE_ANSWERED    /* there is a reply; it goes out when it is resumed */
};

struct exchange {
    struct http_input *input;
    struct MHD_Connection *connection;
    struct guest *guest;
    enum stage stage;
    enum expand_coding coding;
    enum take_format format;
    bool is_otlp, is_json; /* then in which of its two forms, and what of it */
    enum otlp_signal signal;
    uint64_t refused;
    char *body;
    size_t bytes, room, thrown_away;
    uint64_t length;       /* as it was announced; 0: it was not */
    uint64_t id, accepted; /* STAGE_AWAITS_END */
    int64_t deadline_ms;   /* of what it waits for */
    unsigned status;       /* of the reply; 0: there is none yet */
    char reply[REPLY_BYTES];
    struct exchange *next;
};

struct exchange_list {
    struct exchange *head, *tail;
};

struct http_input {
    const struct http_input_config *config;
    const struct host *host;
    struct inlet *inlet;
    /* Until the next round, as the configuration may go back: that of before the last change, and
     * the inlet of before, if that is another. */
    const struct http_input_config *old_config; /* compared, never read: it may be freed */
    struct inlet *old_inlet;
    struct guard guard;
    struct mapping mapping;
    char *expanded, *unescaped; /* each of buffer_bytes; NULL: not needed yet */
    size_t buffer_bytes;
    size_t pending_bytes; /* of the bodies of all exchanges */
    struct exchange_list rooms, ends;
    int64_t next_try_ms; /* of those that wait for room */
    uint64_t last_id;
    struct sink *sink; /* of the round */
    bool is_draining;
    bool has_told;    /* where it listens */
    bool has_changed; /* since the last round */
    int64_t due_ms;
    bool is_run_again;
};

/* ---- requests.c: HTTP ---- */
enum MHD_Result request_serve(void *context, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *data_bytes, void **exchangep);
void request_completed(void *context, struct MHD_Connection *connection, void **exchangep,
                       enum MHD_RequestTerminationCode code);
void request_reply(struct exchange *exchange, unsigned status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void request_forget_body(struct exchange *exchange);

/* ---- otlp_reply.c ---- */
enum { OTLP_REPLY_BYTES = 2 * REPLY_BYTES };
/* The reply in the form that OTLP has for it. Returns its bytes. */
size_t otlp_reply(const struct exchange *exchange, char to[OTLP_REPLY_BYTES]);

/* ---- admit.c: into the lanes ---- */
/* Its body is whole. After it there is a reply, or it waits and is to be suspended. */
void admit_request(struct exchange *exchange);
/* Those that wait: for room again, or for too long. */
void admit_again(struct http_input *input, int64_t now_ms);
void admit_settled(struct http_input *input, uint64_t id, uint64_t dropped);
/* All that wait for room are answered with 503. */
void admit_none(struct http_input *input);
/* All that wait for the end of their events are told that it is not known. */
void admit_leave_ends(struct http_input *input);
int64_t admit_due_ms(const struct http_input *input); /* when to look again; 0: no matter */
void admit_remove(struct exchange_list *list, struct exchange *exchange);
