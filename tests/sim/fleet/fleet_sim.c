/* SPDX-License-Identifier: Apache-2.0 */
/* fleet_sim: what a fleet does to an endpoint that was away for half an hour. See README.md. */
#include "base/check.h"
#include "variants.h"
#include "world.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: fleet_sim [--agents N] [--period MS] [--seed N] [--manner refuses|slows|times_out]\n"
    "                 [--variant all_on|no_jitter|no_breaker|no_budget|no_aimd] [--csv FOLDER]\n"
    "                 [--check]\n"
    "Without --manner and --variant: all, one after the other. --period: between two batches of\n"
    "an agent. --csv: a file for each run with a row for each second, for picture.py. --check: "
    "exit\n"
    "1 if a run with everything on misses the aim, or one without AIMD reaches it, or one without\n"
    "jitter or breaker is as easy on an endpoint that is away.\n";

/* Loads are multiples of the capacity. */
struct figures {
    double dies_peak;     /* the most that was offered in one second, while it died or was away */
    double away;          /* mean of what was offered in the last ten minutes away */
    double away_peak;     /* and the most in one second of these */
    double back_peak;     /* the most after it was back */
    unsigned over_s;      /* seconds with more than 1.2, in all */
    unsigned back_over_s; /* and after it was back */
    unsigned missed_s;    /* seconds over the aim, and over the chance that a small fleet has */
    double offered;       /* mean from the return to the end of the backlog */
    double taken;
    unsigned drain_s; /* until a hundredth of the backlog is left; 0: not in time */
};

struct request {
    unsigned agents, period_ms;
    uint64_t seed;
    int manner, variant; /* -1: all */
    const char *csv;
    bool check;
};

static const double AIM = 1.2, AWAY_AIM = 0.03, AWAY_PEAK_AIM = 0.1;
enum { BACK_S = RETURNS_MS / 1000, AWAY_WATCHED_S = 600 };

static double load_of(const struct world *world, unsigned second)
{
    return world->seconds[second].offered / (world->endpoint.capacity_per_ms * 1000);
}

static void measure_drain(const struct world *world, unsigned seconds, struct figures *figures)
{
    unsigned end = BACK_S;

    for (; end < seconds && figures->drain_s == 0; end++) {
        figures->offered += load_of(world, end);
        figures->taken += world->seconds[end].taken / (world->endpoint.capacity_per_ms * 1000);
        if (world->seconds[end].waiting * 100 <= world->seconds[BACK_S - 1].waiting)
            figures->drain_s = end + 1 - BACK_S;
    }
    figures->offered /= end - BACK_S;
    figures->taken /= end - BACK_S;
}

static struct figures measure(const struct world *world, unsigned seconds)
{
    /* Four standard deviations of what independent agents send in a second. */
    double noise = 4 / sqrt(world->endpoint.capacity_per_ms * 1000);
    struct figures figures = { 0 };

    for (unsigned s = 0; s < seconds; s++) {
        double load = load_of(world, s);
        double *peak = s < BACK_S ? &figures.dies_peak : &figures.back_peak;
        if (load > *peak)
            *peak = load;
        figures.over_s += load > AIM;
        figures.missed_s += load > AIM + noise;
        figures.back_over_s += load > AIM && s >= BACK_S;
        if (s >= BACK_S - AWAY_WATCHED_S && s < BACK_S) {
            figures.away += load / AWAY_WATCHED_S;
            figures.away_peak = fmax(figures.away_peak, load);
        }
    }
    measure_drain(world, seconds, &figures);
    return figures;
}

static void write_csv(const struct world *world, unsigned seconds, const char *folder)
{
    char path[512];
    double capacity = world->endpoint.capacity_per_ms * 1000;
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%s-%s.csv", folder, manner_names[world->endpoint.manner],
                   variant_names[variant]);
    file = fopen(path, "w");
    if (file == NULL) {
        perror(path);
        exit(2);
    }
    (void)fprintf(file, "second,offered,taken,waiting\n");
    for (unsigned s = 0; s < seconds; s++)
        (void)fprintf(file, "%d,%.4f,%.4f,%.4f\n", (int)s - BACK_S,
                      world->seconds[s].offered / capacity, world->seconds[s].taken / capacity,
                      (double)world->seconds[s].waiting / world->agent_count);
    (void)fclose(file);
}

