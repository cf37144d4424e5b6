/* SPDX-License-Identifier: Apache-2.0 */
#include "rights/rights.h"

bool rights_begin(struct rights *ret, const struct settings *settings, struct err *err)
{
    return command_list_start(&ret->commands, settings, &ret->starter, err);
}

bool rights_cover(const struct rights *rights, const struct settings *settings,
                  struct buf *ret_problems)
{
    return command_list_cover(&rights->commands, settings, ret_problems);
}

const struct starter *rights_starter(const struct rights *rights)
{
    return rights->starter.pid > 0 ? &rights->starter : NULL;
}

void rights_end(struct rights *rights)
{
    starter_stop(&rights->starter);
    command_list_fini(&rights->commands);
}
