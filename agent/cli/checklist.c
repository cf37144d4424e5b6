/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/checklist.h"

#include "base/buf.h"
#include "cli/plain.h"

void checklist_title(const char *title)
{
    (void)printf("%s\n", title);
}

bool checklist_add(struct checklist *list, bool is_ok, const char *format, ...)
{
    const char *tick = list->is_utf8 ? "\xe2\x9c\x93" : "ok";
    const char *cross = list->is_utf8 ? "\xe2\x9c\x97" : "FAILED";
    struct buf line = { 0 };
    va_list args;

    va_start(args, format);
    (void)buf_vprintf(&line, format, args);
    va_end(args);
    list->failed += is_ok ? 0 : 1;
    (void)printf("  %s ", is_ok ? tick : cross);
    plain_write(stdout, buf_slice(&line));
    (void)printf("\n");
    buf_fini(&line);
    return is_ok;
}
