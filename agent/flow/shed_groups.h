/* SPDX-License-Identifier: Apache-2.0 */
/* shed_groups: what a lane is offered, by group (a severity, a class, a range of sizes), and how
 * much of each group may stay so that the whole comes down to the share that is wanted.
 * Promise: no group is given less than SHED_LEAST_KEEP, else an event could not stand for those
 * that were shed. Pure; of its shedder, and under the lane's lock. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SHED_LEAST_KEEP 0.001

struct shed_groups;
struct shed_groups *shed_groups_new(size_t count); /* NULL: out of memory */
void shed_groups_free(struct shed_groups **groupsp);

void shed_groups_offer(struct shed_groups *groups, size_t group, uint64_t bytes);
/* Ends a window of that many seconds: the rates are smoothed over about `over_s` seconds. */
void shed_groups_smooth(struct shed_groups *groups, double window_s, double over_s);
/* The group is used for something else from now on. */
void shed_groups_forget(struct shed_groups *groups, size_t group);
double shed_groups_rate(const struct shed_groups *groups, size_t group); /* bytes a second */

/* What is left of all bytes when group i keeps keep[i]. 1: nothing is offered. */
double shed_groups_share(const struct shed_groups *groups, const double *keep);

/* The water level that leaves this share of all bytes: groups below it lose nothing, the others are
 * cut down to it. `each group` in bytes a second; `each event`, for groups of events of like size,
 * in bytes. */
double shed_groups_level(const struct shed_groups *groups, double share);
double shed_groups_event_level(const struct shed_groups *groups, double share);
/* Groups in order of rank, the least first: each is cut down to its least[], before the next one is
 * touched; when that is not enough, again, down to SHED_LEAST_KEEP. */
void shed_groups_by_rank(const struct shed_groups *groups, double share, const double *least,
                         double *ret_keep);
