/* SPDX-License-Identifier: Apache-2.0 */
/* yaml: built from libyaml's events with a stack of fixed depth; libyaml's own document loader
 * would expand everything before the first bound could be checked. */
#include "config/yaml.h"

#include "base/check.h"

#include <yaml.h>

struct level {
    struct node *container;
    struct node *last;
    const char *key; /* read, its value is next; NULL: in a map a key is next */
    struct place key_place;
};

struct builder {
    struct diagnostics *diagnostics;
    unsigned file;
    struct settings_memory *memory;
    struct level levels[YAML_DEPTH_MAX];
    size_t depth;
    size_t nodes;
    struct node *root;
    bool is_done;
};

static struct place place_in(unsigned file, yaml_mark_t mark)
{
    return (struct place){ (unsigned)mark.line + 1, (unsigned)mark.column + 1, file };
}

static struct place place_of(const struct builder *builder, yaml_mark_t mark)
{
    return place_in(builder->file, mark);
}

/* ---- what libyaml refuses ---- */

static bool is_tab_indented(struct slice line)
{
    size_t i = 0;

    while (i < line.bytes && line.data[i] == ' ')
        i++;
    return i < line.bytes && line.data[i] == '\t';
}

static const char *hint_for(const char *problem, struct slice line)
{
    static const struct {
        const char *problem, *hint;
    } hints[] = {
        { "mapping values are not allowed", "; a text with ': ' in it needs quotes" },
        { "cannot start any token", "; a text that begins like this needs quotes" },
        { "could not find expected ':'", "; is a ':' or a space after it missing?" },
        { "did not find expected key", "; is the indentation the same as in the lines above?" },
        { "found unexpected end of stream", "; is a closing quote missing?" },
        { "did not find expected ',' or", "; is a bracket or comma missing?" },
        { "found unexpected ':'", "; is a space after a ':' missing?" },
    };

    if (strstr(problem, "did not find expected ',' or") != NULL &&
        memmem(line.data, line.bytes, "${", 2) != NULL)
        return "; inside {…} and […] a ${…} needs quotes";
    for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++) {
        if (strstr(problem, hints[i].problem) != NULL)
            return hints[i].hint;
    }
    return "";
}

static void report_bytes(struct diagnostics *diagnostics, unsigned file,
                         const yaml_parser_t *parser, size_t skipped)
{
    size_t offset = parser->problem_offset + skipped;
    struct slice text = diagnostics_text(diagnostics, file);
    struct place place = diagnostics_place(diagnostics, file, offset);

    if (text.bytes >= 2 &&
        (memcmp(text.data, "\xff\xfe", 2) == 0 || memcmp(text.data, "\xfe\xff", 2) == 0))
        (void)diagnostics_add(diagnostics, place, "the file is UTF-16: save it as UTF-8");
    else if (strstr(parser->problem, "control characters") != NULL)
        (void)diagnostics_add(diagnostics, place,
                              "a control character (U+%04X) is not allowed here",
                              (unsigned)parser->problem_value);
    else
        (void)diagnostics_add(diagnostics, place,
                              "invalid UTF-8 (byte 0x%02x): save the file as UTF-8",
                              offset < text.bytes ? (unsigned)(unsigned char)text.data[offset] : 0);
}

static void report_syntax(struct diagnostics *diagnostics, unsigned file,
                          const yaml_parser_t *parser)
{
    struct place place = place_in(file, parser->problem_mark);
    struct place begin = place_in(file, parser->context_mark);
    const char *hint = hint_for(parser->problem, diagnostics_line(diagnostics, place));
    unsigned lines[] = { place.line, begin.line, place.line - 1 };

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct slice line = diagnostics_line(diagnostics, (struct place){ lines[i], 1, file });
        if (lines[i] > 0 && is_tab_indented(line)) {
            unsigned column =
                (unsigned)((const char *)memchr(line.data, '\t', line.bytes) - line.data) + 1;
            (void)diagnostics_add(diagnostics, (struct place){ lines[i], column, file },
                                  "the line is indented with a tab: YAML wants spaces");
            return;
        }
    }
    if (parser->context != NULL && begin.line != place.line)
        (void)diagnostics_add(diagnostics, place, "not valid YAML: %s, %s that began in line %u%s",
                              parser->problem, parser->context, begin.line, hint);
    else
        (void)diagnostics_add(diagnostics, place, "not valid YAML: %s%s", parser->problem, hint);
}

