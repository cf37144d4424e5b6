/* SPDX-License-Identifier: Apache-2.0 */
/* service: what a service manager is told, by the protocol of sd_notify(3). Without libsystemd, or
 * where nobody listens, nothing happens. Threads: main. */
#pragma once

#include <stdint.h>

void service_notify(const char *state);
/* systemd waits for READY=1 behind it: `systemctl reload` ends when the reload has. */
void service_notify_reloading(void);
/* It may take that long, and a little more: asked for, or systemd kills after TimeoutStopSec. */
void service_notify_stopping(int64_t grace_ms);
int64_t service_watchdog_ms(void); /* how often to say WATCHDOG=1; 0: nobody asked for it */
