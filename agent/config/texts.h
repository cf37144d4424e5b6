/* SPDX-License-Identifier: Apache-2.0 */
/* texts: the files of a configuration: the one that is named, and those in the folder conf.d beside
 * it whose names end with .yaml, in the order of their names' bytes. Names that begin with a dot
 * are passed over, as are those of package managers and editors, which end otherwise. Promise: at
 * most TEXTS_MAX files beside the first, TEXTS_BYTES_MAX bytes in all. Threads: none of its own. */
#pragma once

#include "base/buf.h"
#include "config/diagnostics.h"

enum { TEXTS_MAX = 64, TEXTS_BYTES_MAX = 1 << 20 };

struct texts {
    struct config_text *items; /* [0]: the file that was named */
    size_t count;
    struct texts_memory *memory; /* private */
};

/* false: one of them cannot be read; ret_problems says which, and ret has those that can. */
bool texts_read(const char *path, struct texts *ret, struct buf *ret_problems);
void texts_fini(struct texts *texts);
