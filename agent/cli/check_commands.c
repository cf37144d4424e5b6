/* SPDX-License-Identifier: Apache-2.0 */
/* check_commands: is the program of each command there, and may it be run? Nothing is started. */
#include "base/auto.h"
#include "children/program.h"
#include "children/request.h"
#include "cli/check_env.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static void check_command(const struct settings_part *input, const struct command_line *command,
                          struct checklist *list)
{
    AUTO(buf_fini) struct buf packed = { 0 };
    AUTO(auto_free) struct request *request = malloc(sizeof(*request));
    char path[PATH_MAX];
    struct err err = { "" };
    int error;

    if (request == NULL || !request_pack(command, &packed, &err) ||
        !request_unpack(packed.data, packed.bytes, request)) {
        (void)checklist_add(list, false, "input %s: %s", input->name, err.text);
        return;
    }
    if (program_find(request->words[0], program_variable(request->environment, "PATH"), path,
                     &error))
        (void)checklist_add(list, true, "input %s: runs %s", input->name, path);
    else
        (void)checklist_add(list, false, "input %s: '%s' cannot be run: %s", input->name,
                            request->words[0], strerror(error));
    if (command->folder[0] != '\0' && access(command->folder, X_OK) != 0)
        (void)checklist_add(list, false, "input %s: working_directory '%s': %s", input->name,
                            command->folder, strerror(errno));
}

void check_commands(const struct settings *settings, struct checklist *list)
{
    bool has_title = false;

    for (size_t i = 0; i < settings->input_count; i++) {
        const struct settings_part *input = &settings->inputs[i];
        struct command_line command;
        if (input->type->command == NULL)
            continue;
        if (!has_title)
            checklist_title("Commands of inputs");
        has_title = true;
        input->type->command(input->config, &command);
        check_command(input, &command, list);
    }
}
