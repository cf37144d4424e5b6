/* SPDX-License-Identifier: Apache-2.0 */
/* probe: asks the endpoint of an output as it is configured, without sending an event; see
 * delivery/http_probe.h. For `spillway check --env`. */
#pragma once

#include "config/settings.h"
#include "delivery/http_probe.h"

/* false: it has no endpoint to ask, or err says why the output cannot be opened. Blocks for at most
 * twice the timeout, or that of the output's requests where it is shorter. Not while an agent runs
 * in this process: it starts libcurl. */
bool probe_output(const struct settings_part *output, int64_t timeout_ms, struct probe *ret,
                  struct err *err);
