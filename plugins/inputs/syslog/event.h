/* SPDX-License-Identifier: Apache-2.0 */
/* event: a message of syslog as an event.
 *   severity          by its level (logs data model, appendix B)
 *   log.syslog.*      facility.code, hostname, appname, procid, msgid, version, and
 *                     structured_data.ID.NAME for each parameter
 *   log.parse_error   why it could not be read; the body is then as it came
 * The host is an attribute, not host.name: that is this agent's host, in the resource. Threads:
 * the reading's. */
#pragma once

#include "message.h"

/* Parameters beyond so many bytes of keys and values are left out and counted in the event's
 * lost_attributes, as is the second of one name. */
enum { SYSLOG_PARAM_BYTES = 16 * 1024, SYSLOG_EVENT_EXTRA = SYSLOG_PARAM_BYTES + 1024 };

/* Sets body, time and severity, and adds attributes. The event borrows what the message does. */
void syslog_fill_event(const struct syslog_message *message, struct event *event);
