/* SPDX-License-Identifier: Apache-2.0 */
/* classes: the rings of a lane. A lane without classes has one. Else there is one for each severity
 * or for each value of a field (a tenant), and one for all others.
 * Promise: bounded. When the table is full a new value takes the place of one that is empty and has
 * not been seen for CLASS_IDLE_MS, the longest unseen first; if there is none it goes with the
 * others. All rings share the arena. While it has room each takes what it needs; when it has none,
 * the class that is most over its share, by weight, gives back its oldest piece, or, where nothing
 * is pushed out, a class is turned away in good time: it may hold a few times the memory that is
 * still free, so that there is some left for a class that holds nothing.
 * The rings are read in turns, by weight. Pure; under the lane's lock. */
#pragma once

#include "flow/ring.h"

enum class_by { CLASS_BY_NOTHING, CLASS_BY_SEVERITY, CLASS_BY_FIELD };
enum { CLASS_NAME_BYTES = 64, CLASS_IDLE_MS = 30000 };

struct class_weight {
    const char *name;
    uint64_t weight;
};

struct classes_config {
    enum class_by by;
    const char *field;                  /* CLASS_BY_FIELD; borrowed, like the weights */
    size_t max;                         /* CLASS_BY_FIELD: classes beside the others */
    const struct class_weight *weights; /* of classes by name; others have 1 */
    size_t weight_count;
};

struct class_report {            /* of one class since the last report */
    char name[CLASS_NAME_BYTES]; /* cut to what fits; "other" is that of the others */
    uint64_t admitted, shed, refused, evicted, gathered; /* events */
    uint64_t waiting;                                    /* events now */
    int64_t longest_wait_ms; /* of what was gathered, and of what is still there */
};

struct classes;
struct classes *classes_new(const struct classes_config *config, struct arena *arena);
void classes_free(struct classes **classesp);
size_t classes_count(const struct classes_config *config); /* most there can be */

/* The class of an event. *ret_is_new: it took the place of another. */
size_t classes_find(struct classes *classes, const struct event *event, int64_t now_ms,
                    bool *ret_is_new);

enum class_push { CLASS_PUSHED, CLASS_NO_ROOM, CLASS_OVER_SHARE };
/* As ring_push(). is_bounded: nothing is pushed out, so a class may not take all there is. */
enum class_push classes_push(struct classes *classes, size_t class, const struct event *event,
                             size_t size, const struct run_info *run, bool is_bounded);
/* One more event of it was shed; or found no room and was dropped. */
void classes_note_shed(struct classes *classes, size_t class);
void classes_note_refused(struct classes *classes, size_t class);
/* The piece that makes room for `class`: the oldest of whoever is most over its share. NULL: there
 * is none in the rings. */
struct piece *classes_evict(struct classes *classes, size_t class);
/* The next piece in turn. NULL: all are empty. */
struct piece *classes_take(struct classes *classes, int64_t now_ms);

/* A parcel: as ring_open() and ring_close(), in all rings. */
void classes_open(struct classes *classes);
void classes_close(struct classes *classes, bool keep);
/* What an open parcel holds back of what was there before. */
uint64_t classes_held_events(const struct classes *classes);
size_t classes_pieces(const struct classes *classes); /* in all rings */

struct classes_level {
    uint64_t events, bytes;
    int64_t oldest_boot_ms; /* 0: empty */
};
struct classes_level classes_level(const struct classes *classes);
/* Of each class that something happened to; begins anew. Returns how many of `room` are filled. */
size_t classes_report(struct classes *classes, int64_t now_ms, struct class_report *ret_reports,
                      size_t room);
