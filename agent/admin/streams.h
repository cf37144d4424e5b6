/* SPDX-License-Identifier: Apache-2.0 */
/* streams: answers of the endpoint that go on, a bounded number of them. Threads: the endpoint's.
 */
#pragma once

#include "admin/admin_state.h"

/* Takes the reply's stream. */
enum MHD_Result streams_send(struct door *door, struct MHD_Connection *connection,
                             struct reply *reply, int64_t now_ms);
bool streams_flow(const struct admin *admin); /* there are some */
/* What sleeps is asked again whether there is more, and whether its reader is still there. */
void streams_wake(struct admin *admin);
