/* SPDX-License-Identifier: Apache-2.0 */
/* lines: a line of the agent's own log as an event: its msg is the body, its fields are attributes.
 */
#pragma once

#include "plugin.h"

/* text: logfmt, from msg= on. It is copied into the event. */
void self_line(struct event *event, const struct log_news *news);
