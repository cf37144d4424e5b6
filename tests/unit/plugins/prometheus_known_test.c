/* SPDX-License-Identifier: Apache-2.0 */
/* known: what is gone is found, named as it was, and all of it is within the bound. */
#include "plugins/inputs/prometheus/known.h"
#include "test.h"

enum { SEED = 99, ROOM = 8 };

struct scene {
    struct known known;
    struct known_set set;
    struct attribute attributes[ROOM];
    struct event event;
    char memory[4096];
    struct scratch scratch;
};

static struct scene *make(size_t max_bytes)
{
    struct scene *scene = calloc(1, sizeof(*scene));

    assert_non_null(scene);
    assert_true(known_init(&scene->known, max_bytes, SEED));
    return scene;
}

static void begin(struct scene *scene, const char *name)
{
    scene->scratch = (struct scratch){ .memory = scene->memory, .room = sizeof(scene->memory) };
    scene->event = (struct event){ .body = slice_of(name),
                                   .kind = EVENT_GAUGE,
                                   .attributes = scene->attributes,
                                   .attribute_room = ROOM,
                                   .scratch = &scene->scratch };
}

static bool note(struct scene *scene, const char *name, const char *key, const char *value)
{
    begin(scene, name);
    if (key != NULL)
        event_text(&scene->event, key, slice_of(value));
    return known_note(&scene->known, &scene->set, &scene->event);
}

static size_t take_all(struct scene *scene, struct known_set *set)
{
    struct known_series *list = known_take_gone(&scene->known, set, SIZE_MAX);
    size_t count = 0;

    for (struct known_series *series = list; series != NULL; count++) {
        begin(scene, "");
        series = known_fill(series, &scene->event);
    }
    known_free(&list);
    return count;
}

static void end(struct scene *scene)
{
    known_begin(&scene->set);
    (void)take_all(scene, &scene->set);
    assert_int_equal(scene->known.bytes, 0);
    known_fini(&scene->known);
    free(scene);
}

static void what_was_not_noted_again_is_gone_once(void **unused)
{
    (void)unused;
    struct scene *scene = make(1 << 16);

    known_begin(&scene->set);
    assert_true(note(scene, "a", "x", "1"));
    assert_true(note(scene, "a", "x", "2"));
    assert_true(note(scene, "a", NULL, NULL));
    assert_int_equal(scene->known.count, 3);
    assert_int_equal(take_all(scene, &scene->set), 0);
    known_begin(&scene->set);
    assert_true(note(scene, "a", "x", "1"));
    assert_true(note(scene, "a", "x", "1")); /* twice in one scrape */
    assert_int_equal(scene->known.count, 3);
    assert_int_equal(take_all(scene, &scene->set), 2);
    assert_int_equal(take_all(scene, &scene->set), 0);
    assert_int_equal(scene->known.count, 1);
    end(scene);
}

static void it_is_named_as_it_was_and_the_order_of_labels_makes_no_difference(void **unused)
{
    (void)unused;
    struct scene *scene = make(1 << 16);

    known_begin(&scene->set);
    begin(scene, "hits_total");
    scene->event.kind = EVENT_SUM;
    scene->event.unit = SLICE("By");
    event_text(&scene->event, "zone", SLICE("b"));
    event_text(&scene->event, "app", SLICE(""));
    assert_true(known_note(&scene->known, &scene->set, &scene->event));
    begin(scene, "hits_total");
    event_text(&scene->event, "app", SLICE(""));
    event_text(&scene->event, "zone", SLICE("b"));
    assert_true(known_note(&scene->known, &scene->set, &scene->event));
    assert_int_equal(scene->known.count, 1);
    known_begin(&scene->set);
    struct known_series *gone = known_take_gone(&scene->known, &scene->set, 10);
    begin(scene, "");
    assert_null(known_fill(gone, &scene->event));
    const struct event *event = &scene->event;
    assert_true(slice_equals(event->body, SLICE("hits_total")));
    assert_true(event->kind == EVENT_SUM && slice_equals(event->unit, SLICE("By")));
    assert_int_equal(event->attribute_count, 2);
    assert_true(slice_equals(event->attributes[0].key, SLICE("app")));
    assert_true(slice_equals(event->attributes[1].key, SLICE("zone")));
    assert_true(slice_equals(event->attributes[1].value.text, SLICE("b")));
    known_free(&gone);
    end(scene);
}

static void texts_that_run_into_each_other_are_other_series(void **unused)
{
    (void)unused;
    struct scene *scene = make(1 << 16);

    known_begin(&scene->set);
    assert_true(note(scene, "a", "bc", "d"));
    assert_true(note(scene, "a", "b", "cd"));
    assert_true(note(scene, "ab", "c", "d"));
    assert_int_equal(scene->known.count, 3);
    end(scene);
}

static void each_target_has_its_own(void **unused)
{
    (void)unused;
    struct scene *scene = make(1 << 16);
    struct known_set other = { 0 };

    known_begin(&scene->set);
    known_begin(&other);
    assert_true(note(scene, "a", NULL, NULL));
    assert_true(known_note(&scene->known, &other, &scene->event));
    assert_int_equal(scene->known.count, 2);
    known_begin(&other);
    assert_int_equal(take_all(scene, &scene->set), 0);
    assert_int_equal(take_all(scene, &other), 1);
    end(scene);
}

static void memory_is_bounded_and_what_is_known_stays_known(void **unused)
{
    (void)unused;
    const size_t most = 16384;
    struct scene *scene = make(most);
    size_t known = 0;
    char name[32];

    known_begin(&scene->set);
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(name, sizeof(name), "name%d", i);
        known += note(scene, name, "k", "v") ? 1 : 0;
        assert_true(scene->known.bytes <= most);
    }
    assert_int_equal(scene->known.count, known);
    assert_in_range(known, 100, 300);
    known_begin(&scene->set);
    assert_true(note(scene, "name0", "k", "v"));
    assert_false(note(scene, "name999", "k", "v"));
    struct known_series *some = known_take_gone(&scene->known, &scene->set, 10);
    known_free(&some);
    assert_int_equal(scene->known.count, known - 10);
    assert_true(note(scene, "name999", "k", "v")); /* there is room again */
    assert_int_equal(take_all(scene, &scene->set), known - 11);
    end(scene);
}

static void what_is_too_long_or_not_whole_is_not_known(void **unused)
{
    (void)unused;
    struct scene *scene = make(1 << 20);
    char *text = malloc(KNOWN_KEY_BYTES + 1);

    assert_non_null(text);
    memset(text, 'x', KNOWN_KEY_BYTES);
    text[KNOWN_KEY_BYTES] = '\0';
    known_begin(&scene->set);
    assert_false(note(scene, "a", "k", text));
    begin(scene, "a");
    scene->event.lost_attributes = 1;
    assert_false(known_note(&scene->known, &scene->set, &scene->event));
    assert_int_equal(scene->known.count, 0);
    free(text);
    end(scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_not_noted_again_is_gone_once),
        cmocka_unit_test(it_is_named_as_it_was_and_the_order_of_labels_makes_no_difference),
        cmocka_unit_test(texts_that_run_into_each_other_are_other_series),
        cmocka_unit_test(each_target_has_its_own),
        cmocka_unit_test(memory_is_bounded_and_what_is_known_stays_known),
        cmocka_unit_test(what_is_too_long_or_not_whole_is_not_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
