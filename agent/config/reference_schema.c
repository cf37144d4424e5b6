/* SPDX-License-Identifier: Apache-2.0 */
/* reference_schema: JSON Schema for editors. What depends on several options stays with
 * `spillway check`; here are names, types, forms, and bounds of plain numbers. Two options of one
 * group lie side by side in their table, so a nested map is closed when the group changes. */
#include "config/reference.h"
#include "config/schema_names.h"

#include "base/json.h"
#include "config/settings_options.h"

#include <stdio.h>

enum { GROUPS_MAX = 4, PATH_BYTES = 128, DOC_BYTES = 1024 };

static void add_string(struct buf *ret, const char *text)
{
    char escaped[6 * DOC_BYTES + 32];
    struct slice slice = { text, strnlen(text, DOC_BYTES) };
    size_t bytes = json_escape(escaped, slice, NULL);

    (void)buf_printf(ret, "\"%.*s\"", (int)bytes, escaped);
}

/* ---- types ---- */

/* Of YAML's own types: what an editor takes 12, 0.5 and yes for. */
static const char *plain_types(enum option_type type)
{
    switch (type) {
    case OPT_text:
    case OPT_secret:
        return "[\"string\", \"number\", \"boolean\"]";
    case OPT_flag:
        return "[\"string\", \"boolean\"]";
    case OPT_count:
    case OPT_rate:
    case OPT_size:
    case OPT_duration:
        return "[\"string\", \"integer\"]";
    case OPT_share:
    case OPT_keep:
        return "[\"string\", \"number\"]";
    case OPT_list:
    case OPT_map:
    case OPT_secrets:
    case OPT_choice:
        break;
    }
    return "\"string\"";
}

static void add_types(struct buf *ret)
{
    for (enum option_type type = OPT_text; type < OPT_list; type++) {
        const char *pattern = schema_type_pattern(type);
        (void)buf_printf(ret, "    \"%s\": {\"type\": %s", schema_type_name(type),
                         plain_types(type));
        if (pattern != NULL) {
            /* Or a value that is replaced when the file is read. */
            (void)buf_printf(ret, ", \"pattern\": \"%s|[$][{]\"", pattern);
        }
        if (type == OPT_share || type == OPT_keep)
            (void)buf_add_text(ret, ", \"minimum\": 0, \"maximum\": 1");
        else if (type == OPT_duration)
            (void)buf_add_text(ret, ", \"minimum\": 0, \"maximum\": 0");
        else if (type == OPT_count || type == OPT_rate || type == OPT_size)
            (void)buf_add_text(ret, ", \"minimum\": 0");
        (void)buf_add_text(ret, "},\n");
    }
}

static void add_names(struct buf *ret, const char *names)
{
    (void)buf_add_text(ret, "{\"anyOf\": [{\"enum\": [");
    while (*names != '\0') {
        size_t bytes = strcspn(names, "|");
        (void)buf_printf(ret, "\"%.*s\"", (int)bytes, names);
        names += bytes + (names[bytes] == '|');
        if (*names != '\0')
            (void)buf_add_text(ret, ", ");
    }
    (void)buf_add_text(ret, "]}, {\"type\": \"string\", \"pattern\": \"[$][{]\"}]}");
}

