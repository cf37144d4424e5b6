/* SPDX-License-Identifier: Apache-2.0 */
/* admin: the HTTP endpoint of the agent: /metrics. On libmicrohttpd with bounded connections,
 * memory and time. Owns its thread. */
#pragma once

#include "base/err.h"
#include "ledger/ledger.h"

struct admin;
/* listen: ADDRESS:PORT, [v6]:PORT; port 0 takes a free one. NULL: cannot listen, err says why. */
struct admin *admin_start(const char *listen, const struct ledger *ledger, struct err *err);
const char *admin_address(const struct admin *admin); /* as bound: 127.0.0.1:9464 */
void admin_stop(struct admin **adminp);
