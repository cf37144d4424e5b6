/* SPDX-License-Identifier: Apache-2.0 */
/* reader: walks the file's map and not the tables, so that what is in the file and in no table is
 * found. Groups ("lane", "lane.shed") exist only as the beginnings of names. */
#include "config/reader.h"
#include "config/schema_names.h"

#include "base/check.h"
#include "config/nearest.h"
#include "config/settings.h"
#include "config/substitute.h"
#include "config/text_hash.h"

#include <stdio.h>

enum { SOURCES_BYTES = 1024 }; /* of one option's; more is cut off */

struct walk {
    const struct reader *reader;
    const struct section *section;
    bool ok;
};

static void complain(struct walk *walk, struct place place, const char *name, const char *text)
{
    walk->ok = diagnostics_add(walk->reader->diagnostics, place, "%s.%.100s: %s",
                               walk->section->title, name, text);
}

/* ---- one value ---- */

struct mark reader_mark(const struct reader *reader, struct place place)
{
    return (struct mark){ diagnostics_file(reader->diagnostics, place.file), place.line,
                          place.column, place.file };
}

/* Points at the bad ${…} where the text stands in one line of the file, else at its beginning. */
static struct place place_inside(const struct reader *reader, const struct node *node,
                                 size_t offset)
{
    if (diagnostics_is_full(reader->diagnostics))
        return node->place;
    struct slice line = diagnostics_line(reader->diagnostics, node->place);
    size_t at = node->place.column - 1 + (node->is_quoted ? 1 : 0) + offset;

    if (at + 2 > line.bytes || memcmp(line.data + at, "${", 2) != 0)
        return node->place;
    return (struct place){ node->place.line, (unsigned)at + 1, node->place.file };
}

const char *reader_text(const struct reader *reader, const char *name, const struct node *node,
                        bool *ret_is_substituted)
{
    struct buf text = { 0 };
    struct substituted substituted;
    struct err err;
    char *copy = NULL;

    if (substitute(node->text, &text, &substituted, &err)) {
        copy = settings_memory_text(reader->memory, buf_slice(&text));
        *ret_is_substituted = substituted.is_changed;
        if (substituted.is_changed)
            *reader->hash = text_hash_add(*reader->hash, buf_slice(&text));
    } else {
        (void)diagnostics_add(reader->diagnostics, place_inside(reader, node, substituted.offset),
                              "%s: %s", name, err.text);
    }
    buf_fini(&text);
    return copy;
}

static void user_path(const struct walk *walk, const char *name, char ret_path[3 * USER_NAME_BYTES])
{
    (void)snprintf(ret_path, 3 * USER_NAME_BYTES, "%s.%s", walk->section->title, name);
}

/* Also an item of a list or a value of a map. */
static void read_value(struct walk *walk, const struct option *option, const char *name,
                       const struct node *node, void *target)
{
    char path[3 * USER_NAME_BYTES];
    bool is_substituted = false;
    struct err err;

    user_path(walk, name, path);
    if (node->is_null) {
        complain(walk, node->key == NULL ? node->place : node->key_place, name,
                 "has no value: give one, or take the key out");
        return;
    }
    if (node->kind != NODE_TEXT) {
        (void)err_set(&err, "wants a single value, not %s", node_kind_text(node));
        complain(walk, node->place, name, err.text);
        return;
    }
    const char *text = reader_text(walk->reader, path, node, &is_substituted);
    if (text == NULL)
        walk->ok = false;
    else if (text[0] == '\0' && (option->preset == REQUIRED || option->type == OPT_list))
        complain(walk, node->place, name, "must not be empty");
    else if (!schema_parse(option, text, is_substituted ? node->text : text, target, &err))
        complain(walk, node->place, name, err.text);
}

static void read_list(struct walk *walk, const struct option *option, const char *name,
                      const struct node *node, struct text_list *list)
{
    bool is_single = node->kind == NODE_TEXT;
    size_t count = is_single ? 1 : node->children;
    const struct node *item = is_single ? node : node->child;

    if (node->kind == NODE_MAP) {
        complain(walk, node->place, name, "wants a list, not a map");
        return;
    }
    if (count == 0 && option->preset == REQUIRED) {
        complain(walk, node->place, name, "must not be empty");
        return;
    }
    list->items = settings_memory_take(walk->reader->memory, (count + 1) * sizeof(*list->items));
    for (size_t i = 0; i < count && list->items != NULL; i++, item = item->next) {
        read_value(walk, option, name, item, &list->items[i]);
        list->count += list->items[i] != NULL ? 1 : 0;
    }
}

