/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "flow/field_key.h"

#include <math.h>
#include <stdio.h>

static void assert_text(const struct event *event, const char *field, const char *wanted)
{
    char room[FIELD_KEY_BYTES];
    struct slice text = field_key_text(event, slice_of(field), room);
    if (!slice_equals(text, slice_of(wanted)))
        fail_msg("%s: '%.*s' instead of '%s'", field, (int)text.bytes, text.data, wanted);
}

static void fields_of_every_kind_have_a_text(void **unused)
{
    (void)unused;
    struct attribute attributes[] = {
        { SLICE("tenant"), { .kind = VALUE_TEXT, .text = SLICE("acme") } },
        { SLICE("shard"), { .kind = VALUE_INT, .integer = -7 } },
        { SLICE("ratio"), { .kind = VALUE_REAL, .real = 0.5 } },
        { SLICE("paid"), { .kind = VALUE_BOOL, .boolean = true } },
    };
    struct event event = { .body = SLICE("b"), .attributes = attributes, .attribute_count = 4 };
    assert_text(&event, "attributes.tenant", "acme");
    assert_text(&event, "tenant", "acme");
    assert_text(&event, "shard", "-7");
    assert_text(&event, "ratio", "0.5");
    assert_text(&event, "paid", "true");
    assert_text(&event, "body", "b");
    assert_text(&event, "nothing", "");
    assert_text(&event, "trace_id", "");
    memcpy(event.trace_id, "0123456789abcdef", 16);
    event.flags = EVENT_HAS_TRACE;
    assert_text(&event, "trace_id", "0123456789abcdef");
}

static void hashes_are_even_and_the_same_everywhere(void **unused)
{
    (void)unused;
    enum { KEYS = 100000, BINS = 50 };
    size_t bins[BINS] = { 0 };

    /* What one host keeps another must keep: this value may never change. */
    assert_true(field_key_hash(SLICE("acme")) == UINT64_C(0x130a76222d4427ef));
    for (int i = 0; i < KEYS; i++) {
        char text[16];
        (void)snprintf(text, sizeof(text), "t%d", i);
        bins[(size_t)((double)(field_key_hash(slice_of(text)) >> 11) * 0x1.0p-53 * BINS)]++;
    }
    for (size_t i = 0; i < BINS; i++) /* 2000 expected, sigma 44 */
        assert_in_range(bins[i], 1800, 2200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_of_every_kind_have_a_text),
        cmocka_unit_test(hashes_are_even_and_the_same_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