static void add_value(struct buf *ret, const struct option *option)
{
    const char *text = "{\"$ref\": \"#/$defs/text\"}";

    switch (option->type) {
    case OPT_choice:
        add_names(ret, option->min);
        return;
    case OPT_list:
        (void)buf_add_text(ret, "{\"anyOf\": [");
        for (int is_array = 0; is_array <= 1; is_array++) {
            (void)buf_add_text(ret, is_array ? ", {\"type\": \"array\", \"items\": " : "");
            if (schema_has_addresses(option))
                (void)buf_printf(ret, "{\"type\": \"string\", \"pattern\": \"^(%s)|[$][{]\"}",
                                 option->min);
            else if (option->min != ANY)
                add_names(ret, option->min);
            else
                (void)buf_add_text(ret, text);
            (void)buf_add_text(ret, is_array ? "}" : "");
        }
        (void)buf_add_text(ret, "]}");
        return;
    case OPT_map:
    case OPT_secrets:
        (void)buf_printf(ret, "{\"type\": \"object\", \"additionalProperties\": %s}", text);
        return;
    case OPT_count:
        (void)buf_add_text(ret, "{\"$ref\": \"#/$defs/count\"");
        if (option->min != ANY)
            (void)buf_printf(ret, ", \"minimum\": %s", option->min);
        if (option->max != ANY)
            (void)buf_printf(ret, ", \"maximum\": %s", option->max);
        (void)buf_add_text(ret, "}");
        return;
    case OPT_text:
    case OPT_secret:
    case OPT_flag:
    case OPT_rate:
    case OPT_size:
    case OPT_duration:
    case OPT_share:
    case OPT_keep:
        (void)buf_printf(ret, "{\"$ref\": \"#/$defs/%s\"}", schema_type_name(option->type));
        return;
    }
}

/* What an editor shows beside a name. */
static void add_property(struct buf *ret, const struct option *option)
{
    struct buf doc = { 0 };

    add_value(ret, option);
    ret->bytes -= ret->bytes > 0; /* the closing brace comes behind the description */
    (void)buf_printf(&doc, "%s", option->doc);
    size_t before = doc.bytes;
    (void)buf_add_text(&doc, "; ");
    reference_range(option, &doc);
    if (doc.bytes == before + 2 && doc.data != NULL)
        doc.data[before] = '\0';
    (void)buf_add_text(ret, ", \"description\": ");
    add_string(ret, buf_slice(&doc).data);
    if (option->preset != REQUIRED && option->preset[0] != '\0' && option->type != OPT_list) {
        (void)buf_add_text(ret, ", \"default\": ");
        add_string(ret, option->preset);
    }
    (void)buf_add_text(ret, "}");
    ret->failed = ret->failed || doc.failed;
    buf_fini(&doc);
}

/* ---- maps ---- */

/* Writes the options of `tables` that lie below the group as the properties of one map. */
static void add_map(struct buf *ret, const struct option *const *tables, const char *group,
                    unsigned depth, const char *type_name);

static void add_required(struct buf *ret, const struct option *const *tables, const char *group)
{
    const char *separator = "";
    size_t bytes = strlen(group);

    (void)buf_add_text(ret, ", \"required\": [");
    for (; *tables != NULL; tables++) {
        for (const struct option *option = *tables; option->key != NULL; option++) {
            char name[PATH_BYTES];
            schema_user_name(option, name, sizeof(name));
            if (option->preset != REQUIRED || strncmp(name, group, bytes) != 0 ||
                strchr(name + bytes, '.') != NULL)
                continue;
            (void)buf_printf(ret, "%s\"%s\"", separator, name + bytes);
            separator = ", ";
        }
    }
    (void)buf_add_text(ret, "]");
}

/* Is there an option of the same group before this one? Then the group was written. */
static bool was_written(const struct option *const *tables, const struct option *until,
                        const char *path, size_t bytes)
{
    for (; *tables != NULL; tables++) {
        for (const struct option *option = *tables; option->key != NULL; option++) {
            char name[PATH_BYTES];
            if (option == until)
                return false;
            schema_user_name(option, name, sizeof(name));
            if (strncmp(name, path, bytes) == 0)
                return true;
        }
    }
    return false;
}

static void add_entry(struct buf *ret, const struct option *const *tables,
                      const struct option *option, const char *group, unsigned depth,
                      const char *type_name)
{
    char name[PATH_BYTES];
    size_t bytes = strlen(group);

    schema_user_name(option, name, sizeof(name));
    const char *own = name + bytes, *dot = strchr(name + bytes, '.');
    size_t path = dot == NULL ? 0 : (size_t)(dot - name) + 1;
    if (strncmp(name, group, bytes) != 0 ||
        was_written(tables, option, name, path == 0 ? PATH_BYTES : path))
        return;
    bool is_first = ret->data[ret->bytes - 1] == '{';
    int own_bytes = (int)(dot == NULL ? strlen(own) : (size_t)(dot - own));
    (void)buf_printf(ret, "%s\n%*s\"%.*s\": ", is_first ? "" : ",", (int)(4 + 2 * depth), "",
                     own_bytes, own);
    if (dot != NULL) {
        char below[PATH_BYTES];
        (void)snprintf(below, sizeof(below), "%.*s", (int)path, name);
        add_map(ret, tables, below, depth + 1, NULL);
    } else if (type_name != NULL && strcmp(own, "type") == 0) {
        (void)buf_printf(ret, "{\"const\": \"%s\"}", type_name);
    } else {
        add_property(ret, option);
    }
}

