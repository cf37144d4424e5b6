/* SPDX-License-Identifier: Apache-2.0 */
/* err: one error text for a human, filled where it happens and shown by the caller who knows.
 * Used at start and in configuration; in the flow of events there are named verdicts instead. */
#pragma once

#include <stdbool.h>

struct err {
    char text[512]; /* "" : no error */
};

/* Formats the text, cut to what fits. Always returns false, so that one line reports and leaves:
 *     return err_set(err, "cannot open '%s': %s", path, strerror(errno)); */
bool err_set(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
