/* SPDX-License-Identifier: Apache-2.0 */
/* scheduler: picks the lane to read next, and in a lane with classes the ring, by weighted deficit
 * round robin.
 * Source: Shreedhar and Varghese, "Efficient Fair Queuing using Deficit Round Robin" (1995); a lane
 * may overdraw by one piece, because pieces leave a ring whole, and pays for it in later rounds.
 * Pure; one for each batch worker, and one for each lane with classes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct scheduler;
struct scheduler *scheduler_new(const uint64_t *weights, size_t count, uint64_t quantum_bytes);
void scheduler_free(struct scheduler **schedulerp);
/* has_events[i]: lane i is not empty. Returns the lane to take from, or `count` when all are empty.
 * A lane that is empty loses its credit: it may not save up while idle. */
size_t scheduler_pick(struct scheduler *scheduler, const bool *has_events);
/* Lane i is another one from now on. */
void scheduler_set_weight(struct scheduler *scheduler, size_t lane, uint64_t weight);
void scheduler_charge(struct scheduler *scheduler, size_t lane, uint64_t bytes);
