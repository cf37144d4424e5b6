/* SPDX-License-Identifier: Apache-2.0 */
#include "config/merge.h"

#include <stdio.h>

enum { NAME_BYTES = 160 };

static struct node *find(struct node *map, const struct node *like)
{
    struct node *node = map->child;

    while (node != NULL && (node->key_hash != like->key_hash || strcmp(node->key, like->key) != 0))
        node = node->next;
    return node;
}

static void append(struct node *map, struct node *node)
{
    struct node **end = &map->child;

    while (*end != NULL)
        end = &(*end)->next;
    node->next = NULL;
    *end = node;
    map->children++;
}

static void tell_twice(struct diagnostics *diagnostics, const char *name, const struct node *first,
                       const struct node *second)
{
    (void)diagnostics_add(diagnostics, second->key_place,
                          "%s: is given twice, first in %s:%u:%u: one of them has to go", name,
                          diagnostics_file(diagnostics, first->key_place.file),
                          first->key_place.line, first->key_place.column);
}

/* depth: how many levels below this one are maps of options, not of names. */
static void merge_map(struct diagnostics *diagnostics, const char *title, struct node *into,
                      struct node *from, unsigned depth)
{
    char name[NAME_BYTES];

    for (struct node *node = from->child, *next; node != NULL; node = next) {
        struct node *same = find(into, node);
        next = node->next;
        if (same == NULL) {
            append(into, node);
            continue;
        }
        (void)snprintf(name, sizeof(name), "%s%s%.64s", title, title[0] == '\0' ? "" : ".",
                       node->key);
        if (depth > 0 && same->kind == NODE_MAP && node->kind == NODE_MAP)
            merge_map(diagnostics, name, same, node, depth - 1);
        else if (same->place.file != node->place.file) /* twice in one file is told by its reader */
            tell_twice(diagnostics, name, same, node);
    }
}

void merge_tree(struct diagnostics *diagnostics, struct node *root, struct node *from)
{
    for (struct node *node = from->child, *next; node != NULL; node = next) {
        struct node *same = find(root, node);
        next = node->next;
        if (same == NULL)
            append(root, node);
        else if (same->kind == NODE_MAP && node->kind == NODE_MAP)
            merge_map(diagnostics, node->key, same, node,
                      strcmp(node->key, "agent") == 0 ? YAML_DEPTH_MAX : 0);
        else if (same->place.file != node->place.file)
            tell_twice(diagnostics, node->key, same, node);
    }
}