static void read_text_map(struct walk *walk, const struct option *option, const char *name,
                          const struct node *node, struct text_map *map)
{
    if (node->kind != NODE_MAP) {
        complain(walk, node->is_null ? node->key_place : node->place, name,
                 node->is_null ? "has no value: give a map, or take the key out"
                               : "wants a map: {key: value, …}");
        return;
    }
    if (node->children == 0 && option->preset == REQUIRED) {
        complain(walk, node->place, name, "must not be empty");
        return;
    }
    map->items =
        settings_memory_take(walk->reader->memory, (node->children + 1) * sizeof(*map->items));
    for (const struct node *item = node->child; item != NULL && map->items != NULL;
         item = item->next) {
        struct text_pair *pair = &map->items[map->count];
        char path[USER_NAME_BYTES + 64];
        (void)snprintf(path, sizeof(path), "%s.%.60s", name, item->key);
        if (item->key[0] == '\0')
            complain(walk, item->key_place, name, "has an empty key");
        pair->key = settings_memory_text(walk->reader->memory, slice_of(item->key));
        read_value(walk, option, path, item, &pair->value);
        map->count += pair->key != NULL && pair->value != NULL ? 1 : 0;
    }
}

static void add_sources(const struct node *node, struct buf *ret)
{
    struct buf sources = { .limit = SOURCES_BYTES };

    if (node->kind == NODE_TEXT && !node->is_null)
        substitute_sources(node->text, &sources);
    if (sources.bytes > 0)
        (void)buf_printf(ret, "%s%s", ret->bytes > 0 ? ", " : "", sources.data);
    buf_fini(&sources);
    for (const struct node *child = node->child; child != NULL; child = child->next)
        add_sources(child, ret);
}

/* Also of a value that turns out to be wrong: then nobody asks. */
static void note_origin(struct walk *walk, const char *name, const struct node *node)
{
    const struct reader *reader = walk->reader;
    struct option_origin *origin = settings_memory_take(reader->memory, sizeof(*origin));
    struct buf sources = { .limit = SOURCES_BYTES };
    char path[3 * USER_NAME_BYTES];

    user_path(walk, name, path);
    add_sources(node, &sources);
    if (origin != NULL) {
        *origin = (struct option_origin){
            .name = settings_memory_text(reader->memory, slice_of(path)),
            .mark = reader_mark(reader, node->place),
            .taken = settings_memory_text(reader->memory, buf_slice(&sources)),
            .next = *reader->origins,
        };
        if (origin->name != NULL && origin->taken != NULL)
            *reader->origins = origin;
    }
    buf_fini(&sources);
}

static void read_option(struct walk *walk, const struct option *option, void *config,
                        const char *name, const struct node *node)
{
    void *target = (char *)config + option->offset;

    note_origin(walk, name, node);
    if (option->type == OPT_list) {
        *(struct text_list *)target = (struct text_list){ 0 };
        read_list(walk, option, name, node, target);
    } else if (option->type == OPT_map || option->type == OPT_secrets) {
        *(struct text_map *)target = (struct text_map){ 0 };
        read_text_map(walk, option, name, node, target);
    } else {
        read_value(walk, option, name, node, target);
    }
}

/* ---- defaults ---- */

/* "" is an empty list; "a" and "[a, b]" are written as in a file. */
static void preset_list(const struct reader *reader, const struct option *option,
                        struct text_list *list)
{
    const char *text = option->preset + strspn(option->preset, "[ ");
    size_t room = 1;
    struct err err;

    for (const char *at = text; *at != '\0'; at++)
        room += *at == ',' ? 1 : 0;
    list->items = settings_memory_take(reader->memory, room * sizeof(*list->items));
    while (*text != '\0' && list->items != NULL) {
        size_t bytes = strcspn(text, ",] ");
        const char *item = settings_memory_text(reader->memory, (struct slice){ text, bytes });
        if (item == NULL)
            return;
        CHECK(schema_parse(option, item, item, &list->items[list->count], &err));
        list->count++;
        text += bytes;
        text += strspn(text, ",] ");
    }
}

static void preset_table(const struct reader *reader, const struct option_table *table)
{
    for (const struct option *option = table->options; option->key != NULL; option++) {
        void *target = (char *)table->config + option->offset;
        struct err err;
        if (option->type == OPT_list && option->preset != REQUIRED)
            preset_list(reader, option, target);
        else if (option->type == OPT_map || option->type == OPT_secrets)
            CHECK(option->preset == REQUIRED || option->preset[0] == '\0');
        else if (option->preset != REQUIRED)
            CHECK(schema_parse(option, option->preset, option->preset, target, &err));
        else if (option->type == OPT_text || option->type == OPT_secret)
            *(const char **)target = ""; /* never NULL, also after a failure */
    }
}

/* ---- names ---- */

static const struct option *find_option(const struct section *section, const char *name,
                                        void **ret_config)
{
    for (size_t i = 0; i < section->table_count; i++) {
        const struct option_table *table = &section->tables[i];
        for (const struct option *option = table->options; option->key != NULL; option++) {
            char user_name[USER_NAME_BYTES];
            schema_user_name(option, user_name, sizeof(user_name));
            if (strcmp(user_name, name) == 0) {
                *ret_config = table->config;
                return option;
            }
        }
    }
    return NULL;
}

static bool is_group(const struct section *section, const char *name)
{
    size_t bytes = strlen(name);

    for (size_t i = 0; i < section->table_count; i++) {
        for (const struct option *option = section->tables[i].options; option->key != NULL;
             option++) {
            char user_name[USER_NAME_BYTES];
            schema_user_name(option, user_name, sizeof(user_name));
            if (strncmp(user_name, name, bytes) == 0 && user_name[bytes] == '.')
                return true;
        }
    }
    return false;
}

