/* SPDX-License-Identifier: Apache-2.0 */
/* target_address: what a target's URL says. Pure. */
#pragma once

#include "options.h"

/* The host, and the port as given or by the scheme. false: err says what the URL lacks. */
enum { TARGET_HOST_BYTES = 256 };
bool target_address_read(const char *url, char ret_host[TARGET_HOST_BYTES], int64_t *ret_port,
                         struct err *err);

/* What libcurl takes for its transfer at most. */
uint64_t target_address_memory(const char *url, const struct prometheus_config *config);
