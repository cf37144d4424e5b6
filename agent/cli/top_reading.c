/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/top_reading.h"

#include "base/clock.h"

static bool is_same(const struct books_found *a, const struct books_found *b)
{
    return a->reader != NULL && b->reader != NULL &&
           slice_equals(a->reader->image.bytes, b->reader->image.bytes);
}

/* The reading before last is given up; `found` is the last one. */
static void shift(struct top_reading *reading, struct books_found *found)
{
    int64_t now_ms = clock_now_ms();
    double seconds = (double)(now_ms - reading->now_ms) / (double)MS_PER_S;

    figures_free(&reading->figures);
    books_found_fini(&reading->before);
    memcpy(&reading->before, &reading->now, sizeof(reading->before));
    memcpy(&reading->now, found, sizeof(reading->now));
    if (!is_same(&reading->now, &reading->before))
        reading->still_since_ms = now_ms;
    reading->now_ms = now_ms;
    reading->figures = figures_new(reading->now.reader, reading->before.reader, seconds);
}

static void look_at_time(struct top_reading *reading, bool is_read)
{
    reading->source = (struct source){
        .found = reading->now.reader != NULL ? &reading->now : NULL,
        .now_real_ns = clock_real_ns(),
        .still_s = (double)(clock_now_ms() - reading->still_since_ms) / (double)MS_PER_S,
        .trouble = is_read ? "" : reading->trouble.text,
    };
}

bool top_read(struct top_reading *reading)
{
    struct books_found found;
    bool is_read = books_find(&reading->wanted, &found, &reading->trouble);

    if (is_read) {
        shift(reading, &found);
        if (reading->figures == NULL)
            is_read = err_set(&reading->trouble, "out of memory");
    }
    look_at_time(reading, is_read);
    return is_read;
}

bool top_may_move(const struct top_reading *reading)
{
    return reading->now.reader != NULL && reading->now.kind == BOOKS_LIVE &&
           (reading->now.holder == HOLDER_RUNNING || reading->now.holder == HOLDER_STOPPED);
}

void top_reading_fini(struct top_reading *reading)
{
    figures_free(&reading->figures);
    books_found_fini(&reading->now);
    books_found_fini(&reading->before);
}
