/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "flow/tap_filter.h"

static struct attribute attributes[] = {
    { SLICE("status"), { .kind = VALUE_INT, .integer = 503 } },
    { SLICE("path"), { .kind = VALUE_TEXT, .text = SLICE("/api/users") } },
};
static const struct event sample = { .body = SLICE("GET /api/users took 12 ms: timeout"),
                                     .severity = 17,
                                     .attributes = attributes,
                                     .attribute_count = 2 };

static bool is_shown(const char *written)
{
    struct tap_filter filter;
    struct err err = { "" };

    if (!tap_filter_parse(written, &filter, &err))
        fail_msg("%s: %s", written, err.text);
    return tap_filter_matches(&filter, &sample);
}

static void a_text_stands_anywhere_in_the_field_and_a_star_for_anything(void **unused)
{
    (void)unused;
    assert_true(is_shown("body=timeout"));
    assert_true(is_shown("body=GET"));
    assert_true(is_shown("body=GET*took*timeout"));
    assert_true(is_shown("body=*timeout*"));
    assert_true(is_shown("body="));
    assert_true(is_shown("body=*"));
    assert_false(is_shown("body=Timeout"));
    assert_false(is_shown("body=took*GET")); /* in this order */
    assert_false(is_shown("body=timeout*timeout"));
    assert_false(is_shown("body=timeouts"));
}

static void attributes_numbers_and_what_is_not_there(void **unused)
{
    (void)unused;
    assert_true(is_shown("status=503"));
    assert_true(is_shown("attributes.status=50"));
    assert_true(is_shown("severity_number=17"));
    assert_false(is_shown("status=504"));
    assert_false(is_shown("nothing=x"));
    assert_false(is_shown("nothing="));
    assert_true(is_shown("nothing!=x"));
    assert_true(is_shown("path!=login"));
    assert_false(is_shown("path!=users"));
    assert_true(is_shown("body=12 ms")); /* the first = ends the field */
}

static void what_is_no_filter_is_refused(void **unused)
{
    (void)unused;
    struct tap_filter filter;
    struct err err = { "" };
    char text[200];

    assert_false(tap_filter_parse("body", &filter, &err));
    assert_string_equal(err.text, "'body' is not FIELD=TEXT");
    assert_false(tap_filter_parse("=x", &filter, &err));
    assert_false(tap_filter_parse("!=x", &filter, &err));
    memset(text, 'x', sizeof(text));
    text[70] = '=';
    text[80] = '\0';
    assert_false(tap_filter_parse(text, &filter, &err));
    text[70] = 'x';
    text[1] = '=';
    text[80] = 'x';
    text[199] = '\0';
    assert_false(tap_filter_parse(text, &filter, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_stands_anywhere_in_the_field_and_a_star_for_anything),
        cmocka_unit_test(attributes_numbers_and_what_is_not_there),
        cmocka_unit_test(what_is_no_filter_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
