/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "books_scene.h"
#include "view/screen.h"

#include <math.h>

/* Lanes a, b, c to main: a drops most, b holds most, c is fullest. */
struct scene {
    struct books_file *file;
    struct books_reader *before, *now;
    struct figures *figures;
    struct books_found found;
    struct source source;
};

static int set_up(void **context)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    assert_non_null(scene);
    scene->file = scene_new();
    struct numbers *output = scene_output(scene->file, "main");
    struct books *lanes[3];
    for (unsigned i = 0; i < 3; i++) {
        const char name[] = { (char)('a' + i), '\0' };
        lanes[i] = scene_lane(scene->file, name, "main");
        numbers_set(&lanes[i]->numbers, NUMBER_lane_capacity_bytes, 100);
        numbers_set(&lanes[i]->numbers, NUMBER_lane_used_bytes, 10 + 40 * i);
        ledger_move(lanes[i], FLOW_admit, 1000, 1000);
        ledger_move(lanes[i], FLOW_evict_oldest, 10, 10);
    }
    scene->before = scene_read(scene->file);
    ledger_move(lanes[0], FLOW_evict_oldest, 500, 500);
    ledger_move(lanes[1], FLOW_admit, 12345, 1);
    (void)ledger_audit(lanes[0], ACCOUNT_ring, 0, (struct amount){ 490, 490 });
    (void)ledger_audit(lanes[1], ACCOUNT_ring, 0, (struct amount){ 13335, 991 });
    numbers_set(output, NUMBER_breaker_state, 2);
    scene->now = scene_read(scene->file);
    scene->figures = figures_new(scene->now, scene->before, 1);
    scene->found = (struct books_found){ .reader = scene->now, .pid = 123 };
    scene->source = (struct source){ .found = &scene->found, .trouble = "" };
    *context = scene;
    return 0;
}

static int tear_down(void **context)
{
    struct scene *scene = *context;
    figures_free(&scene->figures);
    books_reader_free(&scene->before);
    books_reader_free(&scene->now);
    free(scene->file);
    free(scene);
    return 0;
}

/* All rows, one a line. */
static char *draw(const struct scene *scene, const struct view *view, unsigned width,
                  unsigned height)
{
    struct screen screen;
    unsigned unused;
    char row[SCREEN_WIDTH_MAX + 1];
    struct buf text = { 0 };
    assert_true(screen_draw(scene->figures, &scene->source, view, width, height, &screen, &unused));
    for (unsigned i = 0; i < screen.height; i++) {
        screen_row(&screen, i, row);
        assert_true(buf_printf(&text, "%s\n", row));
    }
    screen_fini(&screen);
    return text.data;
}

static void assert_shows(const struct scene *scene, const struct view *view, unsigned width,
                         const char *wanted)
{
    char *text = draw(scene, view, width, 0);
    if (strstr(text, wanted) == NULL)
        fail_msg("'%s' is not in:\n%s", wanted, text);
    free(text);
}

static void what_is_wrong_is_said_in_words_first(void **context)
{
    const struct scene *scene = *context;
    const struct view view = { 0 };
    assert_shows(scene, &view, 100, "spillway 0.1.0\nmain: its circuit breaker is OPEN, ");
    assert_shows(scene, &view, 200,
                 "a > main drops 500 a second: evict_oldest, pushed out of a full lane by newer "
                 "events\n");
    assert_shows(scene, &view, 80, "   500    510 evict_oldest  a > main\n");
    assert_shows(scene, &view, 80, "12.3k"); /* received by b in this second */
}

