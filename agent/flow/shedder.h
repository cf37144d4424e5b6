/* SPDX-License-Identifier: Apache-2.0 */
/* shedder: decides at the door of a lane whether to admit an event. Starts to shed when the lane is
 * filled to `high`. With a fixed share it stops when the lane has fallen to `low`; adaptive, when
 * everything has been kept for 5 s. Between two steps the probability with which an event is kept
 * is fixed before it comes, at least SHED_LEAST_KEEP (but for keep 0: all is shed), and known: so
 * counts and sums weighted by 1 / probability are unbiased.
 * Pure: time, fill and chance are passed in. Under the lane's lock. */
#pragma once

#include "base/random.h"

#include <stdbool.h>

enum shed_mode { /* who bears it */
                 SHED_UNIFORM,
                 SHED_SEVERITY, /* the least severe first */
                 SHED_KEY,      /* all events with the same key share one fate */
                 SHED_LARGEST,  /* the largest events first */
                 SHED_NOISIEST, /* the class that brings most, down to what others bring */
};

enum severity_band { BAND_TRACE, BAND_DEBUG, BAND_INFO, BAND_WARN, BAND_ERROR, BAND_FATAL, BANDS };
extern const char *const severity_bands[BANDS]; /* "trace" … */
/* Of an OTel SeverityNumber; what has none is taken for information. */
enum severity_band severity_band(unsigned severity);

struct shedder_config {
    double high, low; /* 0 … 1 of the lane's memory; high 1: never sheds */
    double keep;      /* 0 … 1 of the bytes while shedding; not with is_adaptive */
    bool is_adaptive;
    enum shed_mode mode;
    double severity_keep[BANDS]; /* SHED_SEVERITY: fixed, each band's share; adaptive: how far a
                                  * band is cut before the next one is touched */
    size_t class_count;          /* SHED_NOISIEST */
    uint64_t capacity_bytes, batch_bytes; /* is_adaptive */
};

/* What the shedder wants to know of an event. */
struct shed_facts {
    uint64_t bytes;
    size_t class;
    uint64_t key; /* SHED_KEY: a hash of the key, even over all 64 bits */
    bool has_key; /* false: it is left to chance */
    unsigned severity;
};

enum shed_change { SHED_SAME, SHED_STARTED, SHED_STOPPED };

struct shedder;
struct shedder *shedder_new(const struct shedder_config *config); /* NULL: out of memory */
void shedder_free(struct shedder **shedderp);
bool shedder_may_shed(const struct shedder *shedder); /* false: high is 1, ask nothing more */
bool shedder_is_shedding(const struct shedder *shedder);
double
shedder_keep(const struct shedder *shedder); /* of all bytes, as it is now; 1: not shedding */

/* Before each run of events. */
enum shed_change shedder_step(struct shedder *shedder, int64_t now_ms, double fill);
/* It sheds no more, whatever the fill: the lane is at its end, or goes on with another shedder. */
void shedder_end(struct shedder *shedder);
/* One event comes. Returns the probability with which it is kept, or 0: it is shed. */
double shedder_admit(struct shedder *shedder, const struct shed_facts *facts,
                     struct random *random);
/* So much has left at the other end. */
void shedder_note_out(struct shedder *shedder, uint64_t bytes);
/* The lane has so much memory from now on. */
void shedder_set_capacity(struct shedder *shedder, uint64_t capacity_bytes);
/* This class is another one from now on. */
void shedder_forget_class(struct shedder *shedder, size_t class);
