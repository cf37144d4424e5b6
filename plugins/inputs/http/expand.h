/* SPDX-License-Identifier: Apache-2.0 */
/* expand: a whole body as it came, to what it says, in one go and into memory of one size.
 * Promise: never writes more than `room`; what grows by more than EXPAND_RATIO beyond the first
 * megabyte is refused as a bomb, whatever room there is. Threads: any, one at a time. */
#pragma once

#include "plugin.h"

enum expand_coding { CODING_IDENTITY, CODING_GZIP, CODING_DEFLATE, CODING_ZSTD, CODING_UNKNOWN };
enum expanded { EXPANDED, EXPAND_DAMAGED, EXPAND_TOO_LARGE, EXPAND_NO_MEMORY };

/* Beyond what logs of one and the same line, over and over, compress by. */
enum { EXPAND_RATIO = 400, EXPAND_FREE_BYTES = 1024 * 1024 };

extern const char expand_known[]; /* as a header names them: "gzip, deflate, zstd" */
/* By the value of Content-Encoding; NULL: none. */
enum expand_coding expand_coding_of(const char *name);
/* Not for CODING_IDENTITY and CODING_UNKNOWN. Several members or frames in a row are one text. */
enum expanded expand(enum expand_coding coding, struct slice body, char *to, size_t room,
                     size_t *ret_bytes);
