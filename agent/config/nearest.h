/* SPDX-License-Identifier: Apache-2.0 */
/* nearest: finds the valid name that a misspelt one was probably meant to be.
 *     struct nearest nearest = nearest_to("timout");
 *     nearest_offer(&nearest, "timeout"); …
 *     const char *name = nearest_name(&nearest);
 * Distance: optimal string alignment (a swap of two neighbours counts once), without regard to
 * case. */
#pragma once

#include <stdbool.h>

struct nearest {
    const char *word; /* borrowed */
    char name[96];    /* the best so far */
    unsigned distance;
};

struct nearest nearest_to(const char *word);
void nearest_offer(struct nearest *nearest, const char *name);
/* Also near when only the part after the last '.' is: 'capacity' for 'lane.capacity'. */
void nearest_offer_dotted(struct nearest *nearest, const char *name);
const char *nearest_name(const struct nearest *nearest); /* NULL: none is near enough */
