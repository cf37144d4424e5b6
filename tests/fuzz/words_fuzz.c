/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as each of the short ones that come from outside: Retry-After of an endpoint, Accept of
 * a scraper, the filter of a tap and the field that it looks at, a file's path and a pattern,
 * /proc/PID/status. And any bytes as the output of a command: in pieces of any size it gives the
 * same lines as whole. */
#include "base/identity.h"
#include "base/line_buffer.h"
#include "base/patterns.h"
#include "delivery/verdict.h"
#include "flow/tap_filter.h"
#include "ledger/metrics.h"

#include "base/check.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum { LINE_BYTES = 24, READ_BYTES = 64 };

static void take_text(const char *text)
{
    static struct identity identity;
    struct slice body = { text, strlen(text) };
    struct event event = { .body = body };
    struct tap_filter filter;
    struct err err = { "" };
    const char *behind = strchr(text, '\n');
    int64_t wait_ms = verdict_retry_after_ms(text, 1795000000);

    CHECK(wait_ms >= -1 && wait_ms <= RETRY_AFTER_MAX_MS);
    CHECK(metrics_choose(text) == METRICS_CLASSIC || metrics_choose(text) == METRICS_OPENMETRICS);
    if (tap_filter_parse(text, &filter, &err))
        (void)tap_filter_matches(&filter, &event);
    else
        CHECK(err.text[0] != '\0');
    if (identity_parse(body, &identity))
        CHECK(identity.group_count <= IDENTITY_GROUPS);
    if (behind == NULL)
        return;
    char *pattern = strndup(text, (size_t)(behind - text));
    CHECK(pattern != NULL);
    const char *const patterns[] = { pattern };
    (void)patterns_excluding(patterns, 1, behind + 1);
    (void)patterns_exclude_below(patterns, 1, behind + 1);
    (void)patterns_may_end_with(pattern, behind + 1);
    CHECK(patterns_check(pattern, &err) || err.text[0] != '\0');
    struct pattern_fit fit = patterns_fit(pattern, behind + 1);
    CHECK(strlen(fit.wanted) < PATTERN_PART_BYTES && strlen(fit.present) < PATTERN_PART_BYTES);
    free(pattern);
}

static uint64_t mix(uint64_t sum, const struct line *line)
{
    CHECK(line->text.bytes <= LINE_BYTES && line->whole_bytes >= line->text.bytes);
    for (size_t i = 0; i < line->text.bytes; i++)
        sum = (sum ^ (unsigned char)line->text.data[i]) * UINT64_C(1099511628211);
    return (sum ^ line->whole_bytes) * UINT64_C(1099511628211);
}

static uint64_t read_lines(const uint8_t *data, size_t bytes, size_t piece)
{
    struct line_buffer buffer;
    struct line line;
    uint64_t sum = UINT64_C(14695981039346656037);

    CHECK(line_buffer_init(&buffer, LINE_BYTES, READ_BYTES));
    for (size_t at = 0; at < bytes;) {
        size_t room, taken = bytes - at < piece ? bytes - at : piece;
        char *space = line_buffer_space(&buffer, &room);
        CHECK(room > 0);
        taken = taken < room ? taken : room;
        memcpy(space, data + at, taken);
        line_buffer_add(&buffer, taken);
        while (line_buffer_next(&buffer, &line))
            sum = mix(sum, &line);
        at += taken;
    }
    if (line_buffer_rest(&buffer, &line))
        sum = mix(sum, &line);
    line_buffer_fini(&buffer);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char *text = malloc(bytes + 1);

    CHECK(text != NULL);
    memcpy(text, data, bytes);
    text[bytes] = '\0';
    take_text(text);
    free(text);
    if (bytes > 0)
        CHECK(read_lines(data + 1, bytes - 1, 1 + data[0] % READ_BYTES) ==
              read_lines(data + 1, bytes - 1, READ_BYTES));
    return 0;
}
