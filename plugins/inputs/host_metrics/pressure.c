/* SPDX-License-Identifier: Apache-2.0 */
/* pressure: how long tasks were stalled for want of processor, memory or I/O: /proc/pressure, see
 * Documentation/accounting/psi.rst of the Linux kernel. "some": at least one task waited; "full":
 * all that were not idle did. The kernel's averages are left out: they follow from the totals. */
#include "groups.h"

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=12345", in microseconds. */
static bool read_line(struct slice line, struct slice *ret_kind, uint64_t *ret_total_us)
{
    static const struct slice total = SLICE("total=");
    struct slice word;

    if (!proc_take_word(&line, ret_kind))
        return false;
    while (proc_take_word(&line, &word)) {
        if (word.bytes <= total.bytes || memcmp(word.data, total.data, total.bytes) != 0)
            continue;
        struct slice digits = { word.data + total.bytes, word.bytes - total.bytes };
        return proc_take_number(&digits, ret_total_us);
    }
    return false;
}

bool group_pressure(struct round *round, struct err *err)
{
    static const struct {
        enum host_file file;
        const char *resource;
    } rows[] = { { HOST_PRESSURE_CPU, "cpu" },
                 { HOST_PRESSURE_MEMORY, "memory" },
                 { HOST_PRESSURE_IO, "io" } };
    struct slice text, line, kind;
    uint64_t total_us;
    size_t count = 0;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (!round_read(round, rows[i].file, &text, err))
            return false;
        while (proc_take_line(&text, &line)) {
            if (!read_line(line, &kind, &total_us))
                continue;
            struct event *event = round_sample(round, "system.linux.pressure.stall_time", EVENT_SUM,
                                               "s", (double)total_us / 1e6);
            event_text(event, "system.linux.pressure.resource", slice_of(rows[i].resource));
            event_text(event, "system.linux.pressure.kind", kind);
            count++;
        }
    }
    return count > 0 || err_set(err, "no totals in proc/pressure");
}
