/* SPDX-License-Identifier: Apache-2.0 */
#include "resources.h"

static void let_go_of_retired(struct resources *resources)
{
    while (resources->retired_count > 0)
        resource_unref(&resources->retired[--resources->retired_count]);
}

void resources_fini(struct resources *resources)
{
    let_go_of_retired(resources);
    for (size_t i = 0; i < resources->count; i++) {
        resource_unref(&resources->entries[i].resource);
        free(resources->entries[i].written);
    }
    resources->count = 0;
}

void resources_tidy(struct resources *resources, struct sink *sink, bool is_at_end)
{
    if (!is_at_end && resources->retired_count < RESOURCES_RETIRED)
        return;
    if (!is_at_end)
        (void)sink_flush(sink);
    let_go_of_retired(resources);
}

struct resource *resources_find(struct resources *resources, struct slice written)
{
    for (size_t i = 0; i < resources->count; i++) {
        struct resources_entry *entry = &resources->entries[i];
        if (!slice_equals((struct slice){ entry->written, entry->bytes }, written))
            continue;
        entry->used = ++resources->uses;
        return entry->resource;
    }
    return NULL;
}

static struct resources_entry *make_room(struct resources *resources)
{
    if (resources->count < RESOURCES)
        return &resources->entries[resources->count++];
    struct resources_entry *oldest = &resources->entries[0];
    for (size_t i = 1; i < RESOURCES; i++) {
        if (resources->entries[i].used < oldest->used)
            oldest = &resources->entries[i];
    }
    resources->retired[resources->retired_count++] = oldest->resource;
    free(oldest->written);
    return oldest;
}

static bool is_in(const struct attribute *attributes, size_t count, struct slice key)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_equals(attributes[i].key, key))
            return true;
    }
    return false;
}

static struct resource *merge(const struct host *host, const struct attribute *attributes,
                              size_t count)
{
    struct attribute *all = calloc(host->base_count + count + 1, sizeof(*all));
    size_t used = 0;

    if (all == NULL)
        return NULL;
    for (size_t i = 0; i < host->base_count; i++) {
        if (!is_in(attributes, count, host->base[i].key))
            all[used++] = host->base[i];
    }
    for (size_t i = 0; i < count; i++)
        all[used++] = attributes[i];
    struct resource *made = resource_new(all, used);
    free(all);
    return made;
}

struct resource *resources_add(struct resources *resources, struct slice written,
                               const struct host *host, const struct attribute *attributes,
                               size_t count)
{
    if (resources->retired_count == RESOURCES_RETIRED)
        return NULL;
    struct resource *made = merge(host, attributes, count);
    char *copy = malloc(written.bytes + 1);

    if (made == NULL || copy == NULL) {
        resource_unref(&made);
        free(copy);
        return NULL;
    }
    memcpy(copy, written.data, written.bytes);
    struct resources_entry *entry = make_room(resources);
    *entry = (struct resources_entry){ made, copy, written.bytes, ++resources->uses };
    return made;
}