/* All names and all groups are candidates. */
static void offer_names(const struct section *section, struct nearest *nearest)
{
    for (size_t i = 0; i < section->table_count; i++) {
        for (const struct option *option = section->tables[i].options; option->key != NULL;
             option++) {
            char name[USER_NAME_BYTES];
            schema_user_name(option, name, sizeof(name));
            nearest_offer_dotted(nearest, name);
            for (char *dot = strrchr(name, '.'); dot != NULL; dot = strrchr(name, '.')) {
                *dot = '\0';
                nearest_offer_dotted(nearest, name);
            }
        }
    }
}

static void complain_unknown(struct walk *walk, const struct node *node, const char *name)
{
    const struct section *section = walk->section;
    struct nearest nearest = nearest_to(name);
    void *config;

    if (strchr(node->key, '.') != NULL && find_option(section, name, &config) != NULL) {
        walk->ok = diagnostics_add(walk->reader->diagnostics, node->key_place,
                                   "%s: unknown option '%.80s': write it as nested maps, one for "
                                   "each '.'",
                                   section->title, name);
        return;
    }
    if (!diagnostics_is_full(walk->reader->diagnostics))
        offer_names(section, &nearest);
    const char *meant = nearest_name(&nearest);
    if (section->is_open && (meant == NULL || nearest.distance > 1))
        return;
    walk->ok = diagnostics_add(walk->reader->diagnostics, node->key_place,
                               meant == NULL ? "%s: unknown option '%.80s'"
                                             : "%s: unknown option '%.80s', did you mean '%s'?",
                               section->title, name, meant);
}

static void read_map(struct walk *walk, const struct node *map, const char *prefix);

static void read_group(struct walk *walk, const struct node *node, const char *name)
{
    if (node->kind == NODE_MAP)
        read_map(walk, node, name);
    else if (node->is_null)
        complain(walk, node->key_place, name, "has no value: give a map, or take the key out");
    else
        complain(walk, node->place, name, "wants a map of options");
}

static void read_map(struct walk *walk, const struct node *map, const char *prefix)
{
    for (const struct node *node = map->child; node != NULL; node = node->next) {
        char name[USER_NAME_BYTES];
        void *config = NULL;
        (void)snprintf(name, sizeof(name), "%s%s%s", prefix, prefix[0] == '\0' ? "" : ".",
                       node->key);
        const struct option *option =
            strchr(node->key, '.') != NULL ? NULL : find_option(walk->section, name, &config);
        if (option != NULL)
            read_option(walk, option, config, name, node);
        else if (strchr(node->key, '.') == NULL && is_group(walk->section, name))
            read_group(walk, node, name);
        else
            complain_unknown(walk, node, name);
    }
}

const struct node *reader_find(const struct node *map, const char *user_name)
{
    char name[USER_NAME_BYTES];
    char *rest = NULL;
    const struct node *node = map;

    (void)snprintf(name, sizeof(name), "%s", user_name);
    for (char *key = strtok_r(name, ".", &rest); key != NULL && node != NULL;
         key = strtok_r(NULL, ".", &rest))
        node = node_find(node, key);
    return node;
}

/* A required option that is missing was perhaps only misspelt: then that is where to look. */
static const struct node *find_misspelt(const struct section *section, const char *name)
{
    const struct node *node = section->node == NULL ? NULL : section->node->child;

    for (; node != NULL; node = node->next) {
        struct nearest nearest = nearest_to(node->key);
        void *config;
        nearest_offer(&nearest, name);
        if (nearest_name(&nearest) != NULL && find_option(section, node->key, &config) == NULL)
            return node;
    }
    return NULL;
}

static void complain_missing(struct walk *walk, const char *name, const char *doc)
{
    const struct section *section = walk->section;
    const struct node *misspelt = find_misspelt(section, name);

    if (misspelt != NULL && section->is_open)
        walk->ok = diagnostics_add(walk->reader->diagnostics, misspelt->key_place,
                                   "%s: unknown option '%.80s', did you mean '%s'?", section->title,
                                   misspelt->key, name);
    else
        walk->ok =
            diagnostics_add(walk->reader->diagnostics, section->place,
                            "%s: the option '%s' is required: %s", section->title, name, doc);
}

static void find_missing(struct walk *walk, const struct option_table *table)
{
    for (const struct option *option = table->options; option->key != NULL; option++) {
        char name[USER_NAME_BYTES];
        schema_user_name(option, name, sizeof(name));
        if (option->preset == REQUIRED && reader_find(walk->section->node, name) == NULL)
            complain_missing(walk, name, option->doc);
    }
}

bool reader_fill(const struct reader *reader, const struct section *section)
{
    struct walk walk = { reader, section, true };

    for (size_t i = 0; i < section->table_count; i++)
        preset_table(reader, &section->tables[i]);
    if (section->node != NULL)
        read_map(&walk, section->node, "");
    for (size_t i = 0; i < section->table_count; i++)
        find_missing(&walk, &section->tables[i]);
    return walk.ok && !settings_memory_failed(reader->memory);
}
