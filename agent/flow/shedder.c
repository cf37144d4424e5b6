/* SPDX-License-Identifier: Apache-2.0 */
/* shedder: ten times a second the plan is made anew: one share for all, one for each severity, or a
 * level that is compared with a class's rate or an event's size. */
#include "flow/shedder.h"

#include "base/check.h"
#include "flow/shed_control.h"
#include "flow/shed_groups.h"

#include <math.h>
#include <stdlib.h>

enum { SIZES = 40 }; /* size groups: by powers of two */
/* Shares of keys move in halves; the last one that is not below SHED_LEAST_KEEP. */
#define KEY_LEAST (1.0 / 512)

struct shedder {
    struct shedder_config config;
    bool is_shedding, has_time;
    int64_t stepped_ms;
    uint64_t offered_bytes, out_bytes; /* since then */
    struct shed_control control;
    struct shed_groups *groups;
    /* the plan */
    double keep, key_share, level;
    double band_keep[BANDS];
};

const char *const severity_bands[BANDS] = { "trace", "debug", "info", "warn", "error", "fatal" };

enum severity_band severity_band(unsigned severity)
{
    if (severity == 0 || severity > 24)
        return BAND_INFO;
    return (enum severity_band)((severity - 1) / 4);
}

static size_t group_count(const struct shedder_config *config)
{
    switch (config->mode) {
    case SHED_SEVERITY:
        return BANDS;
    case SHED_NOISIEST:
        return config->class_count;
    case SHED_LARGEST:
        return SIZES;
    case SHED_UNIFORM:
    case SHED_KEY:
        break;
    }
    return 1;
}

struct shedder *shedder_new(const struct shedder_config *config)
{
    struct shedder *shedder = calloc(1, sizeof(*shedder));
    if (shedder == NULL)
        return NULL;
    shedder->config = *config;
    shedder->control = (struct shed_control){ .high = config->high,
                                              .low = config->low,
                                              .capacity_bytes = (double)config->capacity_bytes,
                                              .batch_bytes = (double)config->batch_bytes };
    shedder->groups = shed_groups_new(group_count(config));
    if (shedder->groups == NULL)
        shedder_free(&shedder);
    return shedder;
}

void shedder_free(struct shedder **shedderp)
{
    struct shedder *shedder = *shedderp;
    *shedderp = NULL;
    if (shedder == NULL)
        return;
    shed_groups_free(&shedder->groups);
    free(shedder);
}

bool shedder_may_shed(const struct shedder *shedder)
{
    return shedder->config.high < 1;
}

bool shedder_is_shedding(const struct shedder *shedder)
{
    return shedder->is_shedding;
}

double shedder_keep(const struct shedder *shedder)
{
    return shedder->is_shedding ? shedder->keep : 1;
}

/* ---- the plan ---- */

/* Nested: what a smaller share keeps, a larger one keeps too. */
static void move_key_share(struct shedder *shedder)
{
    while (shedder->key_share > KEY_LEAST && shedder->keep <= shedder->key_share / 2)
        shedder->key_share /= 2;
    while (shedder->key_share < 1 && shedder->keep >= shedder->key_share * 2)
        shedder->key_share *= 2;
}

static void make_plan(struct shedder *shedder)
{
    const struct shedder_config *config = &shedder->config;

    shedder->keep = config->is_adaptive ? shedder->control.keep : config->keep;
    switch (config->mode) {
    case SHED_UNIFORM:
        break;
    case SHED_KEY:
        if (config->is_adaptive)
            move_key_share(shedder);
        else
            shedder->key_share = shedder->keep;
        break;
    case SHED_SEVERITY:
        if (config->is_adaptive)
            shed_groups_by_rank(shedder->groups, shedder->keep, config->severity_keep,
                                shedder->band_keep);
        else
            shedder->keep = shed_groups_share(shedder->groups, config->severity_keep);
        break;
    case SHED_NOISIEST:
        shedder->level = shed_groups_level(shedder->groups, shedder->keep);
        break;
    case SHED_LARGEST:
        shedder->level = shed_groups_event_level(shedder->groups, shedder->keep);
        break;
    }
}

static void start(struct shedder *shedder, double fill)
{
    shedder->is_shedding = true;
    shedder->key_share = 1;
    for (size_t i = 0; i < BANDS; i++)
        shedder->band_keep[i] = shedder->config.severity_keep[i];
    shed_control_begin(&shedder->control, fill);
    make_plan(shedder);
}

