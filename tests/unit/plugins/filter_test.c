/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "plugins/plugin.h"

extern const struct processor processor_filter;

enum { ACTION_DROP, ACTION_KEEP };
struct filter_config {
    opt_choice action;
    opt_text field, pattern, equals;
    opt_flag invert;
};

/* What a test leaves out is as it is when a user leaves it out. */
static struct filter_config with_presets(struct filter_config config)
{
    config.field = config.field == NULL ? "body" : config.field;
    config.pattern = config.pattern == NULL ? "" : config.pattern;
    config.equals = config.equals == NULL ? "" : config.equals;
    return config;
}

static const char *check(struct filter_config config)
{
    static struct err err;

    config = with_presets(config);
    assert_int_equal(sizeof(config), processor_filter.type.config_bytes);
    err.text[0] = '\0';
    bool ok = processor_filter.type.check(&config, &err);
    assert_int_equal(ok, err.text[0] == '\0');
    return err.text;
}

static enum processed filter(struct filter_config config, struct event *event)
{
    void *state = calloc(1, processor_filter.type.state_bytes);
    struct err err;

    config = with_presets(config);
    assert_string_equal(check(config), "");
    assert_true(processor_filter.open(state, &config, &err));
    enum processed processed = processor_filter.process(state, event);
    processor_filter.close(state);
    free(state);
    return processed;
}

#define FILTER(event, ...) filter((struct filter_config){ __VA_ARGS__ }, (event))
#define CHECKED(...) check((struct filter_config){ __VA_ARGS__ })

static struct event line(const char *body)
{
    return (struct event){ .body = slice_of(body), .severity = SEVERITY_WARN };
}

static void a_filter_needs_a_pattern_or_a_text_and_not_both(void **unused)
{
    (void)unused;
    assert_string_equal(CHECKED(.action = ACTION_DROP), "give either a pattern or equals");
    assert_string_equal(CHECKED(.pattern = "a", .equals = "b"), "give either a pattern or equals");
    assert_non_null(strstr(CHECKED(.field = "", .equals = "b"), "field is empty"));
}

static void a_pattern_that_is_no_expression_is_told_with_the_reason(void **unused)
{
    (void)unused;
    assert_string_equal(CHECKED(.pattern = "a(b"),
                        "'a(b' is not a pattern, at its character 4: missing closing parenthesis");
}

static void an_event_without_the_field_does_not_match(void **unused)
{
    struct event event = line("GET /");

    (void)unused;
    assert_int_equal(FILTER(&event, .field = "user", .pattern = ".*"), PROCESS_KEEP);
    assert_int_equal(FILTER(&event, .field = "user", .pattern = ".*", .action = ACTION_KEEP),
                     PROCESS_DROP);
    assert_int_equal(FILTER(&event, .field = "user", .pattern = ".*", .invert = true),
                     PROCESS_DROP);
}

static void dropping_and_keeping_are_each_other_s_opposite(void **unused)
{
    struct event health = line("GET /healthz HTTP/1.1"), order = line("GET /orders HTTP/1.1");

    (void)unused;
    assert_int_equal(FILTER(&health, .pattern = "/(healthz|ping) "), PROCESS_DROP);
    assert_int_equal(FILTER(&order, .pattern = "/(healthz|ping) "), PROCESS_KEEP);
    assert_int_equal(FILTER(&health, .pattern = "/healthz", .action = ACTION_KEEP), PROCESS_KEEP);
    assert_int_equal(FILTER(&order, .pattern = "/healthz", .action = ACTION_KEEP), PROCESS_DROP);
    assert_int_equal(FILTER(&health, .pattern = "/healthz", .invert = true), PROCESS_KEEP);
    assert_int_equal(FILTER(&order, .pattern = "/healthz", .invert = true), PROCESS_DROP);
}

static void equals_wants_the_whole_field(void **unused)
{
    struct event event = line("debug");

    (void)unused;
    assert_int_equal(FILTER(&event, .equals = "debug"), PROCESS_DROP);
    assert_int_equal(FILTER(&event, .equals = "debu"), PROCESS_KEEP);
    assert_int_equal(FILTER(&event, .equals = "debug "), PROCESS_KEEP);
}

