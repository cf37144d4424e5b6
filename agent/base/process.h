/* SPDX-License-Identifier: Apache-2.0 */
/* process: what the kernel says about this process. Cheap enough for a scrape, not for the hot
 * path. What cannot be read is 0: a figure to look at, nothing is decided by it. */
#pragma once

#include <stdint.h>

/* Own memory: RssAnon + RssShmem. Mapped code and files, shared and reclaimable, are not in it. */
uint64_t process_own_memory_bytes(void);
uint64_t process_resident_bytes(void);
uint64_t process_open_fds(void);
uint64_t process_max_fds(void);   /* the soft limit */
double process_cpu_seconds(void); /* user and system, all threads */
