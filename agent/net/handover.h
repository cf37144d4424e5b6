/* SPDX-License-Identifier: Apache-2.0 */
/* handover: sockets that systemd opened for this process: LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES
 * (sd_listen_fds(3)). They stay open as long as the process lives. */
#pragma once

#include <stddef.h>

/* The next socket of that name after `before`; 0: the first. -1: there is none. A socket without a
 * name is called "unknown", as systemd does it. */
int handover_next(const char *name, int before);
