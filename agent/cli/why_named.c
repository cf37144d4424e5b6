/* SPDX-License-Identifier: Apache-2.0 */
/* why_named: looks through the tables of options for the path, so a new option is known as it is.
 */
#include "cli/why_named.h"

#include "base/auto.h"
#include "config/schema_names.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

enum { OPTION_NAME_BYTES = 128 };

struct look {
    const struct why_file *file;
    const char *section, *part; /* part "": the section's own */
    struct why_named *named;
    bool was_found; /* in the part that is looked at */
};

/* "fifo:///run/app/log" is the path behind its scheme. */
static const char *path_of(const char *value)
{
    const char *mark = strstr(value, "://");
    return mark == NULL ? value : mark + 3;
}

static bool is_it(const struct why_file *file, const char *value)
{
    const char *path = path_of(value);
    return path[0] == '/' && (strcmp(path, file->path) == 0 || strcmp(path, file->resolved) == 0);
}

static void look_at_value(struct look *look, const struct option *option, const char *value)
{
    char name[OPTION_NAME_BYTES];

    if (!is_it(look->file, value))
        return;
    schema_user_name(option, name, sizeof(name));
    (void)buf_printf(&look->named->text, "  %s%s%s.%s names it\n", look->section,
                     look->part[0] == '\0' ? "" : ".", look->part, name);
    look->was_found = true;
    if (strcmp(look->section, "inputs") == 0 && strcmp(name, "listen") == 0)
        look->named->read_by = look->part;
}

static void look_at_table(struct look *look, const struct option *option, const void *config)
{
    for (; option->key != NULL; option++) {
        const void *value = (const char *)config + option->offset;
        const struct text_list *list = value;
        if (option->type == OPT_text)
            look_at_value(look, option, *(const char *const *)value);
        for (size_t i = 0; option->type == OPT_list && i < list->count; i++)
            look_at_value(look, option, list->items[i]);
    }
}

/* The journal's files, the kernel's log: read as a whole, without a position in each. */
static void look_at_reads(struct look *look, const struct settings_part *input)
{
    AUTO(buf_fini) struct buf globs = { 0 };
    char *place = NULL;

    if (input->type->reads == NULL || look->was_found)
        return;
    input->type->reads(input->config, &globs);
    for (char *glob = globs.failed ? NULL : strtok_r(globs.data, "\n", &place); glob != NULL;
         glob = strtok_r(NULL, "\n", &place)) {
        if (fnmatch(glob, look->file->resolved, FNM_PATHNAME) != 0)
            continue;
        (void)buf_printf(&look->named->text, "  input %s (%s) reads it\n", input->name,
                         input->type->name);
        look->named->read_by = input->name;
        return;
    }
}

static void look_at_parts(struct look *look, const char *section, const struct option *common,
                          const struct settings_part *parts, size_t count)
{
    look->section = section;
    for (size_t i = 0; i < count; i++) {
        look->part = parts[i].name;
        look->was_found = false;
        look_at_table(look, common, &parts[i].input);
        look_at_table(look, parts[i].type->options, parts[i].config);
        if (strcmp(section, "inputs") == 0)
            look_at_reads(look, &parts[i]);
    }
}

bool why_named_find(const struct settings *settings, const struct why_file *file,
                    struct why_named *ret)
{
    struct look look = { .file = file, .section = "agent", .part = "", .named = ret };

    *ret = (struct why_named){ .read_by = NULL };
    look_at_table(&look, agent_options_options, &settings->agent);
    look_at_parts(&look, "inputs", input_options_options, settings->inputs, settings->input_count);
    look_at_parts(&look, "processors", processor_options_options, settings->processors,
                  settings->processor_count);
    look_at_parts(&look, "outputs", output_options_options, settings->outputs,
                  settings->output_count);
    return ret->text.bytes > 0;
}

void why_named_fini(struct why_named *named)
{
    buf_fini(&named->text);
}
