/* SPDX-License-Identifier: Apache-2.0 */
/* stream: an answer without an end of its own, that comes as it is made. Whoever makes it is asked
 * for more, and never waits; what a slow reader does not take is the maker's to leave out.
 * Threads: the endpoint's. */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The arguments of a request: /tap?name=main&rate=10. NULL: not given. */
struct stream_query {
    const char *(*find)(const void *source, const char *name);
    const void *source;
};

struct stream_maker {
    /* *ret_for_ms: how long it will last. NULL: it cannot be had, err says why. */
    void *(*open)(void *context, const struct stream_query *query, int64_t now_ms,
                  int64_t *ret_for_ms, struct err *err);
    /* At most room bytes. 0: nothing now, or *ret_is_over. */
    size_t (*read)(void *stream, int64_t now_ms, char *to, size_t room, bool *ret_is_over);
    void (*close)(void *stream);
    void *context;
};
