/* SPDX-License-Identifier: Apache-2.0 */
/* datagrams: reads sockets of datagrams, in runs.
 * Memory: a place for each datagram of a run, as long as a record may be; DATAGRAMS_BYTES, or at
 * least DATAGRAMS_RUN_LEAST places. Only pages that were written to are resident.
 * A run is to be passed on before the next one is read. */
#pragma once

#include "base/slice.h"
#include "net/peer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kept_counts;
struct socket;
struct datagrams;

enum { DATAGRAMS_RUN = 128, DATAGRAMS_RUN_LEAST = 16, DATAGRAMS_BYTES = 2 * 1024 * 1024 };

struct datagram {
    struct slice data;
    uint64_t whole_bytes; /* more than data.bytes: it was longer than its place */
    const struct peer *peer;
};

struct datagrams *datagrams_new(size_t max_bytes); /* NULL: out of memory */
void datagrams_free(struct datagrams **datagramsp);
size_t datagrams_max_bytes(const struct datagrams *datagrams);

/* Returns how many there were; 0: none, or an error in ret_error. ret_is_full: there may be more.
 */
size_t datagrams_read(struct datagrams *datagrams, const struct socket *socket,
                      const struct datagram **ret_run, bool *ret_is_full, int *ret_error);
uint64_t datagrams_memory_bytes(uint64_t max_bytes); /* at most */
/* What the kernel has dropped since the last call, for want of room. */
uint64_t datagrams_dropped(struct socket *socket);
/* A socket that was open before: what was dropped since somebody last told of it is told next. Of
 * one that the service manager made for us and nobody knows, that is all; of any other that nobody
 * knows, nothing: who had it before may have told. */
void datagrams_go_on(struct socket *socket, struct kept_counts *kept);
/* Nothing more comes in: what the kernel has by now can be read to its end. UDP that still arrives
 * is counted as dropped. */
void datagrams_shut(const struct socket *socket);
