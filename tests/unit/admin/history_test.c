/* SPDX-License-Identifier: Apache-2.0 */
/* history: hours pass as plain numbers. */
#include "test.h"

#include "admin/history.h"
#include "passing_books.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

enum { SECOND = 1000, MINUTE = 60 * SECOND };
static const int64_t start_ms = 7 * MINUTE; /* at the beginning of a minute */

struct scene {
    struct ledger *ledger;
    struct books *books;
    struct history *history;
    cJSON *root;
};

static int open_scene(void **context)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    if (scene == NULL)
        return -1;
    scene->ledger = open_passing_books();
    scene->books = ledger_lane(scene->ledger, "nginx", "main", false);
    scene->history = history_new();
    *context = scene;
    return scene->history == NULL ? -1 : 0;
}

static int close_scene(void **context)
{
    struct scene *scene = *context;
    cJSON_Delete(scene->root);
    history_free(&scene->history);
    ledger_close(&scene->ledger);
    free(scene);
    return 0;
}

static void look(struct scene *scene, int64_t boot_ms)
{
    history_look(scene->history, scene->ledger, boot_ms);
}

static const cJSON *read_at(struct scene *scene, int64_t boot_ms, const char *list)
{
    struct buf page = { 0 };
    assert_true(buf_add_text(&page, "{"));
    history_write(scene->history, scene->ledger, boot_ms, &page);
    assert_true(buf_add_text(&page, "}"));
    cJSON_Delete(scene->root);
    scene->root = cJSON_ParseWithOpts(page.data, NULL, true);
    if (scene->root == NULL)
        fail_msg("no JSON: %s", page.data);
    buf_fini(&page);
    return cJSON_GetObjectItem(scene->root, list);
}

static int number(const cJSON *object, const char *key)
{
    return cJSON_GetObjectItem(object, key)->valueint;
}

static const char *text(const cJSON *object, const char *key)
{
    return cJSON_GetObjectItem(object, key)->valuestring;
}

static int by_minute(const cJSON *drop, int minutes_ago)
{
    const cJSON *minutes = cJSON_GetObjectItem(drop, "events_by_minute");
    assert_int_equal(cJSON_GetArraySize(minutes), HISTORY_MINUTES);
    return cJSON_GetArrayItem(minutes, HISTORY_MINUTES - 1 - minutes_ago)->valueint;
}

static void drops_are_kept_by_lane_reason_and_minute(void **context)
{
    struct scene *scene = *context;
    look(scene, start_ms);
    assert_int_equal(cJSON_GetArraySize(read_at(scene, start_ms, "drops")), 0);
    ledger_move(scene->books, FLOW_shed_sample, 5, 500);
    look(scene, start_ms + 10 * SECOND);
    ledger_move(scene->books, FLOW_shed_sample, 7, 700);
    look(scene, start_ms + 59 * SECOND);
    look(scene, start_ms + MINUTE);
    ledger_move(scene->books, FLOW_shed_sample, 1, 100);
    ledger_move(scene->books, FLOW_expire, 2, 20);
    look(scene, start_ms + 3 * MINUTE + SECOND);
    const cJSON *drops = read_at(scene, start_ms + 3 * MINUTE + 5 * SECOND, "drops");
    assert_int_equal(cJSON_GetArraySize(drops), 2);
    const cJSON *shed = cJSON_GetArrayItem(drops, 0);
    assert_string_equal(text(shed, "input"), "nginx");
    assert_string_equal(text(shed, "reason"), "shed_sample");
    assert_string_equal(text(shed, "meaning"), flow_infos[FLOW_shed_sample].doc);
    assert_int_equal(number(shed, "events"), 13);
    assert_int_equal(number(shed, "bytes"), 1300);
    assert_int_equal(by_minute(shed, 3), 12);
    assert_int_equal(by_minute(shed, 2), 0);
    assert_int_equal(by_minute(shed, 0), 1);
    assert_int_equal(by_minute(cJSON_GetArrayItem(drops, 1), 0), 2);
}

static void a_run_of_drops_began_with_the_first_after_a_calm(void **context)
{
    struct scene *scene = *context;
    int64_t now_ms = start_ms;
    for (int i = 0; i < 30; i++, now_ms += 50 * SECOND) {
        ledger_move(scene->books, FLOW_evict_oldest, 1, 10);
        look(scene, now_ms);
    }
    const cJSON *drop = cJSON_GetArrayItem(read_at(scene, now_ms, "drops"), 0);
    assert_int_equal(number(drop, "since_seconds"), 30 * 50);
    assert_int_equal(number(drop, "last_seconds"), 50);
    now_ms += HISTORY_CALM_MS;
    ledger_move(scene->books, FLOW_evict_oldest, 1, 10);
    look(scene, now_ms);
    drop = cJSON_GetArrayItem(read_at(scene, now_ms + 3 * SECOND, "drops"), 0);
    assert_int_equal(number(drop, "since_seconds"), 3);
}

