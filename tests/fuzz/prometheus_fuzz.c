/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a scrape: what is taken lies within its line, and the family within its bounds. The
 * first byte says which format it is. */
#include "plugins/inputs/prometheus/text.h"

#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_within(struct slice part, const char *line, size_t bytes)
{
    CHECK(part.bytes == 0 ||
          (part.data >= line && part.bytes <= bytes && part.data + part.bytes <= line + bytes));
}

static void check_sample(const struct prometheus_text *text, const char *line, size_t bytes,
                         const struct prometheus_sample *sample)
{
    CHECK(sample->name.bytes > 0 && sample->digits.bytes > 0);
    check_within(sample->name, line, bytes);
    check_within(sample->digits, line, bytes);
    CHECK(sample->label_count <= PROMETHEUS_LABELS_MOST);
    for (size_t i = 0; i < sample->label_count; i++) {
        CHECK(sample->labels[i].name.bytes > 0);
        check_within(sample->labels[i].name, line, bytes);
        check_within(sample->labels[i].value, line, bytes);
    }
    enum event_kind kind = prometheus_kind(text, sample->name);
    CHECK(kind == EVENT_GAUGE || kind == EVENT_SUM);
    CHECK(prometheus_unit(text, sample->name).bytes <= PROMETHEUS_UNIT_MOST_BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    const char *at = (const char *)data, *end = at + bytes;
    struct prometheus_text text = { .is_openmetrics = bytes > 0 && (data[0] & 1) != 0 };
    struct prometheus_sample sample;

    for (at += bytes > 0 ? 1 : 0; at < end;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t length = newline == NULL ? (size_t)(end - at) : (size_t)(newline - at);
        char *line = malloc(length == 0 ? 1 : length); /* a look behind it is seen */
        CHECK(line != NULL);
        memcpy(line, at, length);
        if (prometheus_read(&text, line, length, &sample) == PROMETHEUS_SAMPLE)
            check_sample(&text, line, length, &sample);
        CHECK(text.name_bytes <= sizeof(text.name) && text.unit_bytes <= sizeof(text.unit));
        free(line);
        at += length + 1;
    }
    return 0;
}
