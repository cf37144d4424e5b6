/* SPDX-License-Identifier: Apache-2.0 */
#include "service.h"

#include "base/clock.h"
#include "built_with.h"

#include <limits.h>
#include <stdio.h>
#if HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

void service_notify(const char *state)
{
#if HAVE_SYSTEMD
    (void)sd_notify(0, state);
#else
    (void)state;
#endif
}

void service_notify_idle(const char *path)
{
    char status[PATH_MAX + 128] = "STATUS=";

    if (path != NULL)
        (void)snprintf(status, sizeof(status),
                       "STATUS=Idle: there is no output, nothing is read or shipped. Fill in "
                       "'outputs' in %s, then reload.",
                       path);
    service_notify(status);
}

void service_notify_reloading(void)
{
    char state[64];
    int64_t now_us = clock_now_ms() * 1000;

    (void)snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)now_us);
    service_notify(state);
}

void service_notify_stopping(int64_t grace_ms)
{
    enum { CLOSING_MS = 20000 };
    char state[64];

    (void)snprintf(state, sizeof(state), "STOPPING=1\nEXTEND_TIMEOUT_USEC=%lld",
                   (long long)(grace_ms + CLOSING_MS) * 1000);
    service_notify(state);
}

int64_t service_watchdog_ms(void)
{
#if HAVE_SYSTEMD
    uint64_t limit_us = 0;
    if (sd_watchdog_enabled(0, &limit_us) > 0)
        return (int64_t)(limit_us / 1000 / 2);
#endif
    return 0;
}