static void end_window(struct shedder *shedder, int64_t now_ms, double fill)
{
    double window_s = (double)(now_ms - shedder->stepped_ms) / 1000;

    shed_control_step(&shedder->control, window_s, (double)shedder->offered_bytes,
                      (double)shedder->out_bytes, fill, shedder->is_shedding);
    shed_groups_smooth(shedder->groups, window_s, shed_control_smoothing_s(&shedder->control));
    shedder->offered_bytes = shedder->out_bytes = 0;
    shedder->stepped_ms = now_ms;
    if (shedder->is_shedding)
        make_plan(shedder);
}

static bool is_over(const struct shedder *shedder, double fill)
{
    if (shedder->config.is_adaptive)
        return shed_control_is_over(&shedder->control);
    return fill <= shedder->config.low;
}

enum shed_change shedder_step(struct shedder *shedder, int64_t now_ms, double fill)
{
    if (!shedder_may_shed(shedder))
        return SHED_SAME;
    if (!shedder->has_time) {
        shedder->has_time = true;
        shedder->stepped_ms = now_ms;
    }
    bool is_starting = !shedder->is_shedding && fill >= shedder->config.high;
    /* A burst may fill the ring within one step: it starts with what is known of it. */
    int64_t wait_ms = is_starting ? 1 : SHED_STEP_MS;
    if (now_ms - shedder->stepped_ms >= wait_ms)
        end_window(shedder, now_ms, fill);
    if (is_starting) {
        start(shedder, fill);
        return SHED_STARTED;
    }
    if (shedder->is_shedding && is_over(shedder, fill)) {
        shedder->is_shedding = false;
        return SHED_STOPPED;
    }
    return SHED_SAME;
}

void shedder_end(struct shedder *shedder)
{
    shedder->is_shedding = false;
}

/* ---- one event ---- */

static size_t size_group(uint64_t bytes)
{
    size_t group = bytes == 0 ? 0 : (size_t)(64 - __builtin_clzll(bytes));
    return group < SIZES ? group : SIZES - 1;
}

static size_t group_of(const struct shedder *shedder, const struct shed_facts *facts)
{
    switch (shedder->config.mode) {
    case SHED_SEVERITY:
        return severity_band(facts->severity);
    case SHED_NOISIEST:
        return facts->class;
    case SHED_LARGEST:
        return size_group(facts->bytes);
    case SHED_UNIFORM:
    case SHED_KEY:
        break;
    }
    return 0;
}

/* The share that stands at a level; at first, before any rate is known, that of all. */
static double share_under(const struct shedder *shedder, double amount)
{
    if (isinf(shedder->level))
        return shedder->keep;
    return amount <= shedder->level ? 1 : fmax(SHED_LEAST_KEEP, shedder->level / amount);
}

static double share_of(const struct shedder *shedder, const struct shed_facts *facts)
{
    switch (shedder->config.mode) {
    case SHED_UNIFORM:
        break;
    case SHED_KEY:
        return facts->has_key ? shedder->key_share : shedder->keep;
    case SHED_SEVERITY:
        return shedder->band_keep[severity_band(facts->severity)];
    case SHED_NOISIEST:
        return share_under(shedder, shed_groups_rate(shedder->groups, facts->class));
    case SHED_LARGEST:
        return share_under(shedder, (double)facts->bytes);
    }
    return shedder->keep;
}

double shedder_admit(struct shedder *shedder, const struct shed_facts *facts, struct random *random)
{
    CHECK(shedder_may_shed(shedder));
    shedder->offered_bytes += facts->bytes;
    shed_groups_offer(shedder->groups, group_of(shedder, facts), facts->bytes);
    if (!shedder->is_shedding)
        return 1;
    if (shedder->config.keep <= 0 && !shedder->config.is_adaptive &&
        shedder->config.mode != SHED_SEVERITY)
        return 0;
    double share = share_of(shedder, facts);
    if (share >= 1)
        return 1;
    double drawn = shedder->config.mode == SHED_KEY && facts->has_key
                       ? (double)(facts->key >> 11) * 0x1.0p-53
                       : random_unit(random);
    return drawn < share ? share : 0;
}

void shedder_note_out(struct shedder *shedder, uint64_t bytes)
{
    shedder->out_bytes += bytes;
}

void shedder_set_capacity(struct shedder *shedder, uint64_t capacity_bytes)
{
    shedder->config.capacity_bytes = capacity_bytes;
    shedder->control.capacity_bytes = (double)capacity_bytes;
}

void shedder_forget_class(struct shedder *shedder, size_t class)
{
    if (shedder->config.mode == SHED_NOISIEST)
        shed_groups_forget(shedder->groups, class);
}
