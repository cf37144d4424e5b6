/* SPDX-License-Identifier: Apache-2.0 */
/* host_run: runs one seed to its end. A violation prints the line that replays it and ends the
 * process. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct host_order {
    uint64_t seed, steps;
    bool trace;
    const char *folder; /* on tmpfs, empty */
};

/* Sums over seeds. */
struct host_sums {
    uint64_t seeds, steps, faults, crashes, drains, faults_least, crashes_least;
    uint64_t offered, delivered, dropped, lost, repeated, requests, splits, minutes;
    uint64_t spilled, from_disk, buried, power_losses, blind_starts, flips, reloads, hangs, corrupt,
        refused;
};

void host_run(const struct host_order *order, struct host_sums *sums);
