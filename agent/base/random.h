/* SPDX-License-Identifier: Apache-2.0 */
/* random: a small seeded generator, passed to whoever decides by chance, so that a test replays
 * from its seed. Not for secrets: identities come from random_bytes().
 * Algorithm: SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators",
 * 2014). */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct random {
    uint64_t state;
};

static inline struct random random_make(uint64_t seed)
{
    return (struct random){ seed };
}

uint64_t random_next(struct random *random);
uint64_t random_below(struct random *random, uint64_t bound); /* 0 … bound-1; 0 for bound 0 */
double random_unit(struct random *random);                    /* [0, 1) */

/* From the kernel's generator. Aborts if the kernel has none: nothing sensible can go on without.
 */
void random_bytes(void *ret_bytes, size_t bytes);
