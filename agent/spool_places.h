/* SPDX-License-Identifier: Apache-2.0 */
/* spool_places: where the spool of an output was before a reload took it elsewhere, or took it
 * away: what lies there is sent before all else, by this start and by those after it. Threads:
 * main. */
#pragma once

#include "base/err.h"
#include "config/settings.h"

#include <limits.h>

/* Kept on disk, in the state directory. false: err says why not. */
bool spool_place_remember(const struct settings *settings, const char *output, const char *path,
                          struct err *err);
/* What of a spool lies in that folder. */
struct spool_left {
    unsigned files;
    uint64_t bytes;
    bool is_unknown; /* there may be more: the folder cannot be read */
};
struct spool_left spool_place_left(const char *path);
/* What was remembered last; "": nothing, or nothing of a spool lies there any more. Where that
 * cannot be told it stays remembered. */
void spool_place_before(const struct settings *settings, const char *output, char ret[PATH_MAX]);
