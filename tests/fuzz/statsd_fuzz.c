/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as lines of statsd: what is taken lies within its line, the table keeps its bounds, and
 * what it sends is finite where what came was small enough. */
#include "plugins/inputs/statsd/emit.h"
#include "plugins/inputs/statsd/number.h"

#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum { MAX_SERIES = 24, MAX_BYTES = 64 * 1024 };
static char scratch_memory[64 * 1024];

static void check_within(struct slice part, struct slice line)
{
    CHECK(part.bytes == 0 || (part.data >= line.data && part.bytes <= line.bytes &&
                              part.data + part.bytes <= line.data + line.bytes));
}

static void take_sample(struct series_table *table, struct slice line)
{
    struct statsd_sample sample;
    struct statsd_value value;
    size_t values = 0;

    if (statsd_parse_sample(line, &sample) != NULL)
        return;
    check_within(sample.name, line);
    CHECK(sample.weight >= 1 && sample.weight <= 1e6 && sample.tags.count <= STATSD_TAGS_MOST);
    for (size_t i = 0; i < sample.tags.count; i++)
        check_within(sample.tags.items[i], line);
    for (; statsd_value(&sample, &value); values++) {
        check_within(value.text, line);
        (void)series_add(table, &sample, &value, 1, (int64_t)table->count);
        CHECK(table->count <= MAX_SERIES && table->bytes <= MAX_BYTES);
    }
    CHECK(values > 0);
}

static void take_event(struct slice line)
{
    struct scratch scratch = { scratch_memory, sizeof(scratch_memory), 0 };
    struct event event = { .scratch = &scratch };
    struct statsd_event parsed;

    if (statsd_parse_event(line, &parsed) != NULL)
        return;
    check_within(parsed.title, line);
    check_within(parsed.text, line);
    emit_event(&event, &parsed);
    CHECK(event.body.bytes <= line.bytes);
}

static void check_series(const struct series_table *table)
{
    for (size_t i = 0; i < table->slot_count; i++) {
        const struct series *series = table->slots[i];
        size_t at = 0;
        struct slice tag;
        while (series != NULL && series_tag(series, &at, &tag))
            check_within(tag, (struct slice){ series->key, series->key_bytes });
        if (series == NULL || series->sketch == NULL || series->sketch->count == 0)
            continue;
        double median = sketch_quantile(series->sketch, 0.5);
        CHECK(median >= series->sketch->min && median <= series->sketch->max);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct series_table table;
    const char *at = (const char *)data, *end = at + bytes;

    CHECK(series_table_init(&table, MAX_SERIES, MAX_BYTES, 1));
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t length = newline == NULL ? (size_t)(end - at) : (size_t)(newline - at);
        char *line = malloc(length == 0 ? 1 : length); /* a look behind it is seen */
        CHECK(line != NULL);
        memcpy(line, at, length);
        struct slice slice = { line, length };
        if (length > 0 && statsd_is_event(slice))
            take_event(slice);
        else if (length > 0)
            take_sample(&table, slice);
        free(line);
        at += length + 1;
    }
    check_series(&table);
    series_expire(&table, MAX_SERIES / 2);
    check_series(&table);
    series_table_fini(&table);
    return 0;
}
