/* SPDX-License-Identifier: Apache-2.0 */
/* record: an event as bytes in a lane. Written once at admission, never changed.
 * Layout (native byte order, never leaves the process): a fixed head, body, severity text, unit,
 * attributes; padded to 8 bytes. The resource is not in it: the run that the record is in has it.
 */
#pragma once

#include "event/event.h"

enum { RECORD_ALIGN = 8 };

size_t record_size(const struct event *event);                       /* with padding */
void record_write(char *to, size_t size, const struct event *event); /* size: from record_size() */

/* Views into the record. attributes: room for `attribute_room`; those beyond are left out and
 * counted in lost_attributes. Returns the record's size. */
size_t record_read(const char *from, struct event *ret, struct attribute *attributes,
                   uint16_t attribute_room);
size_t record_skip(const char *from, uint64_t *ret_bytes); /* size; ret_bytes: as event_bytes() */