static void a_body_ends_where_its_length_says(void **unused)
{
    struct event cut = { .body = { "GET /healthz", 5 } };
    struct event with_nul = { .body = { "a\0b", 3 } };
    struct event empty = { .body = { NULL, 0 } };

    (void)unused;
    assert_int_equal(FILTER(&cut, .pattern = "health"), PROCESS_KEEP);
    assert_int_equal(FILTER(&cut, .pattern = "/$"), PROCESS_DROP);
    assert_int_equal(FILTER(&with_nul, .pattern = "b$"), PROCESS_DROP);
    assert_int_equal(FILTER(&empty, .pattern = "^$"), PROCESS_DROP);
}

static void numbers_and_attributes_are_compared_as_text(void **unused)
{
    struct attribute attributes[] = {
        { SLICE("code"), { .kind = VALUE_INT, .integer = -503 } },
        { SLICE("took"), { .kind = VALUE_REAL, .real = 0.25 } },
        { SLICE("cached"), { .kind = VALUE_BOOL, .boolean = true } },
        { SLICE("user"), { .kind = VALUE_TEXT, .text = SLICE("ada") } },
    };
    struct event event = line("x");

    (void)unused;
    event.attributes = attributes;
    event.attribute_count = 4;
    assert_int_equal(FILTER(&event, .field = "code", .equals = "-503"), PROCESS_DROP);
    assert_int_equal(FILTER(&event, .field = "attributes.took", .equals = "0.25"), PROCESS_DROP);
    assert_int_equal(FILTER(&event, .field = "cached", .equals = "true"), PROCESS_DROP);
    assert_int_equal(FILTER(&event, .field = "user", .pattern = "^a"), PROCESS_DROP);
    assert_int_equal(FILTER(&event, .field = "severity_number", .equals = "13"), PROCESS_DROP);
}

static void a_line_however_long_is_looked_at_whole_and_a_pattern_given_up_is_no_match(void **unused)
{
    static char text[64 * 1024];
    const struct filter_config config =
        with_presets((struct filter_config){ .pattern = "[0-9]+ms" });
    void *state = calloc(1, processor_filter.type.state_bytes);
    struct event event = { .body = { text, sizeof(text) } };
    struct err err;

    (void)unused;
    memset(text, '7', sizeof(text));
    assert_true(processor_filter.open(state, &config, &err));
    assert_int_equal(processor_filter.process(state, &event), PROCESS_KEEP);
    assert_int_equal(processor_filter.given_up(state), 1);
    assert_int_equal(processor_filter.given_up(state), 0);
    memcpy(text + sizeof(text) - 2, "ms", 2);
    assert_int_equal(processor_filter.process(state, &event), PROCESS_DROP);
    assert_int_equal(processor_filter.given_up(state), 0);
    processor_filter.close(state);
    free(state);
}

static void a_pattern_goes_over_the_lines_of_an_event(void **unused)
{
    struct event event = line("java.lang.Error: no\n\tat Pool.timeout");

    (void)unused;
    assert_int_equal(FILTER(&event, .pattern = "Error.*timeout$"), PROCESS_DROP);
    assert_int_equal(FILTER(&event, .pattern = "^[[:space:]]at"), PROCESS_KEEP);
    assert_int_equal(FILTER(&event, .pattern = "[[:space:]]{2}at"), PROCESS_DROP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_filter_needs_a_pattern_or_a_text_and_not_both),
        cmocka_unit_test(a_pattern_that_is_no_expression_is_told_with_the_reason),
        cmocka_unit_test(an_event_without_the_field_does_not_match),
        cmocka_unit_test(dropping_and_keeping_are_each_other_s_opposite),
        cmocka_unit_test(equals_wants_the_whole_field),
        cmocka_unit_test(a_body_ends_where_its_length_says),
        cmocka_unit_test(numbers_and_attributes_are_compared_as_text),
        cmocka_unit_test(a_line_however_long_is_looked_at_whole_and_a_pattern_given_up_is_no_match),
        cmocka_unit_test(a_pattern_goes_over_the_lines_of_an_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
