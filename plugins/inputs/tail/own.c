/* SPDX-License-Identifier: Apache-2.0 */
#include "state.h"

static void note_file_of(int fd, struct tail_identity *ret)
{
    struct tail_stat own;

    *ret = (struct tail_identity){ .inode = 0 };
    if (tail_stat_fd(fd, &own) && own.is_regular)
        *ret = own.identity;
}

void tail_own_look(struct tail *tail)
{
    note_file_of(STDOUT_FILENO, &tail->own.files[0]);
    note_file_of(STDERR_FILENO, &tail->own.files[1]);
}

bool tail_own_is(const struct tail *tail, const struct tail_identity *identity)
{
    for (size_t i = 0; i < TAIL_OWN; i++) {
        const struct tail_identity *own = &tail->own.files[i];
        if (own->inode != 0 && own->inode == identity->inode && own->device == identity->device)
            return !tail->config->own_output;
    }
    return false;
}

bool tail_own_leaves_out(struct tail *tail, struct sink *sink, const char *path,
                         const struct tail_stat *stat)
{
    if (!tail_own_is(tail, &stat->identity))
        return false;
    /* Of a checkpoint: it was another's then, or the option was on. Nothing of it is on its way. */
    struct tail_file *known =
        tail_table_by_inode(&tail->table, stat->identity.device, stat->identity.inode);
    if (known != NULL && !tail->has_scanned && !known->queued && !known->reading)
        tail_file_drop(tail, &known);
    if (!tail->own.is_told)
        sink_tell(sink, LOG_WARN, "file is not read, the agent writes it itself", path,
                  "own_output is off");
    tail->own.is_told = true;
    return true;
}
