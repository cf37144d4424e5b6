/* SPDX-License-Identifier: Apache-2.0 */
/* settings_spool: checks of the spools of outputs. */
#include "config/settings_check.h"

#include <stdio.h>

enum { BATCHES_LEAST = 4 };

static const char *const spool_options[] = { "spool.path", "spool.min_free", "spool.fsync",
                                             "spool.fsync_interval", "spool.newest_first" };

/* Options of a spool that there is none of. */
static void check_absent(struct loader *loader, size_t index)
{
    const struct settings_part *part = &loader->settings->outputs[index];
    const struct part_source *source = &loader->outputs[index];

    for (size_t i = 0; i < sizeof(spool_options) / sizeof(spool_options[0]); i++) {
        if (reader_find(source->node, spool_options[i]) != NULL)
            (void)diagnostics_add(
                &loader->diagnostics, settings_place(part, source, spool_options[i]),
                "outputs.%s.%s: there is no spool: set spool.max_bytes (1GiB), or "
                "take the key out",
                part->name, spool_options[i]);
    }
}

bool settings_spool_folder(const struct settings *settings, const struct settings_part *output,
                           char ret[PATH_MAX])
{
    const char *path = output->output.spool__path;
    int length = 0;

    ret[0] = '\0';
    if (output->output.spool__max_bytes > 0)
        length = path[0] != '\0' ? snprintf(ret, PATH_MAX, "%s", path)
                                 : snprintf(ret, PATH_MAX, "%s/spool/%s", settings->agent.state_dir,
                                            output->name);
    return length < PATH_MAX;
}

/* Another output, looked at before, with its spool in the same folder; NULL: none. */
static const char *find_same_folder(const struct loader *loader, size_t index)
{
    const struct settings *settings = loader->settings;
    char own[PATH_MAX], other[PATH_MAX];

    if (!settings_spool_folder(settings, &settings->outputs[index], own))
        return NULL; /* the start says so */
    for (size_t i = 0; i < index; i++) {
        if (loader->outputs[i].is_ok &&
            settings_spool_folder(settings, &settings->outputs[i], other) &&
            settings_same_path(own, other))
            return settings->outputs[i].name;
    }
    return NULL;
}

static void check_folder(struct loader *loader, size_t index)
{
    const struct settings *settings = loader->settings;
    const struct settings_part *part = &settings->outputs[index];
    const struct part_source *source = &loader->outputs[index];

    if (part->output.spool__path[0] == '\0' && part->name[0] == '.')
        (void)diagnostics_add(&loader->diagnostics, settings_place(part, source, "spool.max_bytes"),
                              "outputs.%s: a spool needs a spool.path where the output's name "
                              "begins with a dot",
                              part->name);
    const char *other = find_same_folder(loader, index);
    if (other != NULL)
        (void)diagnostics_add(&loader->diagnostics, settings_place(part, source, "spool.path"),
                              "outputs.%s.spool.path: output '%s' has its spool there already",
                              part->name, other);
}

static void check_spool(struct loader *loader, size_t index)
{
    const struct settings_part *part = &loader->settings->outputs[index];
    const struct part_source *source = &loader->outputs[index];
    const struct output_options *output = &part->output;
    uint64_t least = BATCHES_LEAST * output->batch__max_bytes;
    char has[SIZE_TEXT_BYTES], needs[SIZE_TEXT_BYTES];

    if (output->spool__max_bytes < least)
        (void)diagnostics_add(
            &loader->diagnostics, settings_place(part, source, "spool.max_bytes"),
            "outputs.%s.spool.max_bytes: %s is too small for %d batches (batch.max_bytes): set it "
            "to at least %s",
            part->name, schema_size_text(output->spool__max_bytes, has), BATCHES_LEAST,
            schema_size_text(least, needs));
    if (output->spool__fsync != FSYNC_INTERVAL &&
        reader_find(source->node, "spool.fsync_interval") != NULL)
        (void)diagnostics_add(
            &loader->diagnostics, settings_place(part, source, "spool.fsync_interval"),
            "outputs.%s.spool.fsync_interval: needs spool.fsync: interval", part->name);
    check_folder(loader, index);
}

void settings_check_spools(struct loader *loader)
{
    for (size_t i = 0; i < loader->settings->output_count; i++) {
        if (!loader->outputs[i].is_ok)
            continue;
        if (loader->settings->outputs[i].output.spool__max_bytes == 0)
            check_absent(loader, i);
        else
            check_spool(loader, i);
    }
}
