/* SPDX-License-Identifier: Apache-2.0 */
/* reading_positions: receipts and checkpoint of a reading, as it begins. In the main thread. */
#include "base/auto.h"
#include "input/checkpoint.h"
#include "input/reading_state.h"

#include <limits.h>

enum { HANDED_OVER_MS = 2000 };

/* false: it cannot be read now. To start as without one would pass over what came since. */
static bool restore_positions(struct reading *reading, const char *path, struct err *ret_err)
{
    AUTO(buf_fini) struct buf file = { 0 };
    struct slice text;
    struct err err = { "" };
    enum checkpoint_found found = checkpoint_read(path, &file, &text, &err);

    if (found == CHECKPOINT_UNREAD)
        return err_set(ret_err, "input '%s': its checkpoint: %s", reading->config.input, err.text);
    if (found == CHECKPOINT_PREVIOUS)
        LOG(LOG_ERROR, "checkpoint damaged, using the previous one",
            LS("input", reading->config.input), LS("path", path), LS("error", err.text));
    if (found == CHECKPOINT_DAMAGED)
        LOG(LOG_ERROR, "checkpoint damaged, starting as without one",
            LS("input", reading->config.input), LS("path", path), LS("error", err.text));
    if ((found == CHECKPOINT_READ || found == CHECKPOINT_PREVIOUS) &&
        !reading->config.plugin->restore(reading->state, text, &err))
        LOG(LOG_ERROR, "checkpoint not understood, starting as without one",
            LS("input", reading->config.input), LS("path", path), LS("error", err.text));
    return true;
}

enum receipts_way reading_way_back(const struct reading *reading)
{
    return reading->sink.rereadable ? RECEIPTS_GO_BACK : RECEIPTS_BY_BOOKS;
}

bool reading_open_positions(struct reading *reading, struct err *err)
{
    char path[PATH_MAX];

    bool is_rereadable = (reading->config.plugin->type.traits & INPUT_REREADABLE) != 0;
    if (!is_rereadable && reading->config.plugin->answer == NULL)
        return true;
    reading->sink.receipts = receipts_new(reading_ring, reading);
    if (reading->sink.receipts == NULL)
        return err_set(err, "out of memory for a reading");
    if (!is_rereadable)
        return true;
    reading->sink.rereadable = true;
    receipts_set_way(reading->sink.receipts, reading_way_back(reading));
    if (!checkpoint_path_of(reading->config.state_dir, reading->config.input,
                            reading->config.output, reading->config.plugin->type.name, path,
                            sizeof(path)))
        return err_set(err, "state_dir '%s' is too long", reading->config.state_dir);
    reading->file = disk_file_new(reading->config.disk, path, reading_ring, reading);
    if (reading->file == NULL)
        return err_set(err, "out of memory for a reading");
    /* One of the same name that was taken out by a reload has handed over its last positions. */
    if (!disk_file_await(reading->file, HANDED_OVER_MS))
        return err_set(err, "input '%s': its positions are not on disk: see the log",
                       reading->config.input);
    reading->seen_disk_errors = disk_file_errors(reading->file);
    return restore_positions(reading, path, err);
}
