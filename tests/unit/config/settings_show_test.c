/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "config/settings_show.h"

#include "fake_catalog.h"

#include <string.h>

static const char text[] = "agent:\n"
                           "  state_dir: /tmp/state\n"
                           "  admin: {token: hush-agent}\n"
                           "inputs:\n"
                           "  app: {type: pipe, resource: {'te\"am': core}}\n"
                           "outputs:\n"
                           "  main:\n"
                           "    type: post\n"
                           "    url: https://hush-user:hush-too@host.example/in?key=hush-query\n"
                           "    headers: {X-Api-Key: hush-header}\n"
                           "    auth: {password: hush-password}\n"
                           "    timeout: 7s\n";

static void show(struct buf *ret)
{
    struct settings settings;
    struct buf problems = { 0 };

    if (!settings_parse("a.yaml", slice_of(text), &fake_catalog, &settings, &problems))
        fail_msg("%s", buf_slice(&problems).data);
    assert_true(settings_show(&settings, ret));
    settings_free(&settings);
    buf_fini(&problems);
}

static void expect(const struct buf *page, const char *wanted)
{
    if (strstr(page->data, wanted) == NULL)
        fail_msg("no %s in %s", wanted, page->data);
}

static void no_secret_is_shown(void **unused)
{
    struct buf page = { 0 };
    (void)unused;
    show(&page);
    if (strstr(page.data, "hush") != NULL)
        fail_msg("%s", strstr(page.data, "hush"));
    expect(&page, "\"admin.token\":{\"value\":\"(hidden)\",\"default\":false}");
    expect(&page, "\"headers\":{\"value\":{\"X-Api-Key\":\"(hidden)\"},\"default\":false}");
    expect(&page, "\"value\":\"https://(hidden)@host.example/in?(hidden)\"");
    expect(&page, "\"auth.password\":{\"value\":\"(hidden)\",\"default\":false}");
    buf_fini(&page);
}

static void what_is_the_default_is_marked_and_units_are_said(void **unused)
{
    struct buf page = { 0 };
    (void)unused;
    show(&page);
    expect(&page, "\"timeout\":{\"value\":7000,\"unit\":\"ms\",\"default\":false}");
    expect(&page, "\"report_interval\":{\"value\":10000,\"unit\":\"ms\",\"default\":true}");
    expect(&page, "\"memory_limit\":{\"value\":67108864,\"unit\":\"bytes\",\"default\":true}");
    expect(&page, "\"log_level\":{\"value\":\"info\",\"default\":true}");
    expect(&page, "\"state_dir\":{\"value\":\"/tmp/state\",\"default\":false}");
    expect(&page, "\"resource\":{\"value\":{\"te\\\"am\":\"core\"},\"default\":false}");
    expect(&page, "\"tls.verify\":{\"value\":true,\"default\":true}");
    buf_fini(&page);
}

static void a_token_that_no_header_can_carry_is_refused_and_not_shown(void **unused)
{
    static const char wrong[] = "agent: {admin: {token: 'hush hush'}}\n"
                                "inputs: {app: {type: pipe}}\n"
                                "outputs: {main: {type: print}}\n";
    struct settings settings;
    struct buf problems = { 0 };
    (void)unused;
    assert_false(settings_parse("a.yaml", slice_of(wrong), &fake_catalog, &settings, &problems));
    expect(&problems, "a.yaml:1:24: agent.admin.token: has a character that no HTTP header");
    if (strstr(problems.data, "hush") != NULL)
        fail_msg("%s", problems.data);
    buf_fini(&problems);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_secret_is_shown),
        cmocka_unit_test(what_is_the_default_is_marked_and_units_are_said),
        cmocka_unit_test(a_token_that_no_header_can_carry_is_refused_and_not_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
