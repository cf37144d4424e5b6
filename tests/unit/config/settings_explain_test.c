/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "config/settings_explain.h"

#include "fake_catalog.h"

#include <stdlib.h>
#include <string.h>

static const char text[] = "agent:\n"
                           "  state_dir: /tmp/state\n"
                           "  admin: {token: '${EXPLAIN_TOKEN}'}\n"
                           "inputs:\n"
                           "  app:\n"
                           "    type: pipe\n"
                           "    lane: {shed: {keep: adaptive, low: 20%}}\n"
                           "outputs:\n"
                           "  main:\n"
                           "    type: post\n"
                           "    url: https://hush-user:hush-too@host.example/in?key=hush-query\n"
                           "    headers: {X-Api-Key: '${EXPLAIN_KEY:-hush-key}', Y: hush-y}\n"
                           "    spool: {max_bytes: 1GiB}\n"
                           "    timeout: ${EXPLAIN_TIMEOUT:-90s}\n";

static void explain(struct buf *ret)
{
    struct settings settings;
    struct buf problems = { 0 };

    (void)setenv("EXPLAIN_TOKEN", "hush-token", 1);
    (void)setenv("EXPLAIN_KEY", "hush-environment", 1);
    (void)unsetenv("EXPLAIN_TIMEOUT");
    if (!settings_parse("a.yaml", slice_of(text), &fake_catalog, &settings, &problems))
        fail_msg("%s", buf_slice(&problems).data);
    assert_true(settings_explain(&settings, ret));
    settings_free(&settings);
    buf_fini(&problems);
}

static void expect(const struct buf *page, const char *wanted)
{
    if (strstr(page->data, wanted) == NULL)
        fail_msg("no '%s' in\n%s", wanted, page->data);
}

static void no_secret_is_told(void **unused)
{
    struct buf page = { 0 };
    (void)unused;
    explain(&page);
    if (strstr(page.data, "hush") != NULL)
        fail_msg("%s", strstr(page.data, "hush"));
    expect(&page, "https://(hidden)@host.example/in?(hidden)");
    expect(&page, "{X-Api-Key: (hidden), Y: (hidden)}");
    buf_fini(&page);
}

static void each_value_says_where_it_comes_from(void **unused)
{
    struct buf page = { 0 };
    (void)unused;
    explain(&page);
    expect(&page, "\n  state_dir                      /tmp/state               a.yaml:2\n");
    expect(&page, "\n  memory_limit                   64MiB                    default\n");
    expect(&page, "\n  admin.token                    (hidden)                 a.yaml:3 "
                  "(environment variable EXPLAIN_TOKEN)\n");
    expect(&page, "\n  lane.shed.low                  20%                      a.yaml:7\n");
    expect(&page, "\n  lane.capacity                  8MiB                     default\n");
    expect(&page, " a.yaml:12 (environment variable EXPLAIN_KEY)\n");
    expect(&page, "\n  timeout                        90s                      a.yaml:14 "
                  "(environment variable EXPLAIN_TIMEOUT is not set: the default written there)\n");
    buf_fini(&page);
}

static void the_way_of_the_events_is_told_in_words(void **unused)
{
    struct buf page = { 0 };
    (void)unused;
    explain(&page);
    expect(&page, "\n    -> lane to main: 8MiB, when it is full the ");
    expect(&page, "\n       sheds from 80% full down to 20%: keeps as much as leaves, of any\n");
    expect(&page, "\n    takes app\n");
    expect(&page, ", the rest on disk (up to 1GiB), then the lanes fill\n");
    buf_fini(&page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_secret_is_told),
        cmocka_unit_test(each_value_says_where_it_comes_from),
        cmocka_unit_test(the_way_of_the_events_is_told_in_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
