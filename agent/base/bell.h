/* SPDX-License-Identifier: Apache-2.0 */
/* bell: wakes one thread that sleeps in poll(2), together with other descriptors. An eventfd. */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

bool bell_open(int *ret_fd); /* false: errno says why */
void bell_ring(int fd);      /* any thread */
void bell_silence(int fd);   /* for who waits for it in another way than bell_wait() */

/* Sleeps until the bell rings, one of the other descriptors is readable, or timeout_ms is over
 * (< 0: without end). others: at most BELL_OTHERS. Silences the bell. */
enum { BELL_OTHERS = 16 };
void bell_wait(int fd, const int *others, unsigned count, int64_t timeout_ms);
