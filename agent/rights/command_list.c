/* SPDX-License-Identifier: Apache-2.0 */
#include "rights/command_list.h"

#include "children/request.h"

#include <stdlib.h>

static bool gather(struct command_list *ret, const struct settings *settings, struct err *err)
{
    ret->ends = calloc(settings->input_count + 1, sizeof(*ret->ends));
    if (ret->ends == NULL)
        return err_set(err, "out of memory for commands");
    for (size_t i = 0; i < settings->input_count; i++) {
        const struct settings_part *input = &settings->inputs[i];
        struct command_line command;
        if (input->type->command == NULL)
            continue;
        input->type->command(input->config, &command);
        if (!request_pack(&command, &ret->requests, err))
            return false;
        ret->ends[ret->count++] = ret->requests.bytes;
    }
    return true;
}

bool command_list_start(struct command_list *ret, const struct settings *settings,
                        struct starter *ret_starter, struct err *err)
{
    *ret_starter = (struct starter){ .fd = -1 };
    if (!gather(ret, settings, err))
        return false;
    if (ret->count == 0)
        return true;
    struct starter_config config = { .allowed = buf_slice(&ret->requests),
                                     .bounds = ret->ends,
                                     .count = ret->count,
                                     .any_command = !settings->agent.sandbox };
    return starter_start(ret_starter, &config, err);
}

void command_list_fini(struct command_list *commands)
{
    buf_fini(&commands->requests);
    free(commands->ends);
    *commands = (struct command_list){ .count = 0 };
}

static bool has(const struct command_list *commands, struct slice wanted)
{
    size_t begin = 0;

    for (size_t i = 0; i < commands->count; i++) {
        struct slice known = { commands->requests.data + begin, commands->ends[i] - begin };
        if (slice_equals(known, wanted))
            return true;
        begin = commands->ends[i];
    }
    return false;
}

bool command_list_cover(const struct command_list *commands, const struct settings *settings,
                        struct buf *ret_problems)
{
    struct command_list wanted = { .count = 0 };
    struct err err = { "" };
    size_t begin = 0, at = 0;
    bool is_known = gather(&wanted, settings, &err), ok = is_known;

    if (!is_known)
        (void)buf_printf(ret_problems, "%s\n", err.text);
    for (size_t i = 0; is_known && i < settings->input_count; i++) {
        const struct settings_part *input = &settings->inputs[i];
        if (input->type->command == NULL)
            continue;
        struct slice request = { wanted.requests.data + begin, wanted.ends[at] - begin };
        begin = wanted.ends[at++];
        if (commands->count > 0 && (!settings->agent.sandbox || has(commands, request)))
            continue;
        (void)buf_printf(ret_problems,
                         "%s:%u:%u: inputs.%s: the agent may not run this command: what it may run "
                         "is fixed at its start: restart it\n",
                         input->mark.file, input->mark.line, input->mark.column, input->name);
        ok = false;
    }
    command_list_fini(&wanted);
    return ok;
}
