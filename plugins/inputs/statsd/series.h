/* SPDX-License-Identifier: Apache-2.0 */
/* series: what was measured under one name, kind and set of tags, from one flush to the next, and
 * the table of them all. Promise: bounded in number and in bytes. A sample whose tags would make
 * one series too many goes to the series of its name with the tag otel.metric.overflow=true, for
 * which an eighth of the room is kept; where that is used up too, it is only counted. Nothing is
 * allocated for a sample of a series that is there. The hash is seeded: nobody outside can choose
 * what falls together. Threads: none. */
#pragma once

#include "distinct.h"
#include "sample.h"
#include "sketch.h"

enum { SERIES_KEY_BYTES = 1024 };

struct series {
    uint64_t hash;
    int64_t born_ns, used_ms;
    double value;       /* counter: of this interval; gauge: the last */
    double total;       /* counter: since it was born; others: sum of the numbers since then */
    double total_count; /* others: how many numbers since then */
    bool is_fresh;      /* something came since the last flush */
    bool has_negative;  /* of a counter or of a sum: it may fall */
    enum statsd_kind kind;
    struct sketch *sketch;     /* timer, histogram, distribution */
    struct distinct *distinct; /* set */
    size_t bytes;              /* of memory, all in all */
    size_t key_bytes;
    char key[]; /* kind, length of the name, name; of each tag its length in two bytes, and it */
};

struct series_table {
    struct series **slots; /* a power of two, at most half used */
    size_t slot_count, count, max_series;
    size_t bytes, max_bytes; /* of the series */
    uint64_t seed;
};

bool series_table_init(struct series_table *table, size_t max_series, size_t max_bytes,
                       uint64_t seed);
/* Makes room for so many; there is never less room than before. max_series and max_bytes may be set
 * to anything up to that, at any time. false: out of memory, nothing has changed. */
bool series_table_reserve(struct series_table *table, size_t max_series);
size_t series_table_bytes(size_t max_series); /* of the table itself, beside max_bytes */
void series_table_fini(struct series_table *table);

enum series_place { SERIES_OWN, SERIES_OVERFLOW, SERIES_NONE };
/* Adds a sample's value to its series. `sample` may get its tags sorted. */
enum series_place series_add(struct series_table *table, struct statsd_sample *sample,
                             const struct statsd_value *value, int64_t now_ns, int64_t now_ms);
/* Forgets those that were not used since then, and gives back their memory. */
void series_expire(struct series_table *table, int64_t before_ms);

struct slice series_name(const struct series *series);
/* The tags one after the other; *at begins as 0. false: there are no more. */
bool series_tag(const struct series *series, size_t *at, struct slice *ret);
