/* SPDX-License-Identifier: Apache-2.0 */
/* guard: who may send. Promise: how long a wrong secret takes to be refused tells nothing of the
 * right one; secrets are in no message. Threads: any, once made. */
#pragma once

#include "options.h"

enum { GUARD_BASIC_BYTES = 2048 };

struct guard {
    bool is_open;
    char basic[GUARD_BASIC_BYTES]; /* what must follow "Basic "; "": not allowed */
    const char *token;             /* borrowed from the configuration */
};

bool guard_check(const struct http_input_config *config, struct err *err);
void guard_make(struct guard *guard, const struct http_input_config *config);
void guard_fini(struct guard *guard);
/* authorization: the header; NULL: none. */
bool guard_lets_in(const struct guard *guard, const char *authorization);
