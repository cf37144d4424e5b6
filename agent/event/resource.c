/* SPDX-License-Identifier: Apache-2.0 */
/* resource: one allocation holds head, attributes and all their bytes; the JSON is made at birth,
 * so that encoding an event copies it and nothing else. */
#include "event/resource.h"

#include "base/buf.h"
#include "base/check.h"
#include "base/json.h"

#include <stdatomic.h>
#include <stdlib.h>

struct resource {
    uint32_t magic;
    _Atomic uint32_t references;
    size_t count;
    struct buf json;
    struct attribute attributes[];
};

enum { RESOURCE_MAGIC = 0x5e50a7ce };

static bool add_text(struct buf *buf, struct slice text)
{
    char *escaped = malloc(text.bytes * 6 + 32);
    bool ok = escaped != NULL;
    if (ok) {
        size_t bytes = json_escape(escaped, text, NULL);
        ok = buf_add(buf, "\"", 1) && buf_add(buf, escaped, bytes) && buf_add(buf, "\"", 1);
    }
    free(escaped);
    return ok;
}

static bool add_value(struct buf *buf, const struct value *value)
{
    char number[32];
    switch (value->kind) {
    case VALUE_TEXT:
        return add_text(buf, value->text);
    case VALUE_INT:
        return buf_add(buf, number, json_integer(number, value->integer));
    case VALUE_REAL:
        return buf_add(buf, number, json_real(number, value->real));
    case VALUE_BOOL:
        return buf_add_text(buf, value->boolean ? "true" : "false");
    }
    return false;
}

static bool make_json(struct resource *resource)
{
    struct buf *json = &resource->json;
    bool ok = buf_add(json, "{", 1);
    for (size_t i = 0; ok && i < resource->count; i++) {
        const struct attribute *attribute = &resource->attributes[i];
        ok = (i == 0 || buf_add(json, ",", 1)) && add_text(json, attribute->key) &&
             buf_add(json, ":", 1) && add_value(json, &attribute->value);
    }
    return ok && buf_add(json, "}", 1);
}

static struct slice copy_text(char **next, struct slice text)
{
    struct slice copied = { *next, text.bytes };
    if (text.bytes > 0)
        memcpy(*next, text.data, text.bytes);
    *next += text.bytes;
    return copied;
}

struct resource *resource_new(const struct attribute *attributes, size_t count)
{
    size_t bytes = sizeof(struct resource) + count * sizeof(*attributes);
    size_t text_start = bytes;

    for (size_t i = 0; i < count; i++)
        bytes += attributes[i].key.bytes +
                 (attributes[i].value.kind == VALUE_TEXT ? attributes[i].value.text.bytes : 0);
    struct resource *resource = calloc(1, bytes);
    if (resource == NULL)
        return NULL;
    resource->magic = RESOURCE_MAGIC;
    atomic_init(&resource->references, 1);
    resource->count = count;
    char *next = (char *)resource + text_start;
    for (size_t i = 0; i < count; i++) {
        resource->attributes[i] = attributes[i];
        resource->attributes[i].key = copy_text(&next, attributes[i].key);
        if (attributes[i].value.kind == VALUE_TEXT)
            resource->attributes[i].value.text = copy_text(&next, attributes[i].value.text);
    }
    if (!make_json(resource))
        resource_unref(&resource);
    return resource;
}

struct resource *resource_ref_many(struct resource *resource, uint32_t count)
{
    if (resource != NULL) {
        CHECK(resource->magic == RESOURCE_MAGIC);
        atomic_fetch_add_explicit(&resource->references, count, memory_order_relaxed);
    }
    return resource;
}

struct resource *resource_ref(struct resource *resource)
{
    return resource_ref_many(resource, 1);
}

void resource_unref(struct resource **resourcep)
{
    struct resource *resource = *resourcep;
    *resourcep = NULL;
    if (resource == NULL)
        return;
    CHECK(resource->magic == RESOURCE_MAGIC);
    if (atomic_fetch_sub_explicit(&resource->references, 1, memory_order_acq_rel) != 1)
        return;
    resource->magic = 0;
    buf_fini(&resource->json);
    free(resource);
}

const struct attribute *resource_attributes(const struct resource *resource, size_t *ret_count)
{
    *ret_count = resource->count;
    return resource->attributes;
}

struct slice resource_json(const struct resource *resource)
{
    return buf_slice(&resource->json);
}
