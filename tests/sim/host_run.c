/* SPDX-License-Identifier: Apache-2.0 */
/* host_run: the life of one simulated host, step by step, from one seed. */
#include "host_run.h"

#include "base/file.h"
#include "host.h"

#include <stdarg.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

enum {
    ACTORS_MAX = HOST_OUTLETS * (OUTLET_SOURCES + OUTLET_WORKERS + 2 + REQUESTS_MAX),
    FAULTS_LEAST = 50,
    CRASHES_LEAST = 5,
    STEPS_FULL = 20000,
    CALM_STEPS_MAX = 400000, /* and these for each event that exists, each in a batch of its own: */
    CALM_STEPS_EACH = 20,
    DISK_STEPS = 1500,
    MEMORY_STEPS = 1500,
    MEMORY_SICKNESS = 500,
    FLIP_EACH = 1500,
    RELOAD_EACH = 1000,
    SEED_S_MAX = 120, /* of the processor: most seeds take a twentieth of a second */
};
static const int64_t CALM_MAX_MS = 6 * 3600 * MS_PER_S;

static const struct sim *running; /* for the hook of a failed CHECK */

void host_fail(const struct sim *host, const char *format, ...)
{
    va_list args;

    printf("host_sim --seed %llu --steps %llu: violated at step %llu: ",
           (unsigned long long)host->seed, (unsigned long long)host->steps,
           (unsigned long long)host->step);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
    (void)fflush(stdout);
    _exit(1);
}

static void tell_failed_check(void)
{
    if (running != NULL)
        host_fail(running, "a CHECK of the agent failed, see above");
}

void host_trace(const struct sim *host, const char *format, ...)
{
    va_list args;

    printf("%6llu %9lld ms  ", (unsigned long long)host->step,
           (long long)(host->now_ms - HOST_EPOCH_MS));
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
}

/* ---- who may act ---- */

struct actor {
    struct outlet *outlet;
    struct source *source; /* one of these four, or the sender */
    struct sim_worker *worker;
    struct sim_request *request;
    bool is_spooler;
};

static unsigned find_actors(struct sim *host, struct actor actors[ACTORS_MAX])
{
    unsigned count = 0;

    for (unsigned i = 0; i < host->outlet_count; i++) {
        struct outlet *outlet = &host->outlets[i];
        for (unsigned j = 0; j < outlet->source_count; j++) {
            if (source_may_step(&outlet->sources[j]))
                actors[count++] = (struct actor){ outlet, .source = &outlet->sources[j] };
        }
        for (unsigned j = 0; j < outlet->worker_count; j++) {
            if (worker_may_step(outlet, &outlet->workers[j]))
                actors[count++] = (struct actor){ outlet, .worker = &outlet->workers[j] };
        }
        if (sender_may_step(outlet))
            actors[count++] = (struct actor){ outlet, .source = NULL };
        if (spooler_may_step(outlet))
            actors[count++] = (struct actor){ outlet, .is_spooler = true };
        for (unsigned j = 0; j < REQUESTS_MAX && outlet->request_count > 0; j++) {
            struct sim_request *request = &outlet->requests[j];
            if (request->batch != NULL && host->now_ms >= request->answer_ms)
                actors[count++] = (struct actor){ outlet, .request = request };
        }
    }
    return count;
}

static void act(const struct actor *actor)
{
    (void)memory_is_for(actor->outlet->host);
    if (actor->source != NULL)
        source_step(actor->source);
    else if (actor->worker != NULL)
        worker_step(actor->outlet, actor->worker);
    else if (actor->request != NULL)
        request_end(actor->outlet, actor->request);
    else if (actor->is_spooler)
        spooler_step(actor->outlet);
    else
        sender_step(actor->outlet);
    (void)memory_is_for(NULL);
}

/* ---- time ---- */