/* ---- building ---- */

static unsigned hash_of(const char *text)
{
    unsigned hash = 2166136261U;

    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619U;
    return hash;
}

/* A node that is found twice stays in the tree, so that what is wrong in it is told as well. */
static bool check_key(struct builder *builder, const struct level *level, const struct node *node)
{
    if (level->container->children >= YAML_KEYS_MAX)
        return diagnostics_add(builder->diagnostics, node->key_place,
                               "more than %d keys in one map", YAML_KEYS_MAX);
    for (const struct node *other = level->container->child; other != NULL; other = other->next) {
        if (other->key_hash != node->key_hash || strcmp(other->key, node->key) != 0)
            continue;
        (void)diagnostics_add(builder->diagnostics, node->key_place,
                              "'%.80s' is given twice, first in line %u", node->key,
                              other->key_place.line);
        break;
    }
    return true;
}

static bool attach(struct builder *builder, struct node *node)
{
    if (builder->depth == 0) {
        builder->root = node;
        return true;
    }
    struct level *level = &builder->levels[builder->depth - 1];
    CHECK(level->container != NULL);
    if (level->container->kind == NODE_MAP) {
        node->key = level->key;
        node->key_place = level->key_place;
        node->key_hash = hash_of(node->key);
        level->key = NULL;
        if (!check_key(builder, level, node))
            return false;
    }
    if (level->last == NULL)
        level->container->child = node;
    else
        level->last->next = node;
    level->last = node;
    level->container->children++;
    return true;
}

static bool wants_key(const struct builder *builder)
{
    const struct level *level = builder->depth == 0 ? NULL : &builder->levels[builder->depth - 1];

    CHECK(level == NULL || level->container != NULL);
    return level != NULL && level->container->kind == NODE_MAP && level->key == NULL;
}

static struct node *new_node(struct builder *builder, enum node_kind kind, struct place place)
{
    if (++builder->nodes > YAML_NODES_MAX) {
        (void)diagnostics_add(builder->diagnostics, place, "more than %d values in one file",
                              YAML_NODES_MAX);
        return NULL;
    }
    struct node *node = settings_memory_take(builder->memory, sizeof(*node));
    if (node != NULL) {
        node->kind = kind;
        node->place = place;
    }
    return node;
}

static bool is_null_text(const char *text)
{
    return text[0] == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0 ||
           strcmp(text, "Null") == 0 || strcmp(text, "NULL") == 0;
}

static bool take_text(struct builder *builder, const yaml_event_t *event)
{
    struct slice text = { (const char *)event->data.scalar.value, event->data.scalar.length };
    struct place place = place_of(builder, event->start_mark);

    if (event->data.scalar.tag != NULL)
        return diagnostics_add(builder->diagnostics, place, "tags (!…) are not supported");
    if (text.bytes > YAML_TEXT_MAX)
        return diagnostics_add(builder->diagnostics, place, "a text of more than %d bytes",
                               YAML_TEXT_MAX);
    if (memchr(text.data, '\0', text.bytes) != NULL)
        return diagnostics_add(builder->diagnostics, place, "the text contains a NUL character");
    const char *copy = settings_memory_text(builder->memory, text);
    if (copy == NULL)
        return false;
    if (wants_key(builder)) {
        builder->levels[builder->depth - 1].key = copy;
        builder->levels[builder->depth - 1].key_place = place;
        return true;
    }
    struct node *node = new_node(builder, NODE_TEXT, place);
    if (node == NULL)
        return false;
    node->text = copy;
    node->is_quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    node->is_null = !node->is_quoted && is_null_text(copy);
    return attach(builder, node);
}