static void lanes_come_in_the_order_that_was_asked_for(void **context)
{
    const struct scene *scene = *context;
    static const struct {
        enum screen_sort sort;
        bool is_reversed;
        const char *order;
    } cases[] = {
        { SORT_DROPPED, false, "abc" }, { SORT_RECEIVED, false, "bac" },
        { SORT_HELD, false, "bac" },    { SORT_FILL, false, "cba" },
        { SORT_NAME, false, "abc" },    { SORT_NAME, true, "cba" },
        { SORT_HELD, true, "cab" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct view view = { .sort = cases[i].sort, .is_reversed = cases[i].is_reversed };
        char *text = draw(scene, &view, 80, 0);
        const char *row = strstr(text, "\nLANE");
        assert_non_null(row);
        for (unsigned lane = 0; lane < 3; lane++) {
            row = strchr(row + 1, '\n');
            if (row[1] != cases[i].order[lane])
                fail_msg("case %zu, wanted %s:\n%s", i, cases[i].order, text);
        }
        free(text);
    }
}

static void every_size_is_filled_and_never_left(void **context)
{
    const struct scene *scene = *context;
    for (unsigned width = 0; width < 140; width++) {
        for (unsigned height = 1; height < 40; height += width % 7 == 0 ? 1 : 13) {
            for (unsigned scroll = 0; scroll < 80; scroll += 16) {
                struct view view = { .scroll = scroll, .shows_help = width % 2 == 1 };
                struct screen screen;
                unsigned scroll_max;
                assert_true(screen_draw(scene->figures, &scene->source, &view, width, height,
                                        &screen, &scroll_max));
                assert_int_equal(screen.width, width == 0 ? 1 : width);
                assert_int_equal(screen.height, height);
                for (unsigned i = 0; i < screen.width * screen.height; i++)
                    assert_in_range(screen.cells[i].character, ' ', '~');
                screen_fini(&screen);
            }
        }
    }
}

static void twenty_columns_show_each_lane_with_its_drops(void **context)
{
    const struct scene *scene = *context;
    const struct view view = { 0 };
    assert_shows(scene, &view, 20, "\nLANE     DROP/s\n");
    assert_shows(scene, &view, 20, "\na > main    500\n");
}

static void scrolling_ends_at_the_end(void **context)
{
    const struct scene *scene = *context;
    struct view view = { 0 };
    struct screen screen;
    unsigned scroll_max = 0;
    char row[SCREEN_WIDTH_MAX + 1];
    assert_true(screen_draw(scene->figures, &scene->source, &view, 40, 8, &screen, &scroll_max));
    screen_fini(&screen);
    assert_true(scroll_max > 3);
    assert_int_equal(view_key(&view, KEY_END_, 6, scroll_max), EFFECT_REDRAW);
    assert_int_equal(view.scroll, scroll_max);
    assert_int_equal(view_key(&view, KEY_DOWN_, 6, scroll_max), EFFECT_REDRAW);
    assert_int_equal(view.scroll, scroll_max);
    assert_true(screen_draw(scene->figures, &scene->source, &view, 40, 8, &screen, &scroll_max));
    screen_row(&screen, 6, row); /* the last one above the keys */
    assert_non_null(strstr(row, "evict_oldest"));
    screen_fini(&screen);
    (void)view_key(&view, KEY_PAGE_UP_, 1000, scroll_max);
    assert_int_equal(view.scroll, 0);
    (void)view_key(&view, KEY_UP_, 6, scroll_max);
    assert_int_equal(view.scroll, 0);
}

static void keys_change_the_view(void **unused)
{
    (void)unused;
    struct view view = { 0 };
    assert_int_equal(view_key(&view, 'f', 1, 0), EFFECT_REDRAW);
    assert_true(view.is_frozen);
    (void)view_key(&view, ' ', 1, 0);
    assert_false(view.is_frozen);
    for (unsigned i = 0; i < SORTS; i++)
        (void)view_key(&view, 's', 1, 0);
    assert_int_equal(view.sort, SORT_DROPPED);
    (void)view_key(&view, 'b', 1, 0);
    assert_int_equal(view.sort, SORT_FILL);
    assert_int_equal(view_key(&view, 'q', 1, 0), EFFECT_QUIT);
    for (int key = -2; key < 600; key++) { /* none of them harms */
        if (key != 'q' && key != 'Q')
            assert_int_not_equal(view_key(&view, key, 1, 0), EFFECT_QUIT);
    }
    assert_in_range(view.sort, 0, SORTS - 1);
}

static void the_state_of_the_agent_is_told_in_words(void **context)
{
    struct scene *scene = *context;
    const struct view view = { 0 };
    scene->found.holder = HOLDER_GONE;
    assert_shows(scene, &view, 100, "pid 123 is GONE, its books were not closed");
    scene->found.holder = HOLDER_STOPPED;
    scene->source.still_s = 75;
    assert_shows(scene, &view, 100, "nothing has moved for 1m15s");
    scene->found.kind = BOOKS_SAVED;
    scene->found.written_real_ns = INT64_C(1000000000);
    scene->source.now_real_ns = INT64_C(3700000000000);
    assert_shows(scene, &view, 100, "a saved copy, 1h01m old: the live books were not found");
    scene->source.trouble = "it is gone";
    assert_shows(scene, &view, 100, "shown is what was read last: it is gone");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_wrong_is_said_in_words_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lanes_come_in_the_order_that_was_asked_for, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(every_size_is_filled_and_never_left, set_up, tear_down),
        cmocka_unit_test_setup_teardown(twenty_columns_show_each_lane_with_its_drops, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(scrolling_ends_at_the_end, set_up, tear_down),
        cmocka_unit_test(keys_change_the_view),
        cmocka_unit_test_setup_teardown(the_state_of_the_agent_is_told_in_words, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
