/* SPDX-License-Identifier: Apache-2.0 */
#include "rights/needs.h"

#include "base/capability.h"
#include "config/schema_names.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

enum { LOW_PORTS = 1024 };

struct gathering {
    struct needs *needs;
    struct need who;
};

static bool add(struct gathering *gathering, enum need_kind kind, const char *path, size_t bytes,
                int capability)
{
    struct needs *needs = gathering->needs;
    struct need *items = realloc(needs->items, (needs->count + 1) * sizeof(*items));
    char *copy = kind == NEED_CAPABILITY ? NULL : strndup(path, bytes);

    if (items != NULL)
        needs->items = items;
    if (items == NULL || (copy == NULL && kind != NEED_CAPABILITY)) {
        free(copy);
        needs->failed = true;
        return false;
    }
    struct need *need = &needs->items[needs->count++];
    *need = gathering->who;
    need->kind = kind;
    need->path = copy;
    need->capability = capability;
    return true;
}

static void add_capability(struct gathering *gathering, int capability)
{
    (void)add(gathering, NEED_CAPABILITY, NULL, 0, capability);
}

static void add_folder(struct gathering *gathering, const char *path)
{
    (void)add(gathering, NEED_FOLDER, path, strlen(path), 0);
}

/* The folder that a file is made in. */
static void add_folder_of(struct gathering *gathering, const char *path)
{
    const char *slash = strrchr(path, '/');

    if (slash != NULL)
        (void)add(gathering, NEED_FOLDER, path, slash == path ? 1 : (size_t)(slash - path), 0);
}

/* ---- what options say ---- */

static bool has_low_port(const char *address)
{
    const char *colon = strrchr(address, ':');
    long port = colon == NULL ? 0 : strtol(colon + 1, NULL, 10);

    return port > 0 && port < LOW_PORTS;
}

/* udp://HOST:PORT, unix:///PATH, fifo:///PATH and their like. */
static void add_address(struct gathering *gathering, const char *address)
{
    const char *rest = strstr(address, "://");

    if (rest == NULL)
        return;
    rest += strlen("://");
    bool is_fifo = strncmp(address, "fifo:", 5) == 0;
    if (is_fifo)
        (void)add(gathering, NEED_FILE, rest, strlen(rest), 0);
    if (is_fifo || strncmp(address, "unix", 4) == 0)
        add_folder_of(gathering, rest);
    else if (strncmp(address, "udp:", 4) == 0 || strncmp(address, "t", 1) == 0 ||
             strncmp(address, "http", 4) == 0) {
        if (has_low_port(rest))
            add_capability(gathering, CAP_NET_BIND_SERVICE);
    }
}

static bool ends_with(const char *text, const char *end)
{
    size_t bytes = strlen(text), tail = strlen(end);

    return bytes >= tail && strcmp(text + bytes - tail, end) == 0;
}

/* By the types and names of options, so that a new plugin is understood as it is. */
static void add_options(struct gathering *gathering, const struct option *option,
                        const void *config)
{
    for (; option->key != NULL; option++) {
        const void *value = (const char *)config + option->offset;
        if (option->type == OPT_text && ends_with(option->key, "_file") &&
            (*(const opt_text *)value)[0] != '\0')
            add_capability(gathering, CAP_DAC_READ_SEARCH);
        if (option->type != OPT_list || !schema_has_addresses(option))
            continue;
        const struct text_list *list = value;
        for (size_t i = 0; i < list->count; i++)
            add_address(gathering, list->items[i]);
    }
}

/* ---- parts ---- */

static void add_input(struct gathering *gathering, const struct settings_part *input)
{
    gathering->who = (struct need){ .section = "inputs", .name = input->name, .mark = input->mark };
    if (input->type->globs != NULL || (input->type->traits & INPUT_READS_ALL) != 0)
        add_capability(gathering, CAP_DAC_READ_SEARCH);
    if ((input->type->traits & INPUT_KERNEL_LOG) != 0)
        add_capability(gathering, CAP_SYSLOG);
    add_options(gathering, input->type->options, input->config);
}

static void add_output(struct gathering *gathering, const struct settings_part *output)
{
    const struct output_options *options = &output->output;

    gathering->who =
        (struct need){ .section = "outputs", .name = output->name, .mark = output->mark };
    if (options->spool__max_bytes > 0 && options->spool__path[0] != '\0')
        add_folder(gathering, options->spool__path);
    if (options->dead_letter__path[0] != '\0')
        add_folder_of(gathering, options->dead_letter__path);
    add_options(gathering, output->type->options, output->config);
}

bool needs_gather(struct needs *ret, const struct settings *settings, struct err *err)
{
    struct gathering gathering = { .needs = ret, .who = { .section = "agent", .name = "" } };
    const struct agent_options *agent = &settings->agent;

    *ret = (struct needs){ .items = NULL };
    add_folder(&gathering, agent->state_dir);
    add_folder(&gathering, agent->runtime_dir);
    if (has_low_port(agent->admin__listen))
        add_capability(&gathering, CAP_NET_BIND_SERVICE);
    add_options(&gathering, agent_options_options, agent);
    for (size_t i = 0; i < settings->input_count; i++)
        add_input(&gathering, &settings->inputs[i]);
    for (size_t i = 0; i < settings->output_count; i++)
        add_output(&gathering, &settings->outputs[i]);
    if (!ret->failed)
        return true;
    needs_fini(ret);
    return err_set(err, "out of memory for the rights");
}

void needs_fini(struct needs *needs)
{
    for (size_t i = 0; i < needs->count; i++)
        free(needs->items[i].path);
    free(needs->items);
    *needs = (struct needs){ .items = NULL };
}
