/* SPDX-License-Identifier: Apache-2.0 */
/* known: the series that targets had in their last scrapes, so that one that is gone is noticed and
 * can be named: by its name, its attributes as they were sent, its kind and unit.
 * Promise: bounded in bytes; of a series that is known already nothing is allocated. One that finds
 * no room is not known, and so never gone. The hash is seeded: nobody outside can choose what falls
 * together. Threads: none. */
#pragma once

#include "plugin.h"

enum { KNOWN_KEY_BYTES = 8 * 1024, KNOWN_ATTRIBUTES = 128 };

struct known_series;

/* Those of one target. */
struct known_set {
    struct known_series *first;
    uint32_t round; /* of scrapes */
};

/* What all targets of an input share. */
struct known {
    struct known_series **slots;
    size_t slot_count; /* a power of two */
    size_t count, bytes, max_bytes;
    uint64_t seed;
    char key[KNOWN_KEY_BYTES]; /* of the series that is looked for */
};

size_t known_table_bytes(size_t max_bytes); /* of the table itself, beside max_bytes */
/* max_bytes may be changed at any time. false: out of memory. */
bool known_init(struct known *known, size_t max_bytes, uint64_t seed);
void known_fini(struct known *known); /* all sets are empty */

/* All series of the set are gone until they are noted again. */
void known_begin(struct known_set *set);
/* A sample of a scrape: its attributes are texts. false: there is no room to know its series. */
bool known_note(struct known *known, struct known_set *set, const struct event *event);
/* Takes those that are gone out of the set, up to so many. The list is in the order in which they
 * came; known_free() it when the events that were filled from it have been passed on. */
struct known_series *known_take_gone(struct known *known, struct known_set *set, size_t most);
/* The event's name, kind, unit and attributes. Returns the next of the list. */
struct known_series *known_fill(struct known_series *series, struct event *event);
void known_free(struct known_series **listp);