static int64_t outlet_next_ms(const struct outlet *outlet)
{
    const struct sim *host = outlet->host;
    int64_t next_ms = outlet->sender_until_ms;

    if (outlet->spool != NULL)
        next_ms = least_ms(next_ms, outlet->spooler.until_ms);

    for (unsigned i = 0; i < outlet->source_count; i++)
        next_ms = least_ms(next_ms, source_next_ms(&outlet->sources[i]));
    for (unsigned i = 0; i < outlet->worker_count; i++) {
        int64_t until_boot_ms = outlet->workers[i].until_boot_ms;
        if (until_boot_ms > 0)
            next_ms = least_ms(next_ms, until_boot_ms - host->boot_ms + host->now_ms);
    }
    for (unsigned i = 0; i < REQUESTS_MAX; i++) {
        if (outlet->requests[i].batch != NULL)
            next_ms = least_ms(next_ms, outlet->requests[i].answer_ms);
    }
    return next_ms;
}

static void advance_time(struct sim *host)
{
    int64_t next_ms = host->is_draining ? host->grace_until_ms : INT64_MAX;

    for (unsigned i = 0; i < host->outlet_count; i++)
        next_ms = least_ms(next_ms, outlet_next_ms(&host->outlets[i]));
    if (next_ms <= host->now_ms)
        host_fail(host, "time stands still");
    host->boot_ms += next_ms - host->now_ms;
    host->now_ms = next_ms;
    if (!host->is_calm && random_below(&host->random, 3000) == 0) {
        TRACE(host, "the host is suspended");
        host->boot_ms += (int64_t)between(host, 1000, 600000);
        host->faults++;
    }
}

/* ---- what goes wrong ---- */

static void change_disk(struct sim *host)
{
    host->disk_is_full = !host->disk_is_full && !host->is_calm;
    host->disk_sickness = host->disk_is_full || host->is_calm || percent(host, 60)
                              ? 0
                              : (unsigned)between(host, 2, 60);
    host->faults += host->disk_is_full || host->disk_sickness > 0;
    host->disk_until_step = host->step + between(host, 50, DISK_STEPS);
    TRACE(host, "the disk is %s",
          host->disk_is_full        ? "full"
          : host->disk_sickness > 0 ? "sick"
                                    : "fine");
}

static void change_memory(struct sim *host)
{
    bool is_scarce = host->memory_sickness == 0 && host->has_scarce_memory && !host->is_calm;

    host->memory_sickness = is_scarce ? (unsigned)between(host, 1, MEMORY_SICKNESS) : 0;
    host->faults += is_scarce;
    host->memory_until_step = host->step + between(host, 50, is_scarce ? 300 : MEMORY_STEPS);
    TRACE(host, "%u of 1000 requests for memory fail", host->memory_sickness);
}

static void stop_if_due(struct sim *host)
{
    bool is_due = host->stops_done < STOPS && host->step >= host->stop_steps[host->stops_done];
    enum stop_kind kind = is_due ? host->stops[host->stops_done++] : STOP_DRAIN;

    if (kind == STOP_CRASH) {
        life_crash(host); /* also in the middle of a drain */
    } else if (kind == STOP_POWER) {
        life_lose_power(host);
    } else if (host->is_draining) {
        if (is_due || host->now_ms >= host->grace_until_ms || life_is_drained(host))
            life_end_drain(host);
    } else if (is_due) {
        life_begin_drain(host);
    }
}

static void let_things_happen(struct sim *host)
{
    for (unsigned i = 0; i < host->outlet_count; i++) {
        if (host->step >= host->outlets[i].weather_until_step)
            endpoint_change_weather(&host->outlets[i]);
    }
    if (host->step >= host->disk_until_step)
        change_disk(host);
    if (host->step >= host->memory_until_step)
        change_memory(host);
    if (host->now_ms >= host->next_report_ms)
        life_report(host);
    struct outlet *reloaded = &host->outlets[random_below(&host->random, host->outlet_count)];
    if (reloaded->is_reloaded && random_below(&host->random, RELOAD_EACH) == 0)
        (percent(host, 50) ? spool_reload : outlet_reload)(reloaded);
    if (random_below(&host->random, FLIP_EACH) == 0)
        power_flip_bit(&host->outlets[random_below(&host->random, host->outlet_count)]);
    stop_if_due(host);
}

/* ---- a run ---- */

static void step_once(struct sim *host)
{
    struct actor actors[ACTORS_MAX];
    unsigned count = find_actors(host, actors);

    if (count == 0) {
        audit_rest(host);
        advance_time(host);
        return;
    }
    const struct actor *actor = &actors[random_below(&host->random, count)];
    host->step++;
    host->touched = actor->outlet;
    act(actor);
    audit_step(host);
}

