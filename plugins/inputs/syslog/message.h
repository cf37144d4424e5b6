/* SPDX-License-Identifier: Apache-2.0 */
/* message: one message of syslog, however it is written.
 *   RFC 5424   <34>1 2003-10-11T22:14:15.003Z host app 123 ID47 [id name="value"] text
 *   RFC 3164   <34>Oct 11 22:14:15 host app[123]: text, and what is sent under its name: without a
 *              priority, a host or a tag, with other times (stamp.h), as Cisco's devices
 *              (<189>29: host: 31: *Mar  1 00:00:26.259 UTC: %SYS-5-CONFIG_I: text) and ESXi do
 * Nothing is refused: what cannot be read has a `problem`, and is in the body as it came.
 * Promise: pure, no allocation, one pass but for short looks ahead. All slices point into the bytes
 * given. Threads: none. */
#pragma once

#include "zone.h"

struct syslog_context {
    const struct zone *zone; /* of stamps that do not tell theirs */
    int64_t now_ns;
    bool is_local; /* from a program on this host: there is no host name unless it is evident */
};

enum { SYSLOG_LEVEL_NONE = 8 };

struct syslog_message {
    const char *problem; /* NULL: it was read */
    bool has_facility;
    unsigned facility;   /* 0 … 23 */
    unsigned level;      /* 0 … 7, SYSLOG_LEVEL_NONE */
    unsigned version;    /* of RFC 5424; 0: the older format */
    int64_t time_ns;     /* 0: not told, or no such date */
    bool is_time_unsure; /* the device says that its clock is not set (Cisco: '*' or '.') */
    bool has_sequence;
    uint64_t sequence;                   /* Cisco's number of the message */
    struct slice host, app, process, id; /* empty: not told */
    struct slice structured;             /* for syslog_param(); well-formed */
    struct slice body;
};

void syslog_parse(struct slice bytes, const struct syslog_context *context,
                  struct syslog_message *ret);

struct syslog_param {
    struct slice id, name; /* name empty: an element without parameters */
    struct slice value;    /* as it is written: with escapes if has_escapes */
    bool has_escapes;
};
/* Takes the next of the structured data. `id` is kept between calls: begin with an empty one. */
bool syslog_param(struct slice *structured, struct slice *id, struct syslog_param *ret);
/* The value without its escapes; `to` has room for value.bytes. Returns how many bytes it is. */
size_t syslog_unescape(struct slice value, char *to);

/* ---- for the files of this parser ---- */

/* Both take what is behind the priority; false: it is not of this format, nothing was set. */
bool syslog_parse_5424(struct slice rest, const struct syslog_context *context,
                       struct syslog_message *message);
void syslog_parse_3164(struct slice rest, const struct syslog_context *context,
                       struct syslog_message *message);
