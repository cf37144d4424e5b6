/* SPDX-License-Identifier: Apache-2.0 */
/* cpu: /proc/stat and /proc/loadavg, see proc(5). Guest time is in user time already. */
#include "groups.h"

/* Columns of a cpu line; softirq is time in interrupts as well. */
enum {
    CPU_USER,
    CPU_NICE,
    CPU_SYSTEM,
    CPU_IDLE,
    CPU_IOWAIT,
    CPU_IRQ,
    CPU_SOFTIRQ,
    CPU_STEAL,
    CPU_COLUMNS
};

static void sample_cpu(struct round *round, uint64_t cpu, const uint64_t ticks[CPU_COLUMNS])
{
    static const char *const modes[CPU_COLUMNS] = {
        [CPU_USER] = "user",  [CPU_NICE] = "nice",     [CPU_SYSTEM] = "system",
        [CPU_IDLE] = "idle",  [CPU_IOWAIT] = "iowait", [CPU_IRQ] = "interrupt",
        [CPU_SOFTIRQ] = NULL, [CPU_STEAL] = "steal",
    };
    double per_s = (double)sysconf(_SC_CLK_TCK);

    for (unsigned i = 0; i < CPU_COLUMNS; i++) {
        if (modes[i] == NULL)
            continue;
        double number = (double)ticks[i] + (i == CPU_IRQ ? (double)ticks[CPU_SOFTIRQ] : 0);
        struct event *event =
            round_sample(round, "system.cpu.time", EVENT_SUM, "s", number / per_s);
        event_text(event, "cpu.mode", slice_of(modes[i]));
        event_integer(event, "cpu.logical_number", (int64_t)cpu);
    }
}

/* The number of "cpu7"; the line "cpu" is the sum of all and has none. */
static bool cpu_number(struct slice word, uint64_t *ret)
{
    struct slice digits = { word.data + 3, word.bytes - 3 };

    return proc_take_number(&digits, ret) && *ret <= INT32_MAX;
}

bool group_cpu(struct round *round, struct err *err)
{
    struct slice text, line, word;
    uint64_t cpu, cpus = 0;

    if (!round_read(round, HOST_STAT, &text, err))
        return false;
    while (proc_take_line(&text, &line)) {
        uint64_t ticks[CPU_COLUMNS];
        if (!proc_take_word(&line, &word) || word.bytes <= 3 || memcmp(word.data, "cpu", 3) != 0)
            continue;
        if (!cpu_number(word, &cpu) || !proc_take_numbers(&line, ticks, CPU_COLUMNS))
            continue;
        if (++cpus > GROUP_ROWS * 4) {
            round_tell_left_out(round, "cpu");
            break;
        }
        sample_cpu(round, cpu, ticks);
    }
    if (cpus == 0)
        return err_set(err, "no processor in proc/stat");
    (void)round_sample(round, "system.cpu.logical.count", EVENT_UPDOWN, "{cpu}", (double)cpus);
    return true;
}

bool group_load(struct round *round, struct err *err)
{
    static const char *const names[] = { "system.cpu.load_average.1m", "system.cpu.load_average.5m",
                                         "system.cpu.load_average.15m" };
    struct slice text;
    double load[3];

    if (!round_read(round, HOST_LOADAVG, &text, err))
        return false;
    for (unsigned i = 0; i < 3; i++) {
        if (!proc_take_decimal(&text, &load[i]))
            return err_set(err, "no load averages in proc/loadavg");
    }
    for (unsigned i = 0; i < 3; i++)
        (void)round_sample(round, names[i], EVENT_GAUGE, "{thread}", load[i]);
    return true;
}
