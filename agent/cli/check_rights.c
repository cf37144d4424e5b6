/* SPDX-License-Identifier: Apache-2.0 */
/* check_rights: what a configuration needs, what the agent keeps of it after the start, and which
 * drop-in gives it to the service. */
#include "cli/check_rights.h"

#include "base/capability.h"
#include "children/request.h"
#include "cli/plain.h"
#include "rights/needs.h"

#include <stdio.h>
#include <string.h>

/* The title stands before the first line only. */
static const char *take_title(const char **title)
{
    const char *taken = *title;

    *title = "";
    return taken;
}

static bool is_first(const struct needs *needs, size_t index)
{
    const struct need *need = &needs->items[index];

    for (size_t i = 0; i < index; i++) {
        const struct need *other = &needs->items[i];
        if ((other->kind == NEED_CAPABILITY) != (need->kind == NEED_CAPABILITY))
            continue;
        if (need->kind == NEED_CAPABILITY ? other->capability == need->capability
                                          : strcmp(other->path, need->path) == 0)
            return false;
    }
    return true;
}

/* Who asks for that capability. */
static void show_askers(const struct needs *needs, int capability)
{
    const char *separator = "";

    for (size_t i = 0; i < needs->count; i++) {
        const struct need *need = &needs->items[i];
        if (need->kind != NEED_CAPABILITY || need->capability != capability)
            continue;
        (void)printf("%s%s%s%s", separator, need->section, need->name[0] == '\0' ? "" : ".",
                     need->name);
        separator = ", ";
    }
}

static void show_needs(const struct needs *needs, const char **title)
{
    for (size_t i = 0; i < needs->count; i++) {
        const struct need *need = &needs->items[i];
        if (!is_first(needs, i))
            continue;
        (void)printf("  %-11s", take_title(title));
        if (need->kind == NEED_CAPABILITY) {
            (void)printf("%s, %s: ", capability_advice(need->capability),
                         capability_purpose(need->capability));
            show_askers(needs, need->capability);
        } else {
            (void)printf("writes %s%s", need->kind == NEED_FOLDER ? "below " : "", need->path);
        }
        (void)printf("\n");
    }
}

/* Whatever the modes say: the service's unit hides them. */
static bool is_hidden(const char *path)
{
    static const char *const folders[] = { "/home/", "/root/", "/run/user/", "/tmp/", "/var/tmp/" };

    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        if (strncmp(path, folders[i], strlen(folders[i])) == 0)
            return true;
    }
    return false;
}

static void show_hidden(const struct settings *settings, const char **title)
{
    for (size_t i = 0; i < settings->input_count; i++) {
        const struct settings_part *input = &settings->inputs[i];
        struct file_globs globs = { .paths = { .count = 0 } };
        if (input->type->globs != NULL)
            input->type->globs(input->config, &globs);
        for (size_t k = 0; k < globs.paths.count; k++) {
            if (!is_hidden(globs.paths.items[k]))
                continue;
            (void)printf("  %-11sreads ", take_title(title));
            plain_write(stdout, slice_of(globs.paths.items[k]));
            (void)printf(", as a service by drop-in home-and-tmp.conf: inputs.%s\n", input->name);
        }
    }
}

static void show_commands(const struct settings *settings, const char **title)
{
    for (size_t i = 0; i < settings->input_count; i++) {
        const struct settings_part *input = &settings->inputs[i];
        struct command_line command;
        if (input->type->command == NULL)
            continue;
        input->type->command(input->config, &command);
        (void)printf("  %-11sruns ", take_title(title));
        plain_write(stdout, slice_of(command.words.items[0]));
        (void)printf(": inputs.%s\n", input->name);
    }
}

void check_rights(const struct settings *settings)
{
    const char *title = "rights";
    struct needs needs;
    struct err err;

    if (!settings->agent.sandbox)
        (void)printf("  %-11sall are kept: agent.sandbox is off\n", take_title(&title));
    if (!needs_gather(&needs, settings, &err)) {
        (void)fprintf(stderr, "spillway check: %s\n", err.text);
        return;
    }
    show_needs(&needs, &title);
    show_hidden(settings, &title);
    show_commands(settings, &title);
    needs_fini(&needs);
}
