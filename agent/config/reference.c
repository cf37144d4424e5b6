/* SPDX-License-Identifier: Apache-2.0 */
/* reference: the manual of all options, written from the same rows that parse them. */
#include "config/settings.h"

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

static void add_range(struct buf *ret, const struct option *option)
{
    if (has_names(option))
        add_cell(ret, option->min);
    else if (option->min != ANY && option->max != ANY)
        (void)buf_printf(ret, "%s to %s", option->min, option->max);
    else if (option->min != ANY)
        (void)buf_printf(ret, "at least %s", option->min);
    else if (option->max != ANY)
        (void)buf_printf(ret, "at most %s", option->max);
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
        add_range(ret, option);
        (void)buf_add_text(ret, " | ");
        add_cell(ret, option->doc);
        (void)buf_add_text(ret, " |\n");
    }
}

static void add_kind(struct buf *ret, const char *title, const char *one,
                     const struct option *common, const struct plugin_type *const *types)
{
    (void)buf_printf(ret, "\n## %s\n\nOptions of every %s, by name below `%s`:\n", title, one,
                     title);
    add_table(ret, common);
    for (; *types != NULL; types++) {
        (void)buf_printf(ret, "\n### %s: `type: %s`\n\n%s.\n", one, (*types)->name, (*types)->doc);
        if ((*types)->options[0].key == NULL)
            (void)buf_add_text(ret, "\nNo options of its own.\n");
        else
            add_table(ret, (*types)->options);
    }
}

static void add_types(struct buf *ret)
{
    (void)buf_add_text(ret, "\n## Types\n\n| type | written as |\n|---|---|\n");
    for (enum option_type type = OPT_text; type <= OPT_choice; type++)
        (void)buf_printf(ret, "| %s | %s |\n", schema_type_name(type), schema_type_help(type));
}

void settings_reference(const struct catalog *catalog, struct buf *ret)
{
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
    add_kind(ret, "inputs", "input", input_options_options, catalog->inputs);
    add_kind(ret, "processors", "processor", processor_options_options, catalog->processors);
    add_kind(ret, "outputs", "output", output_options_options, catalog->outputs);
}
