/* SPDX-License-Identifier: Apache-2.0 */
/* service: what a service manager is told, by the protocol of sd_notify(3). Without libsystemd, or
 * where nobody listens, nothing happens. Threads: main. */
#pragma once

#include <stdint.h>

void service_notify(const char *state);
/* Says in the status that there is no output, and in which file it is to be filled in; NULL: there
 * are some, and the status says nothing. */
void service_notify_idle(const char *path);
/* systemd waits for READY=1 behind it: `systemctl reload` ends when the reload has. */
void service_notify_reloading(void);
/* It may take that long, and a little more: asked for, or systemd kills after TimeoutStopSec. */
void service_notify_stopping(int64_t grace_ms);
int64_t service_watchdog_ms(void); /* how often to say WATCHDOG=1; 0: nobody asked for it */
