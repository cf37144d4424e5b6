/* SPDX-License-Identifier: Apache-2.0 */
/* take: a body of events, into an open parcel of the sink.
 * Lines of NDJSON that are no JSON are shipped as they are, flagged and counted; a broken array is
 * refused whole, with the place where it broke. Threads: the reading's. */
#pragma once

#include "object.h"

enum take_format { TAKE_AUTO, TAKE_NDJSON, TAKE_JSON, TAKE_LINES };

struct take {
    struct mapping *mapping;
    struct slice client; /* its address, as an attribute; empty: none */
    char *room;          /* as many bytes as the body, for texts with escapes */
    /* what was found */
    uint64_t events, unparsed, cut;
    uint64_t refused; /* items that are no events: nothing can be made of them */
    size_t broken_at; /* of the body, when false is returned */
};

/* What a body without a telling type is: begins as an object or an array, or is lines. */
enum take_format take_look(struct slice body);
/* The next event of the body, with what all have. */
struct event *take_event(struct take *take);
/* Not TAKE_AUTO. false: it is broken, the parcel must not be kept. Also ends early, with true,
 * where the parcel fails. */
bool take_body(struct take *take, enum take_format format, struct slice body);
