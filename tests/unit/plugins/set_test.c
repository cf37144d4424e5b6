/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "plugins/plugin.h"

extern const struct processor processor_set;

enum { UNCHANGED, CHOICE_TRACE, CHOICE_ERROR = 5, CHOICE_FATAL };
struct set_config {
    opt_map attributes;
    opt_list remove;
    opt_choice severity;
};

static void apply(struct set_config config, struct event *event)
{
    void *state = calloc(1, processor_set.type.state_bytes);
    struct err err;

    assert_int_equal(sizeof(config), processor_set.type.config_bytes);
    assert_true(processor_set.type.check(&config, &err));
    assert_true(processor_set.open(state, &config, &err));
    assert_int_equal(processor_set.process(state, event), PROCESS_KEEP);
    free(state);
}

static void is_text(const struct event *event, const char *key, const char *wanted)
{
    struct value value;

    assert_true(event_field(event, slice_of(key), &value));
    assert_int_equal(value.kind, VALUE_TEXT);
    assert_int_equal(value.text.bytes, strlen(wanted));
    assert_memory_equal(value.text.data, wanted, strlen(wanted));
}

static void a_processor_that_does_nothing_is_an_error(void **unused)
{
    struct set_config config = { .severity = UNCHANGED };
    struct err err = { "" };

    (void)unused;
    assert_false(processor_set.type.check(&config, &err));
    assert_string_equal(err.text, "nothing to do: give attributes, remove or severity");
}

static void what_does_not_fit_is_counted(void **unused)
{
    struct text_pair pairs[] = { { "env", "test" } };
    struct event event = { .scratch = NULL };

    (void)unused;
    apply((struct set_config){ .attributes = { pairs, 1 } }, &event);
    assert_int_equal(event.attribute_count, 0);
    assert_int_equal(event.lost_attributes, 1);
}

static void attributes_are_set_and_those_there_are_replaced(void **unused)
{
    struct text_pair pairs[] = { { "env", "prod" }, { "team", "dam" } };
    char memory[4096];
    struct scratch scratch = { memory, sizeof(memory), 0 };
    struct event event = { .scratch = &scratch };

    (void)unused;
    event_text(&event, "env", SLICE("test"));
    apply((struct set_config){ .attributes = { pairs, 2 } }, &event);
    assert_int_equal(event.attribute_count, 2);
    is_text(&event, "env", "prod");
    is_text(&event, "team", "dam");
}

static void removed_keys_go_first_and_missing_ones_do_not_matter(void **unused)
{
    const char *keys[] = { "password", "nothing", "env" };
    struct text_pair pairs[] = { { "env", "prod" } };
    char memory[4096];
    struct scratch scratch = { memory, sizeof(memory), 0 };
    struct event event = { .scratch = &scratch };
    struct value value;

    (void)unused;
    event_text(&event, "password", SLICE("secret"));
    event_text(&event, "env", SLICE("test"));
    event_text(&event, "user", SLICE("ada"));
    apply((struct set_config){ .attributes = { pairs, 1 }, .remove = { keys, 3 } }, &event);
    assert_int_equal(event.attribute_count, 2);
    assert_false(event_field(&event, SLICE("password"), &value));
    is_text(&event, "env", "prod");
    is_text(&event, "user", "ada");
}

static void the_severity_has_the_numbers_and_names_of_opentelemetry(void **unused)
{
    struct event event = { .severity = SEVERITY_INFO, .severity_text = SLICE("notice") };
    struct text_pair pairs[] = { { "a", "b" } };

    (void)unused;
    apply((struct set_config){ .severity = CHOICE_ERROR }, &event);
    assert_int_equal(event.severity, SEVERITY_ERROR);
    is_text(&event, "severity_text", "ERROR");
    apply((struct set_config){ .severity = CHOICE_TRACE }, &event);
    assert_int_equal(event.severity, SEVERITY_TRACE);
    apply((struct set_config){ .severity = CHOICE_FATAL }, &event);
    assert_int_equal(event.severity, SEVERITY_FATAL);
    is_text(&event, "severity_text", "FATAL");
    apply((struct set_config){ .attributes = { pairs, 1 } }, &event);
    assert_int_equal(event.severity, SEVERITY_FATAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_processor_that_does_nothing_is_an_error),
        cmocka_unit_test(what_does_not_fit_is_counted),
        cmocka_unit_test(attributes_are_set_and_those_there_are_replaced),
        cmocka_unit_test(removed_keys_go_first_and_missing_ones_do_not_matter),
        cmocka_unit_test(the_severity_has_the_numbers_and_names_of_opentelemetry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