static uint64_t last_step(const struct sim *host)
{
    uint64_t last = host->steps + CALM_STEPS_MAX;

    for (unsigned i = 0; i < host->outlet_count; i++) {
        for (unsigned j = 0; j < host->outlets[i].source_count; j++)
            last += CALM_STEPS_EACH * (uint64_t)host->outlets[i].sources[j].written;
    }
    return last;
}

static bool is_quiet(const struct sim *host)
{
    for (unsigned i = 0; i < host->outlet_count; i++) {
        for (unsigned j = 0; j < host->outlets[i].source_count; j++) {
            if (!source_is_quiet(&host->outlets[i].sources[j]))
                return false;
        }
        if (!spool_is_over(&host->outlets[i]))
            return false;
    }
    return life_is_drained(host);
}

static bool is_any_unread(const struct sim *host)
{
    for (unsigned i = 0; i < host->outlet_count; i++) {
        struct spool *spool = host->outlets[i].spool;
        if (spool != NULL && spool_index_of(spool)->is_partial)
            return true;
    }
    return false;
}

/* Nothing new comes, nothing goes wrong any more: all that is there must leave. */
static void calm_down(struct sim *host)
{
    int64_t until_ms;

    while (host->is_draining) {
        step_once(host);
        stop_if_due(host);
    }
    host->is_calm = true;
    host->disk_is_full = false;
    host->disk_sickness = host->memory_sickness = 0;
    if (is_any_unread(host))
        life_crash(host); /* the next start finds it */
    for (unsigned i = 0; i < host->outlet_count; i++)
        endpoint_change_weather(&host->outlets[i]);
    until_ms = host->now_ms + CALM_MAX_MS;
    while (!is_quiet(host)) {
        step_once(host);
        if (host->now_ms > until_ms || host->step > last_step(host))
            host_fail(host, "stuck: the endpoint is fine, and not all events leave");
    }
}

static void check_troubles(const struct sim *host)
{
    if (host->steps >= STEPS_FULL && (host->faults < FAULTS_LEAST || host->crashes < CRASHES_LEAST))
        host_fail(host, "only %llu faults and %llu crashes", (unsigned long long)host->faults,
                  (unsigned long long)host->crashes);
}

static void note_result(const struct sim *host, struct host_sums *sums)
{
    sums->seeds++;
    sums->steps += host->step;
    sums->faults += host->faults;
    sums->crashes += host->crashes;
    sums->drains += host->drains;
    sums->offered += host->offered;
    sums->delivered += host->delivered;
    sums->dropped += host->dropped;
    sums->lost += host->lost;
    sums->repeated += host->repeated;
    sums->requests += host->launches;
    sums->splits += host->splits;
    sums->spilled += host->spilled;
    sums->from_disk += host->from_disk;
    sums->buried += host->buried;
    sums->power_losses += host->power_losses;
    sums->blind_starts += host->blind_starts;
    sums->flips += host->flips;
    sums->reloads += host->reloads;
    sums->hangs += host->hangs;
    sums->corrupt += host->corrupt;
    sums->refused += host->refused;
    sums->minutes += (uint64_t)(host->now_ms - HOST_EPOCH_MS) / (60 * MS_PER_S);
    if (sums->faults_least == 0 || host->faults < sums->faults_least)
        sums->faults_least = host->faults;
    if (sums->crashes_least == 0 || host->crashes < sums->crashes_least)
        sums->crashes_least = host->crashes;
}

void host_run(const struct host_order *order, struct host_sums *sums)
{
    static struct sim host;

    memset(&host, 0, sizeof(host));
    host.seed = order->seed;
    host.steps = order->steps;
    host.trace = order->trace;
    host.random = random_make(order->seed);
    (void)snprintf(host.folder, sizeof(host.folder), "%s", order->folder);
    running = &host;
    CHECK(setitimer(ITIMER_PROF, &(struct itimerval){ .it_value = { SEED_S_MAX, 0 } }, NULL) == 0);
    check_set_hook(tell_failed_check);
    plan_host(&host);
    life_start(&host);
    while (host.step < host.steps) {
        let_things_happen(&host);
        step_once(&host);
    }
    calm_down(&host);
    life_close(&host);
    check_troubles(&host);
    note_result(&host, sums);
    running = NULL;
}
