/* SPDX-License-Identifier: Apache-2.0 */
/* why_named: a file that no pattern is about may have a part in the configuration all the same: an
 * address where an input listens, the journal, the kernel's log, a certificate, a spool. */
#pragma once

#include "cli/why_match.h"

struct why_named {
    struct buf text; /* a line for each option that names it, and for each input that reads it */
    const char *read_by; /* an input whose events come from it; NULL: none */
};
/* false: nothing in the configuration is about it. */
bool why_named_find(const struct settings *settings, const struct why_file *file,
                    struct why_named *ret);
void why_named_fini(struct why_named *named);
