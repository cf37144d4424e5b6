/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "config/settings_diff.h"

#include "fake_catalog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AGENT "agent: {state_dir: /tmp/a, memory_limit: 64MiB}\n"
#define APP "  app: {type: pipe, processors: [only]"
#define ONLY "processors: {only: {type: filter, field: body, pattern: x}}\n"
#define MAIN "outputs: {main: {type: post, url: 'http://h/'"

static void load(const char *text, struct settings *ret)
{
    struct buf problems = { 0 };
    if (!settings_parse("a.yaml", slice_of(text), &fake_catalog, ret, &problems))
        fail_msg("%s in:\n%s", buf_slice(&problems).data, text);
    buf_fini(&problems);
}

/* "kind name fate options;" of each part that is not kept. */
static void note(void *context, const struct part_news *news)
{
    struct buf *said = context;
    if (news->fate != PART_KEPT)
        (void)buf_printf(said, "%s %s %s%s%s;", part_kind_name(news->kind), news->name,
                         part_fate_name(news->fate), news->diff.options[0] == '\0' ? "" : " ",
                         news->diff.options);
}

static void expect(const char *before, const char *after, const char *wanted)
{
    struct settings a, b;
    struct buf said = { 0 };
    load(before, &a);
    load(after, &b);
    settings_visit_news(&a, &b, note, &said);
    assert_string_equal(buf_slice(&said).data, wanted);
    buf_fini(&said);
    settings_free(&a);
    settings_free(&b);
}

static const char base[] = AGENT "inputs:\n" APP "}\n" ONLY MAIN "}}\n";

static void what_is_written_in_another_way_is_the_same(void **unused)
{
    (void)unused;
    expect(base, base, "");
    expect(base,
           "outputs:\n  main:\n    timeout: 10000ms\n    url: http://h/\n    type: post\n" ONLY
           "inputs: {app: {processors: only, type: pipe, lane: {capacity: 8MiB}}}\n" AGENT,
           "");
}

static void each_option_that_differs_is_named(void **unused)
{
    (void)unused;
    expect(base,
           AGENT "inputs:\n" APP "}\n" ONLY MAIN
                 ", headers: {a: b}, tls: {verify: no}, batch: {max_events: 7}}}\n",
           "output main changed batch.max_events, headers, tls.verify;");
    expect(base, AGENT "inputs:\n" APP ", resource: {a: b}, lane: {weight: 2}}\n" ONLY MAIN "}}\n",
           "input app changed resource, lane.weight;");
}

static void a_processor_changes_the_inputs_that_use_it(void **unused)
{
    (void)unused;
    expect(base,
           AGENT "inputs:\n" APP "}\n"
                 "processors: {only: {type: filter, field: body, pattern: y}}\n" MAIN "}}\n",
           "input app changed processors;processor only changed pattern;");
    expect(base, AGENT "inputs: {app: {type: pipe}}\n" MAIN "}}\n",
           "input app changed processors;processor only removed;");
}

static void one_more_output_divides_the_memory_anew(void **unused)
{
    (void)unused;
    expect(base, AGENT "inputs:\n" APP "}\n" ONLY MAIN "}, more: {type: print}}\n",
           "output main changed memory for sealed batches;output more added;");
    expect(AGENT "inputs:\n" APP "}\n" ONLY MAIN "}, more: {type: print}}\n", base,
           "output main changed memory for sealed batches;output more removed;");
}

static void an_output_that_takes_other_inputs_is_changed(void **unused)
{
    (void)unused;
    expect(AGENT "inputs:\n" APP "}\n  b: {type: gauge}\n" ONLY MAIN ", inputs: [app, b]}}\n",
           AGENT "inputs:\n" APP "}\n  b: {type: gauge}\n" ONLY MAIN
                 ", inputs: app}, p: {type: print, inputs: b}}\n",
           "output main changed inputs, memory for sealed batches;output p added;");
}

static void a_file_in_a_value_counts_by_its_content(void **unused)
{
    static const char text[] =
        AGENT "inputs:\n" APP "}\n" ONLY MAIN ", headers: {key: '${FAKE_KEY}'}}}\n";
    struct settings a, b;
    (void)unused;
    assert_int_equal(setenv("FAKE_KEY", "one", 1), 0);
    load(text, &a);
    assert_int_equal(setenv("FAKE_KEY", "two", 1), 0);
    load(text, &b);
    struct part_diff diff = settings_compare_output(&a, 0, &b, 0);
    assert_int_equal(diff.aspects, DIFF_PLUGIN);
    assert_string_equal(diff.options, "headers");
    settings_free(&a);
    settings_free(&b);
}

static void refused(const char *after, const char *wanted)
{
    struct settings a, b;
    struct buf problems = { 0 };
    load(base, &a);
    load(after, &b);
    assert_int_equal(settings_may_follow(&a, &b, &problems), wanted[0] == '\0');
    if (strstr(buf_slice(&problems).data, wanted) == NULL)
        fail_msg("no '%s' in '%s'", wanted, problems.data);
    buf_fini(&problems);
    settings_free(&a);
    settings_free(&b);
}

static void what_a_running_agent_cannot_change_has_its_name_and_place(void **unused)
{
    (void)unused;
    refused(base, "");
    refused("agent: {state_dir: /tmp/b}\ninputs:\n" APP "}\n" ONLY MAIN "}}\n",
            "agent.state_dir: cannot be changed");
    refused(AGENT "inputs: {app: {type: gauge, processors: [only]}}\n" ONLY MAIN "}}\n", "");
    refused(AGENT "inputs:\n" APP "}\n" ONLY "outputs: {main: {type: print}}\n", "");
    refused(AGENT "inputs:\n" APP "}\n" ONLY MAIN ", spool: {max_bytes: 1GiB}}}\n", "");
    refused("agent: {state_dir: /tmp/a, report_interval: 3s}\ninputs:\n" APP "}\n" ONLY MAIN "}}\n",
            "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_in_another_way_is_the_same),
        cmocka_unit_test(each_option_that_differs_is_named),
        cmocka_unit_test(a_processor_changes_the_inputs_that_use_it),
        cmocka_unit_test(one_more_output_divides_the_memory_anew),
        cmocka_unit_test(an_output_that_takes_other_inputs_is_changed),
        cmocka_unit_test(a_file_in_a_value_counts_by_its_content),
        cmocka_unit_test(what_a_running_agent_cannot_change_has_its_name_and_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