static void what_is_older_than_an_hour_is_gone(void **context)
{
    struct scene *scene = *context;
    ledger_move(scene->books, FLOW_refuse, 4, 40);
    look(scene, start_ms);
    ledger_move(scene->books, FLOW_refuse, 1, 10);
    look(scene, start_ms + 30 * MINUTE);
    /* Nobody looks for most of the time: a page is right all the same. */
    const cJSON *drop = cJSON_GetArrayItem(read_at(scene, start_ms + 59 * MINUTE, "drops"), 0);
    assert_int_equal(number(drop, "events"), 5);
    assert_int_equal(by_minute(drop, 59), 4);
    drop = cJSON_GetArrayItem(read_at(scene, start_ms + 60 * MINUTE, "drops"), 0);
    assert_int_equal(number(drop, "events"), 1);
    assert_int_equal(by_minute(drop, 30), 1);
    assert_int_equal(cJSON_GetArraySize(read_at(scene, start_ms + 90 * MINUTE, "drops")), 0);
    ledger_move(scene->books, FLOW_refuse, 2, 20);
    look(scene, start_ms + 1000 * MINUTE);
    drop = cJSON_GetArrayItem(read_at(scene, start_ms + 1000 * MINUTE, "drops"), 0);
    assert_int_equal(number(drop, "events"), 2);
}

static void trouble_has_a_beginning_and_an_end(void **context)
{
    struct scene *scene = *context;
    struct numbers *main_numbers = ledger_output_numbers(scene->ledger, "main");
    numbers_set(main_numbers, NUMBER_breaker_state, 2);
    numbers_set(ledger_lane_numbers(scene->books), NUMBER_lane_shedding, 1);
    look(scene, start_ms);
    numbers_set(main_numbers, NUMBER_breaker_state, 1); /* a probe: the same trouble */
    look(scene, start_ms + 20 * SECOND);
    const cJSON *troubles = read_at(scene, start_ms + 25 * SECOND, "troubles");
    assert_int_equal(cJSON_GetArraySize(troubles), 2);
    const cJSON *breaker = cJSON_GetArrayItem(troubles, 0);
    assert_string_equal(text(breaker, "trouble"), "breaker");
    assert_string_equal(text(breaker, "output"), "main");
    assert_null(cJSON_GetObjectItem(breaker, "input"));
    assert_int_equal(number(breaker, "value"), 1);
    assert_int_equal(number(breaker, "since_seconds"), 25);
    const cJSON *shedding = cJSON_GetArrayItem(troubles, 1);
    assert_string_equal(text(shedding, "trouble"), "shedding");
    assert_string_equal(text(shedding, "input"), "nginx");
    numbers_set(main_numbers, NUMBER_breaker_state, 0);
    numbers_set(ledger_lane_numbers(scene->books), NUMBER_lane_shedding, 0);
    look(scene, start_ms + 30 * SECOND);
    assert_int_equal(cJSON_GetArraySize(read_at(scene, start_ms + 30 * SECOND, "troubles")), 0);
    numbers_set(main_numbers, NUMBER_breaker_state, 2);
    look(scene, start_ms + 40 * SECOND);
    breaker = cJSON_GetArrayItem(read_at(scene, start_ms + 41 * SECOND, "troubles"), 0);
    assert_int_equal(number(breaker, "since_seconds"), 1);
}

static void more_than_there_is_room_for_is_told(void **context)
{
    struct scene *scene = *context;
    unsigned pairs = 0;
    for (unsigned lane = 0; pairs < HISTORY_ROWS + 5; lane++) {
        char input[LEDGER_NAME];
        (void)snprintf(input, sizeof(input), "in%u", lane);
        struct books *books = ledger_lane(scene->ledger, input, "main", false);
        for (unsigned flow = 0; flow < FLOWS && pairs < HISTORY_ROWS + 5; flow++) {
            if (flow_infos[flow].to != ACCOUNT_dropped)
                continue;
            ledger_move(books, (enum flow)flow, 1, 1);
            pairs++;
        }
    }
    look(scene, start_ms);
    look(scene, start_ms + SECOND);
    assert_int_equal(cJSON_GetArraySize(read_at(scene, start_ms, "drops")), HISTORY_ROWS);
    assert_int_equal(cJSON_GetObjectItem(scene->root, "drops_left_out")->valueint, 5);
}

int main(void)
{
#define SCENE_TEST(name) cmocka_unit_test_setup_teardown(name, open_scene, close_scene)
    const struct CMUnitTest tests[] = {
        SCENE_TEST(drops_are_kept_by_lane_reason_and_minute),
        SCENE_TEST(a_run_of_drops_began_with_the_first_after_a_calm),
        SCENE_TEST(what_is_older_than_an_hour_is_gone),
        SCENE_TEST(trouble_has_a_beginning_and_an_end),
        SCENE_TEST(more_than_there_is_room_for_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