/* What a mechanism that is turned off was there for is missed. */
static bool is_as_wanted(const struct figures *figures)
{
    bool is_smooth = figures->missed_s <= 1 && figures->drain_s > 0;

    switch (variant) {
    case VARIANT_ALL_ON:
        return is_smooth && figures->away <= AWAY_AIM && figures->away_peak <= AWAY_PEAK_AIM;
    case VARIANT_NO_AIMD:
        return !is_smooth;
    case VARIANT_NO_BREAKER:
        return figures->away > AWAY_AIM;
    case VARIANT_NO_JITTER:
        return figures->away_peak > AWAY_PEAK_AIM;
    case VARIANT_NO_BUDGET:
    case VARIANTS:
        break;
    }
    return true;
}

static bool run(const struct request *request, enum manner manner)
{
    static struct world world;
    struct figures figures;
    unsigned seconds;

    world_init(&world, request->agents, request->period_ms, manner, request->seed);
    seconds = world_run(&world);
    figures = measure(&world, seconds);
    if (request->csv != NULL)
        write_csv(&world, seconds, request->csv);
    world_fini(&world);
    printf("%-10s %-11s %7.2f %7.3f %7.2f %7u %7u %7.2f %7.2f %7u\n", manner_names[manner],
           variant_names[variant], figures.dies_peak, figures.away, figures.back_peak,
           figures.over_s, figures.back_over_s, figures.offered, figures.taken, figures.drain_s);
    (void)fflush(stdout);
    return is_as_wanted(&figures);
}

static bool run_all(const struct request *request)
{
    bool as_wanted = true;

    printf(
        "%u agents, a batch each %u ms, seed %llu. Loads are multiples of the capacity, which is "
        "1.5 x the steady load.\n",
        request->agents, request->period_ms, (unsigned long long)request->seed);
    printf("%-10s %-11s %7s %7s %7s %7s %7s %7s %7s %7s\n", "overloaded", "variant", "dies", "away",
           "back", "s>1.2", "(back)", "offered", "taken", "drain_s");
    for (int manner = 0; manner < MANNERS; manner++) {
        for (int i = 0; i < VARIANTS; i++) {
            if ((request->manner >= 0 && request->manner != manner) ||
                (request->variant >= 0 && request->variant != i))
                continue;
            variant = (enum variant)i;
            as_wanted = run(request, (enum manner)manner) && as_wanted;
        }
    }
    return as_wanted;
}

static int find_name(const char *name, const char *const *names, int count)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(name, names[i]) == 0)
            return i;
    }
    (void)fprintf(stderr, "fleet_sim: what is '%s'?\n%s", name, usage);
    exit(2);
}

int main(int argc, char **argv)
{
    struct request request = {
        .agents = 100000, .period_ms = 1000, .seed = 1, .manner = -1, .variant = -1
    };

    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--check") == 0) {
            request.check = true;
            continue;
        }
        i++;
        if (strcmp(argv[i - 1], "--agents") == 0)
            request.agents = (unsigned)strtoul(value, NULL, 10);
        else if (strcmp(argv[i - 1], "--period") == 0)
            request.period_ms = (unsigned)strtoul(value, NULL, 10);
        else if (strcmp(argv[i - 1], "--seed") == 0)
            request.seed = strtoull(value, NULL, 10);
        else if (strcmp(argv[i - 1], "--csv") == 0)
            request.csv = value;
        else if (strcmp(argv[i - 1], "--manner") == 0)
            request.manner = find_name(value, manner_names, MANNERS);
        else if (strcmp(argv[i - 1], "--variant") == 0)
            request.variant = find_name(value, variant_names, VARIANTS);
        else
            (void)find_name(argv[i - 1], NULL, 0);
    }
    if (request.agents == 0)
        (void)find_name("--agents 0", NULL, 0);
    return run_all(&request) || !request.check ? 0 : 1;
}
