/* SPDX-License-Identifier: Apache-2.0 */
/* resource: the attributes shared by all events of one stream (host.name, log.file.path …).
 * One refcounted object, not copied into events; it carries its JSON, made once.
 * Threads: any; the count is atomic, the content never changes. */
#pragma once

#include "event/event.h"

struct resource;

/* Copies the attributes. NULL: out of memory. Starts with one reference, the caller's. */
struct resource *resource_new(const struct attribute *attributes, size_t count);
struct resource *resource_ref(struct resource *resource);
struct resource *resource_ref_many(struct resource *resource, uint32_t count);
void resource_unref(struct resource **resourcep); /* NULL is fine */

const struct attribute *resource_attributes(const struct resource *resource, size_t *ret_count);
struct slice resource_json(const struct resource *resource); /* {"host.name":"…"} */
