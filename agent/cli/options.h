/* SPDX-License-Identifier: Apache-2.0 */
/* options: words of the command line as numbers, in the units that the configuration uses.
 * Each returns false with a text that names the option, and leaves its result alone then. */
#pragma once

#include "base/err.h"
#include "base/slice.h"

#include <stdint.h>

enum { EXIT_USAGE = 2 };

bool options_count(const char *option, const char *text, uint64_t *ret, struct err *err);
bool options_size(const char *option, const char *text, uint64_t *ret_bytes, struct err *err);
bool options_duration(const char *option, const char *text, int64_t *ret_ms, struct err *err);
bool options_share(const char *option, const char *text, double *ret, struct err *err); /* 0 … 1 */
/* 10000/s or 10000 */
bool options_rate(const char *option, const char *text, uint64_t *ret_per_s, struct err *err);

/* What the configuration takes for an option of `agent` that is not given. */
const char *options_agent_default(const char *key);

/* A name that goes into log lines: letters, digits, '_' and '-', at most 32. */
bool options_name_is_valid(struct slice name);
