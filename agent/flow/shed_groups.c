/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/shed_groups.h"

#include "base/check.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

enum { HALVINGS = 50 };

struct group {
    double bytes, events;         /* of the current window */
    double byte_rate, event_rate; /* a second, smoothed */
};

struct shed_groups {
    size_t count;
    struct group group[];
};

struct shed_groups *shed_groups_new(size_t count)
{
    struct shed_groups *groups = calloc(1, sizeof(*groups) + count * sizeof(struct group));
    if (groups != NULL)
        groups->count = count;
    return groups;
}

void shed_groups_free(struct shed_groups **groupsp)
{
    free(*groupsp);
    *groupsp = NULL;
}

void shed_groups_offer(struct shed_groups *groups, size_t group, uint64_t bytes)
{
    CHECK(group < groups->count);
    groups->group[group].events += 1;
    groups->group[group].bytes += (double)bytes;
}

void shed_groups_smooth(struct shed_groups *groups, double window_s, double over_s)
{
    double part = 1 - exp(-window_s / over_s);

    for (size_t i = 0; i < groups->count; i++) {
        struct group *group = &groups->group[i];
        group->byte_rate += (group->bytes / window_s - group->byte_rate) * part;
        group->event_rate += (group->events / window_s - group->event_rate) * part;
        group->bytes = group->events = 0;
    }
}

void shed_groups_forget(struct shed_groups *groups, size_t group)
{
    CHECK(group < groups->count);
    groups->group[group] = (struct group){ 0 };
}

double shed_groups_rate(const struct shed_groups *groups, size_t group)
{
    CHECK(group < groups->count);
    return groups->group[group].byte_rate;
}

static double rate_of_all(const struct shed_groups *groups)
{
    double rate = 0;
    for (size_t i = 0; i < groups->count; i++)
        rate += groups->group[i].byte_rate;
    return rate;
}

double shed_groups_share(const struct shed_groups *groups, const double *keep)
{
    double kept = 0, all = rate_of_all(groups);
    for (size_t i = 0; i < groups->count; i++)
        kept += groups->group[i].byte_rate * keep[i];
    return all > 0 ? kept / all : 1;
}

/* How many units of the level a group may fill: itself, or each of its events. */
static double units_of(const struct group *group, bool by_event)
{
    return by_event ? group->event_rate : 1;
}

static double kept_at(const struct shed_groups *groups, bool by_event, double level)
{
    double kept = 0;
    for (size_t i = 0; i < groups->count; i++)
        kept += fmin(groups->group[i].byte_rate, level * units_of(&groups->group[i], by_event));
    return kept;
}

static double find_level(const struct shed_groups *groups, bool by_event, double share)
{
    double wanted = rate_of_all(groups) * share, low = 0, high = 0;

    for (size_t i = 0; i < groups->count; i++) {
        double units = units_of(&groups->group[i], by_event);
        if (units > 0)
            high = fmax(high, groups->group[i].byte_rate / units);
    }
    if (share >= 1 || high <= 0)
        return INFINITY;
    for (int i = 0; i < HALVINGS; i++) {
        double middle = (low + high) / 2;
        if (kept_at(groups, by_event, middle) < wanted)
            low = middle;
        else
            high = middle;
    }
    return high;
}

double shed_groups_level(const struct shed_groups *groups, double share)
{
    return find_level(groups, false, share);
}

double shed_groups_event_level(const struct shed_groups *groups, double share)
{
    return find_level(groups, true, share);
}

/* Takes from each in turn until `excess` is gone; returns what is left of it. */
static double cut_in_turn(const struct shed_groups *groups, double excess, const double *least,
                          double *keep)
{
    for (size_t i = 0; i < groups->count && excess > 0; i++) {
        double rate = groups->group[i].byte_rate;
        double floor = least == NULL ? SHED_LEAST_KEEP : fmax(least[i], SHED_LEAST_KEEP);
        if (keep[i] <= floor)
            continue;
        double cut = fmin(keep[i] - floor, rate > 0 ? excess / rate : 1);
        keep[i] -= cut;
        excess -= cut * rate;
    }
    return excess;
}

void shed_groups_by_rank(const struct shed_groups *groups, double share, const double *least,
                         double *ret_keep)
{
    double excess = rate_of_all(groups) * (1 - share);

    for (size_t i = 0; i < groups->count; i++)
        ret_keep[i] = 1;
    excess = cut_in_turn(groups, excess, least, ret_keep);
    (void)cut_in_turn(groups, excess, NULL, ret_keep);
}
