/* SPDX-License-Identifier: Apache-2.0 */
#include "class_lines.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>

enum { MOST = 257, CLASSES_TOLD = 8 }; /* 256 by option, and the others */

static uint64_t dropped_of(const struct class_report *class)
{
    return class->shed + class->refused + class->evicted;
}

/* Those with the most drops first, then those that waited longest. */
static int compare_reports(const void *a, const void *b)
{
    const struct class_report *one = a, *other = b;
    uint64_t dropped = dropped_of(one), dropped_other = dropped_of(other);

    if (dropped != dropped_other)
        return dropped < dropped_other ? 1 : -1;
    return (one->longest_wait_ms < other->longest_wait_ms) -
           (one->longest_wait_ms > other->longest_wait_ms);
}

/* Of those that have no line of their own. */
static void write_rest(const struct class_report *reports, size_t count, const char *input,
                       const char *output)
{
    struct class_report sum = { .admitted = 0 };

    for (size_t i = 0; i < count; i++) {
        sum.admitted += reports[i].admitted;
        sum.gathered += reports[i].gathered;
        sum.waiting += reports[i].waiting;
        sum.shed += dropped_of(&reports[i]);
        if (reports[i].longest_wait_ms > sum.longest_wait_ms)
            sum.longest_wait_ms = reports[i].longest_wait_ms;
    }
    LOG_AS(LOG_REPORT, LOG_INFO, "further classes", LS("input", input), LS("output", output),
           LU("classes", count), LU("admitted", sum.admitted), LU("dropped", sum.shed),
           LU("gathered", sum.gathered), LU("waiting", sum.waiting),
           LI("longest_wait_ms", sum.longest_wait_ms));
}

void class_lines_write(struct lane *lane, const char *input, const char *output)
{
    struct class_report reports[MOST];
    size_t count = lane_report_classes(lane, clock_boot_ms(), reports, MOST);

    qsort(reports, count, sizeof(reports[0]), compare_reports);
    for (size_t i = 0; i < count && i < CLASSES_TOLD; i++) {
        const struct class_report *class = &reports[i];
        LOG_AS(LOG_REPORT, LOG_INFO, "class", LS("input", input), LS("output", output),
               LS("class", class->name), LU("admitted", class->admitted), LU("shed", class->shed),
               LU("refused", class->refused), LU("evicted", class->evicted),
               LU("gathered", class->gathered), LU("waiting", class->waiting),
               LI("longest_wait_ms", class->longest_wait_ms));
    }
    if (count > CLASSES_TOLD)
        write_rest(reports + CLASSES_TOLD, count - CLASSES_TOLD, input, output);
}
