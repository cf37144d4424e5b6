/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "admin/pages.h"
#include "passing_books.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

/* The page as JSON; the caller deletes it. */
static cJSON *parse(struct buf *page)
{
    cJSON *root = cJSON_ParseWithOpts(page->data, NULL, false);
    if (root == NULL || cJSON_GetObjectItem(root, "format")->valueint != PAGES_FORMAT)
        fail_msg("no JSON of this format: %s", page->data);
    buf_fini(page);
    return root;
}

static void a_stuck_thread_is_told(void **unused)
{
    struct buf page = { 0 };
    (void)unused;
    assert_true(pages_health(false, &page));
    cJSON *root = parse(&page);
    assert_true(cJSON_IsFalse(cJSON_GetObjectItem(root, "alive")));
    assert_non_null(strstr(cJSON_GetObjectItem(root, "why")->valuestring, "stuck"));
    cJSON_Delete(root);
}

static const cJSON *find_check(const cJSON *root, const char *name)
{
    const cJSON *check;
    cJSON_ArrayForEach(check, cJSON_GetObjectItem(root, "checks"))
    {
        if (strcmp(cJSON_GetObjectItem(check, "check")->valuestring, name) == 0)
            return check;
    }
    fail_msg("no check '%s'", name);
    return NULL;
}

static void each_reason_not_to_be_ready_is_told(void **context)
{
    struct ledger *ledger = *context;
    struct numbers *numbers = ledger_output_numbers(ledger, "main");
    struct buf page = { 0 };
    bool is_ready = true;

    numbers_set(numbers, NUMBER_saturation_cause, 4);
    numbers_set(numbers, NUMBER_spool_state, 1);
    assert_true(pages_ready(ledger, ADMIN_STOPPING, false, &page, &is_ready));
    assert_false(is_ready);
    cJSON *root = parse(&page);
    static const char *const wanted[][2] = { { "inputs open", "stopping" },
                                             { "alive", "stuck" },
                                             { "books on file", "anonymous memory" },
                                             { "not saturated", "endpoint" },
                                             { "spool works", "disk" } };
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        const cJSON *check = find_check(root, wanted[i][0]);
        assert_true(cJSON_IsFalse(cJSON_GetObjectItem(check, "ok")));
        assert_non_null(strstr(cJSON_GetObjectItem(check, "why")->valuestring, wanted[i][1]));
    }
    cJSON_Delete(root);
    numbers_set(numbers, NUMBER_saturation_cause, 99); /* of another build: no crash */
    assert_true(pages_ready(ledger, ADMIN_RUNNING, true, &page, &is_ready));
    root = parse(&page);
    assert_true(cJSON_IsTrue(cJSON_GetObjectItem(find_check(root, "inputs open"), "ok")));
    assert_true(cJSON_IsFalse(cJSON_GetObjectItem(find_check(root, "not saturated"), "ok")));
    cJSON_Delete(root);
}

static void the_ledger_has_cells_and_differences(void **context)
{
    struct ledger *ledger = *context;
    struct books *books = ledger_lane(ledger, "i\"n", "out", true);
    struct buf page = { 0 };

    ledger_move(books, FLOW_admit, 10, 100);
    ledger_move_cell(books, FLOW_gather, 1, 4, 40);
    (void)ledger_audit(books, ACCOUNT_ring, 0, (struct amount){ 5, 60 });
    assert_true(pages_ledger(ledger, &page));
    assert_non_null(strstr(page.data, "\"input\":\"i\\\"n\""));
    assert_non_null(strstr(page.data,
                           "\"ring\":{\"booked\":{\"events\":6,\"bytes\":60},\"audits\":[{"
                           "\"events\":5,\"bytes\":60,\"differing_events\":-1,"
                           "\"differing_bytes\":0}]}"));
    assert_non_null(strstr(page.data, "\"cells\":[{\"events\":0,\"bytes\":0},{\"events\":4,"));
    assert_non_null(strstr(page.data, "\"balance\":-1,\"differences\":1,"));
    cJSON_Delete(parse(&page));
    assert_true(pages_stats(ledger, &page));
    assert_non_null(strstr(page.data, "\"admit\":{\"events\":10,\"bytes\":100}"));
    cJSON_Delete(parse(&page));
}

static void a_page_without_room_is_refused(void **context)
{
    struct buf page = { .limit = 200 };
    (void)ledger_lane(*context, "in", "out", true);
    assert_false(pages_stats(*context, &page));
    buf_clear(&page);
    assert_false(pages_ledger(*context, &page));
    buf_fini(&page);
}

int main(void)
{
#define PAGES_TEST(name) cmocka_unit_test_setup_teardown(name, open_books, close_books)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stuck_thread_is_told),
        PAGES_TEST(each_reason_not_to_be_ready_is_told),
        PAGES_TEST(the_ledger_has_cells_and_differences),
        PAGES_TEST(a_page_without_room_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
