/* SPDX-License-Identifier: Apache-2.0 */
/* cgroup: the memory that the control groups of this process leave to it, of version 2 and 1. */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

/* The least limit from the process's own group up to the topmost that can be seen. root: "" or, in
 * a test, a folder that stands for "/". false: there is none. ret_file: where it is written. */
bool cgroup_memory_limit(const char *root, uint64_t *ret_bytes, char ret_file[PATH_MAX]);
