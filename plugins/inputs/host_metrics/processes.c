/* SPDX-License-Identifier: Apache-2.0 */
/* processes: what /proc/stat says of all of them together, see proc(5). Tasks that are blocked wait
 * for a disk; those that sleep for another reason the kernel does not count. */
#include "groups.h"

bool group_processes(struct round *round, struct err *err)
{
    static const struct {
        struct slice name;
        const char *state; /* NULL: processes made since the boot */
    } rows[] = { { SLICE("processes"), NULL },
                 { SLICE("procs_running"), "running" },
                 { SLICE("procs_blocked"), "blocked" } };
    struct slice text, line, word;
    uint64_t number;
    bool found = false;

    if (!round_read(round, HOST_STAT, &text, err))
        return false;
    while (proc_take_line(&text, &line)) {
        if (!proc_take_word(&line, &word))
            continue;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
            if (!slice_equals(word, rows[i].name) || !proc_take_number(&line, &number))
                continue;
            found = true;
            if (rows[i].state == NULL)
                (void)round_sample(round, "system.process.created", EVENT_SUM, "{process}",
                                   (double)number);
            else
                event_text(round_sample(round, "system.process.count", EVENT_UPDOWN, "{process}",
                                        (double)number),
                           "process.state", slice_of(rows[i].state));
        }
    }
    return found || err_set(err, "no processes in proc/stat");
}