static bool open_container(struct builder *builder, enum node_kind kind, const yaml_char_t *tag,
                           yaml_mark_t mark)
{
    struct place place = place_of(builder, mark);

    if (tag != NULL)
        return diagnostics_add(builder->diagnostics, place, "tags (!…) are not supported");
    if (wants_key(builder))
        return diagnostics_add(builder->diagnostics, place, "a key must be a text");
    if (builder->depth == YAML_DEPTH_MAX)
        return diagnostics_add(builder->diagnostics, place, "nested more than %d deep",
                               YAML_DEPTH_MAX);
    struct node *node = new_node(builder, kind, place);
    if (node == NULL || !attach(builder, node))
        return false;
    builder->levels[builder->depth++] = (struct level){ .container = node };
    return true;
}

static bool begin_document(struct builder *builder, yaml_mark_t mark)
{
    if (builder->root != NULL)
        return diagnostics_add(
            builder->diagnostics, place_of(builder, mark),
            "a second document ('---') begins here: one file is one configuration");
    return true;
}

static bool take_event(struct builder *builder, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        return true;
    case YAML_STREAM_END_EVENT:
        builder->is_done = true;
        return true;
    case YAML_DOCUMENT_START_EVENT:
        return begin_document(builder, event->start_mark);
    case YAML_ALIAS_EVENT:
        return diagnostics_add(builder->diagnostics, place_of(builder, event->start_mark),
                               "aliases (*%.60s) are not supported: write the value out here",
                               (const char *)event->data.alias.anchor);
    case YAML_SCALAR_EVENT:
        return take_text(builder, event);
    case YAML_SEQUENCE_START_EVENT:
        return open_container(builder, NODE_LIST, event->data.sequence_start.tag,
                              event->start_mark);
    case YAML_MAPPING_START_EVENT:
        return open_container(builder, NODE_MAP, event->data.mapping_start.tag, event->start_mark);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        builder->depth--;
        return true;
    }
    return true;
}

static bool build(struct builder *builder, unsigned file, yaml_parser_t *parser, size_t skipped)
{
    while (!builder->is_done) {
        yaml_event_t event;
        if (yaml_parser_parse(parser, &event) == 0) {
            if (parser->error == YAML_READER_ERROR)
                report_bytes(builder->diagnostics, file, parser, skipped);
            else if (parser->error == YAML_MEMORY_ERROR)
                (void)diagnostics_add(builder->diagnostics, (struct place){ .file = file },
                                      "out of memory");
            else
                report_syntax(builder->diagnostics, file, parser);
            return false;
        }
        bool ok = take_event(builder, &event);
        yaml_event_delete(&event);
        if (!ok)
            return false;
    }
    return true;
}

struct node *yaml_read(struct diagnostics *diagnostics, unsigned file,
                       struct settings_memory *memory)
{
    struct builder builder = { .diagnostics = diagnostics, .file = file, .memory = memory };
    struct slice text = diagnostics_text(diagnostics, file);
    yaml_parser_t parser;
    /* libyaml would count a byte order mark as a column. */
    size_t skipped = text.bytes >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;

    if (yaml_parser_initialize(&parser) == 0) {
        (void)diagnostics_add(diagnostics, (struct place){ .file = file }, "out of memory");
        return NULL;
    }
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text.data + skipped,
                                 text.bytes - skipped);
    bool ok = build(&builder, file, &parser, skipped);
    yaml_parser_delete(&parser);
    return ok ? builder.root : NULL;
}

const struct node *node_find(const struct node *map, const char *key)
{
    if (map == NULL || map->kind != NODE_MAP)
        return NULL;
    for (const struct node *node = map->child; node != NULL; node = node->next) {
        if (strcmp(node->key, key) == 0)
            return node;
    }
    return NULL;
}

const char *node_kind_text(const struct node *node)
{
    switch (node->kind) {
    case NODE_TEXT:
        return "a single value";
    case NODE_LIST:
        return "a list";
    case NODE_MAP:
        return "a map";
    }
    return "";
}
