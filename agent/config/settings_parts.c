/* SPDX-License-Identifier: Apache-2.0 */
/* settings_parts: inputs, processors and outputs: maps of named parts, each of a type whose plugin
 * has options of its own beside the common ones. */
#include "config/nearest.h"
#include "config/settings_check.h"
#include "config/substitute.h"

#include <stdio.h>
#include <string.h>

enum {
    PARTS_MAX = 128,
    PART_NAME_MAX = 63, /* a name in the ledger's books */
    TITLE_BYTES = 96,
};

static const struct plugin_type *find_type(const struct part_kind *kind, const char *name)
{
    for (const struct plugin_type *const *type = kind->types; *type != NULL; type++) {
        if (strcmp((*type)->name, name) == 0)
            return *type;
    }
    return NULL;
}

static void complain_type(struct loader *loader, const struct part_kind *kind, const char *title,
                          struct place place, const char *name, const char *shown)
{
    struct nearest nearest = nearest_to(name);
    char known[256];
    size_t bytes = 0;

    known[0] = '\0';
    for (const struct plugin_type *const *type = kind->types; *type != NULL; type++) {
        nearest_offer(&nearest, (*type)->name);
        if (bytes < sizeof(known))
            bytes += (size_t)snprintf(known + bytes, sizeof(known) - bytes, "%s%s",
                                      bytes == 0 ? "" : ", ", (*type)->name);
    }
    const char *meant = nearest_name(&nearest);
    (void)diagnostics_add(&loader->diagnostics, place,
                          "%s.type: unknown %s type '%.60s'%s%s%s; known: %s", title, kind->one,
                          shown, meant == NULL ? "" : ", did you mean '",
                          meant == NULL ? "" : meant, meant == NULL ? "" : "'?", known);
}

/* NULL: unknown; told here, unless the key is missing or of the wrong kind, which the reader tells.
 */
static const struct plugin_type *read_type(struct loader *loader, const struct part_kind *kind,
                                           const char *title, const struct node *part)
{
    const struct node *node = node_find(part, "type");
    struct buf text = { 0 };
    struct substituted substituted;
    struct err err;
    const struct plugin_type *type = NULL;

    if (node == NULL || node->kind != NODE_TEXT || node->is_null)
        return NULL;
    if (substitute(node->text, &text, &substituted, &err) && text.bytes > 0) {
        type = find_type(kind, text.data);
        if (type == NULL)
            complain_type(loader, kind, title, node->place, text.data,
                          substituted.is_changed ? node->text : text.data);
    }
    buf_fini(&text);
    return type;
}

static bool is_part_name(const char *name)
{
    static const char *const allowed =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
    size_t bytes = strlen(name);

    return bytes > 0 && bytes <= PART_NAME_MAX && strspn(name, allowed) == bytes;
}

static void *common_options(struct settings_part *part)
{
    return &part->input; /* the members of the union begin at the same place */
}

static bool ask_type(struct loader *loader, const struct settings_part *part, const char *title)
{
    struct err err = { "" };

    if (part->type->check == NULL || part->type->check(part->config, &err))
        return true;
    return diagnostics_add(&loader->diagnostics, settings_part_place(part), "%s: %s", title,
                           err.text);
}

static bool fill_part(struct loader *loader, const struct part_kind *kind,
                      struct settings_part *part, const struct node *node, const char *title)
{
    struct section section = { .title = title,
                               .place = node->key_place,
                               .node = node,
                               .tables = { { kind->common, common_options(part) } },
                               .table_count = 1 };

    part->type = read_type(loader, kind, title, node);
    section.is_open = part->type == NULL;
    if (part->type != NULL) {
        part->config = settings_memory_take(loader->settings->memory, part->type->config_bytes);
        if (part->config == NULL)
            return false;
        section.tables[section.table_count++] =
            (struct option_table){ part->type->options, part->config };
    }
    bool ok = reader_fill(&loader->reader, &section);
    if (part->type == NULL) {
        /* Told by now, but for memory that ran out or a ${file:…} that changed meanwhile. */
        if (diagnostics_is_clean(&loader->diagnostics))
            (void)diagnostics_add(
                &loader->diagnostics, section.place,
                "%s: its type cannot be told: out of memory, or a ${file:…} changed", title);
        return false;
    }
    return ok && ask_type(loader, part, title);
}

static void read_part(struct loader *loader, const struct part_kind *kind, const struct node *node)
{
    struct settings_part *part = &(*kind->parts)[*kind->count];
    struct part_source *source = &(*kind->sources)[*kind->count];
    char title[TITLE_BYTES];

    (void)snprintf(title, sizeof(title), "%s.%.64s", kind->title, node->key);
    part->name = settings_memory_text(loader->settings->memory, slice_of(node->key));
    if (part->name == NULL)
        return;
    part->mark = reader_mark(&loader->reader, node->key_place);
    *source = (struct part_source){ .node = node };
    (*kind->count)++;
    bool has_name = is_part_name(node->key);
    if (!has_name)
        (void)diagnostics_add(&loader->diagnostics, node->key_place,
                              "%s: a name has 1 to %d letters, digits, '_', '.' or '-'", title,
                              PART_NAME_MAX);
    if (node->kind != NODE_MAP)
        (void)diagnostics_add(&loader->diagnostics, node->is_null ? node->key_place : node->place,
                              "%s: wants a map with a type and its options", title);
    else
        source->is_ok = fill_part(loader, kind, part, node, title) && has_name;
}

bool settings_read_parts(struct loader *loader, const struct part_kind *kind)
{
    const struct node *map = node_find(loader->root, kind->title);

    if (map == NULL)
        return true;
    if (map->kind != NODE_MAP)
        return diagnostics_add(&loader->diagnostics, map->is_null ? map->key_place : map->place,
                               "%s: wants a map of %s by name, each with a type", kind->title,
                               kind->title);
    if (map->children > PARTS_MAX)
        return diagnostics_add(&loader->diagnostics, map->key_place, "%s: more than %d",
                               kind->title, PARTS_MAX);
    *kind->parts =
        settings_memory_take(loader->settings->memory, (map->children + 1) * sizeof(**kind->parts));
    *kind->sources =
        settings_memory_take(loader->tree, (map->children + 1) * sizeof(**kind->sources));
    if (*kind->parts == NULL || *kind->sources == NULL)
        return false;
    for (const struct node *node = map->child; node != NULL; node = node->next)
        read_part(loader, kind, node);
    return true;
}