static void add_map(struct buf *ret, const struct option *const *tables, const char *group,
                    unsigned depth, const char *type_name)
{
    (void)buf_add_text(ret, "{\"type\": \"object\", \"additionalProperties\": false");
    add_required(ret, tables, group);
    (void)buf_add_text(ret, ", \"properties\": {");
    for (const struct option *const *table = tables; *table != NULL && depth < GROUPS_MAX;
         table++) {
        for (const struct option *option = *table; option->key != NULL; option++)
            add_entry(ret, tables, option, group, depth, type_name);
    }
    (void)buf_printf(ret, "\n%*s}}", (int)(2 + 2 * depth), "");
}

/* ---- the parts ---- */

/* The type decides which options there are. */
static void add_kind(struct buf *ret, const struct reference_kind *kind)
{
    (void)buf_printf(ret, ",\n    \"%s\": {\"type\": \"object\", \"required\": [\"type\"],\n",
                     kind->one);
    (void)buf_add_text(ret, "      \"properties\": {\"type\": {\"enum\": [");
    for (size_t i = 0; kind->types[i] != NULL; i++)
        (void)buf_printf(ret, "%s\"%s\"", i == 0 ? "" : ", ", kind->types[i]->name);
    (void)buf_add_text(ret, "]}},\n      \"allOf\": [");
    for (size_t i = 0; kind->types[i] != NULL; i++)
        (void)buf_printf(
            ret,
            "%s\n        {\"if\": {\"required\": [\"type\"], \"properties\": {\"type\": "
            "{\"const\": \"%s\"}}},\n         \"then\": {\"$ref\": \"#/$defs/%s.%s\"}}",
            i == 0 ? "" : ",", kind->types[i]->name, kind->one, kind->types[i]->name);
    (void)buf_add_text(ret, "]}");
    for (size_t i = 0; kind->types[i] != NULL; i++) {
        const struct plugin_type *type = kind->types[i];
        const struct option *const tables[] = { kind->common, type->options, NULL };
        (void)buf_printf(ret, ",\n    \"%s.%s\": ", kind->one, type->name);
        add_map(ret, tables, "", 1, type->name);
    }
}

void reference_json_schema(const struct catalog *catalog, struct buf *ret)
{
    static const struct option *const agent[] = { agent_options_options, NULL };
    struct reference_kind kinds[REFERENCE_KINDS];

    reference_kinds(catalog, kinds);
    (void)buf_add_text(ret, "{\n  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n"
                            "  \"title\": \"Configuration of spillway\",\n"
                            "  \"type\": \"object\", \"additionalProperties\": false,\n"
                            "  \"properties\": {\n    \"agent\": {\"$ref\": \"#/$defs/agent\"}");
    for (unsigned i = 0; i < REFERENCE_KINDS; i++)
        (void)buf_printf(ret,
                         ",\n    \"%s\": {\"type\": \"object\", \"propertyNames\": {\"pattern\": "
                         "\"^[A-Za-z0-9_.-]{1,63}$\"},\n      \"additionalProperties\": {\"$ref\": "
                         "\"#/$defs/%s\"}}",
                         kinds[i].title, kinds[i].one);
    (void)buf_add_text(ret, "\n  },\n  \"$defs\": {\n");
    add_types(ret);
    (void)buf_add_text(ret, "    \"agent\": ");
    add_map(ret, agent, "", 1, NULL);
    for (unsigned i = 0; i < REFERENCE_KINDS; i++)
        add_kind(ret, &kinds[i]);
    (void)buf_add_text(ret, "\n  }\n}\n");
}
