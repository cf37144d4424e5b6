/* SPDX-License-Identifier: Apache-2.0 */
/* paging: swap space from /proc/meminfo, its use from /proc/vmstat, see proc(5). pswpin and pswpout
 * count pages; a fault is major where it had to wait for a disk. */
#include "groups.h"

/* A row of "NAME NUMBER" or "NAME: NUMBER kB". false: it is not there. */
static bool find_number(struct slice text, struct slice name, uint64_t *ret)
{
    struct slice line, word;

    while (proc_take_line(&text, &line)) {
        if (proc_take_word(&line, &word) && slice_equals(word, name))
            return proc_take_number(&line, ret);
    }
    return false;
}

static void sample_state(struct round *round, const char *state, uint64_t kib, uint64_t total_kib)
{
    struct event *event =
        round_sample(round, "system.paging.usage", EVENT_UPDOWN, "By", (double)kib * 1024);
    event_text(event, "system.paging.state", slice_of(state));
    if (total_kib == 0)
        return; /* a host without swap has no share of it in use */
    event = round_sample(round, "system.paging.utilization", EVENT_GAUGE, "1",
                         (double)kib / (double)total_kib);
    event_text(event, "system.paging.state", slice_of(state));
}

static void sample_faults(struct round *round, struct slice vmstat)
{
    uint64_t all, major;

    if (!find_number(vmstat, SLICE("pgfault"), &all) ||
        !find_number(vmstat, SLICE("pgmajfault"), &major) || major > all)
        return;
    event_text(round_sample(round, "system.paging.faults", EVENT_SUM, "{fault}", (double)major),
               "system.paging.fault.type", SLICE("major"));
    event_text(
        round_sample(round, "system.paging.faults", EVENT_SUM, "{fault}", (double)(all - major)),
        "system.paging.fault.type", SLICE("minor"));
}

static void sample_operations(struct round *round, struct slice vmstat)
{
    static const struct {
        struct slice name;
        const char *direction;
    } rows[] = { { SLICE("pswpin"), "in" }, { SLICE("pswpout"), "out" } };
    uint64_t pages;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (!find_number(vmstat, rows[i].name, &pages))
            continue;
        struct event *event = round_sample(round, "system.paging.operations", EVENT_SUM,
                                           "{operation}", (double)pages);
        event_text(event, "system.paging.direction", slice_of(rows[i].direction));
        event_text(event, "system.paging.fault.type", SLICE("major"));
    }
}

bool group_paging(struct round *round, struct err *err)
{
    struct slice meminfo, vmstat;
    uint64_t total, unused;

    if (!round_read(round, HOST_MEMINFO, &meminfo, err) ||
        !round_read(round, HOST_VMSTAT, &vmstat, err))
        return false;
    if (!find_number(meminfo, SLICE("SwapTotal:"), &total) ||
        !find_number(meminfo, SLICE("SwapFree:"), &unused) || unused > total ||
        total > UINT64_MAX / 1024)
        return err_set(err, "no SwapTotal and SwapFree in proc/meminfo");
    sample_state(round, "used", total - unused, total);
    sample_state(round, "free", unused, total);
    sample_faults(round, vmstat);
    sample_operations(round, vmstat);
    return true;
}
