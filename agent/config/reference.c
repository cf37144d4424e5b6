/* SPDX-License-Identifier: Apache-2.0 */
/* reference: the manual of all options, written from the same rows that parse them. */
#include "config/reference.h"
#include "config/schema_names.h"

#include "config/settings_options.h"

#include <stdio.h>

static void add_cell(struct buf *ret, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '|')
            (void)buf_add(ret, "\\", 1); /* else it would end the cell */
        (void)buf_add(ret, text, 1);
    }
}

static bool has_names(const struct option *option)
{
    return option->min != ANY && (option->type == OPT_choice || option->type == OPT_list);
}

void reference_range(const struct option *option, struct buf *ret)
{
    if (has_names(option))
        (void)buf_add_text(ret, option->min);
    else if (option->min != ANY && option->max != ANY)
        (void)buf_printf(ret, "%s to %s", option->min, option->max);
    else if (option->min != ANY)
        (void)buf_printf(ret, "at least %s", option->min);
    else if (option->max != ANY)
        (void)buf_printf(ret, "at most %s", option->max);
}

static void add_range_cell(struct buf *ret, const struct option *option)
{
    struct buf range = { 0 };

    reference_range(option, &range);
    add_cell(ret, buf_slice(&range).data);
    buf_fini(&range);
}

static void add_table(struct buf *ret, const struct option *options)
{
    (void)buf_add_text(ret,
                       "\n| option | type | default | values | meaning |\n|---|---|---|---|---|\n");
    for (const struct option *option = options; option->key != NULL; option++) {
        char name[128];
        schema_user_name(option, name, sizeof(name));
        (void)buf_printf(ret, "| `%s` | %s | ", name, schema_type_name(option->type));
        if (option->preset == REQUIRED)
            (void)buf_add_text(ret, "required");
        else if (option->preset[0] != '\0')
            (void)buf_printf(ret, "`%s`", option->preset);
        (void)buf_add_text(ret, " | ");
        add_range_cell(ret, option);
        (void)buf_add_text(ret, " | ");
        add_cell(ret, option->doc);
        (void)buf_add_text(ret, " |\n");
    }
}

static void add_kind(struct buf *ret, const struct reference_kind *kind)
{
    (void)buf_printf(ret, "\n## %s\n\nOptions of every %s, by name below `%s`:\n", kind->title,
                     kind->one, kind->title);
    add_table(ret, kind->common);
    for (const struct plugin_type *const *type = kind->types; *type != NULL; type++) {
        (void)buf_printf(ret, "\n### %s: `type: %s`\n\n%s.\n", kind->one, (*type)->name,
                         (*type)->doc);
        if ((*type)->options[0].key == NULL)
            (void)buf_add_text(ret, "\nNo options of its own.\n");
        else
            add_table(ret, (*type)->options);
    }
}

static void add_types(struct buf *ret)
{
    (void)buf_add_text(ret, "\n## Types\n\n| type | written as |\n|---|---|\n");
    for (enum option_type type = OPT_text; type <= OPT_choice; type++)
        (void)buf_printf(ret, "| %s | %s |\n", schema_type_name(type), schema_type_help(type));
}

static void write_markdown(const struct catalog *catalog, struct buf *ret)
{
    struct reference_kind kinds[REFERENCE_KINDS];

    reference_kinds(catalog, kinds);
    (void)buf_add_text(
        ret,
        "# Configuration reference\n\n"
        "A file in YAML with the keys `agent`, `inputs`, `processors` and `outputs`; the last "
        "three are maps\nby names of your own. A `.` in a name below is a nested map: "
        "`lane.shed.high` is written\n`lane: {shed: {high: 80%}}`. In values `${VAR}`, "
        "`${VAR:-default}` and `${file:/path}` are replaced;\n`$$` is a `$`. A secret is never "
        "shown.\n");
    add_types(ret);
    (void)buf_add_text(ret, "\n## agent\n");
    add_table(ret, agent_options_options);
    for (unsigned i = 0; i < REFERENCE_KINDS; i++)
        add_kind(ret, &kinds[i]);
}

void reference_kinds(const struct catalog *catalog, struct reference_kind ret[REFERENCE_KINDS])
{
    const struct reference_kind kinds[REFERENCE_KINDS] = {
        { "inputs", "input", input_options_options, catalog->inputs },
        { "processors", "processor", processor_options_options, catalog->processors },
        { "outputs", "output", output_options_options, catalog->outputs },
    };

    memcpy(ret, kinds, sizeof(kinds));
}

void reference_write(enum reference_format format, const struct catalog *catalog, struct buf *ret)
{
    switch (format) {
    case REFERENCE_MARKDOWN:
        write_markdown(catalog, ret);
        return;
    case REFERENCE_TEXT:
    case REFERENCE_MAN:
        reference_pages(format == REFERENCE_MAN, catalog, ret);
        return;
    case REFERENCE_JSON_SCHEMA:
        reference_json_schema(catalog, ret);
        return;
    }
}
