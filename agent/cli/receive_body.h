/* SPDX-License-Identifier: Apache-2.0 */
/* receive_body: expands a request's body as it comes: identity, gzip, deflate (with and without the
 * zlib head, as both are sent), zstd if it was built in. Memory does not depend on the body.
 * Threads: its request's. */
#pragma once

#include "base/slice.h"

#include <stdint.h>

enum body_encoding { BODY_IDENTITY, BODY_GZIP, BODY_DEFLATE, BODY_ZSTD, BODY_UNKNOWN };
enum body_state {
    BODY_GOOD,
    BODY_DAMAGED,   /* cannot be expanded, or ends too early */
    BODY_TOO_LARGE, /* expands to more than is allowed */
    BODY_NO_MEMORY,
};

/* Of the Content-Encoding; NULL: identity. */
enum body_encoding body_encoding_of(const char *name);

struct body;

/* take gets the expanded bytes in pieces. NULL: out of memory, or BODY_UNKNOWN. */
struct body *body_new(enum body_encoding encoding, uint64_t most_bytes,
                      void (*take)(void *context, struct slice piece), void *context);
void body_free(struct body **bodyp);
/* Once a state is not BODY_GOOD it stays, and further bytes are left unread. */
enum body_state body_feed(struct body *body, struct slice piece);
enum body_state body_end(struct body *body);
uint64_t body_expanded_bytes(const struct body *body);
