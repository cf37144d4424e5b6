/* SPDX-License-Identifier: Apache-2.0 */
/* checklist: lines with a tick or a cross, and how many crosses there were. */
#pragma once

#include <stdbool.h>

struct checklist {
    bool is_utf8;
    unsigned failed;
};

void checklist_title(const char *title);
/* Appends the mark and the line. Returns is_ok. What comes from outside is shown as plain text. */
bool checklist_add(struct checklist *list, bool is_ok, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
