/* SPDX-License-Identifier: Apache-2.0 */
/* capability: the capabilities that some configurations ask for, in the words that people are told:
 * by what drop-in of the service's unit each is given. Threads: none of its own. */
#pragma once

#include <linux/capability.h>

/* "CAP_SYSLOG". All three give "" for one that no configuration asks for. */
const char *capability_name(int capability);
/* "CAP_SYSLOG (drop-in kernel-log.conf)"; the name alone where no drop-in gives it. */
const char *capability_advice(int capability);
/* "to read the kernel's log". */
const char *capability_purpose(int capability);
