/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "event/record.h"
#include "flow/classes.h"

#include <stdio.h>
#include <string.h>

enum { PIECE = 16 * 1024 };

static struct arena *arena;

static struct classes *make(enum class_by by, size_t max)
{
    arena = arena_new((size_t)PIECE * 16, PIECE);
    struct classes *classes = classes_new(
        &(struct classes_config){ .by = by, .field = "attributes.tenant", .max = max }, arena);
    assert_non_null(classes);
    return classes;
}

static void unmake(struct classes *classes)
{
    for (struct piece *piece; (piece = classes_take(classes, 0)) != NULL;)
        arena_give(arena, piece);
    classes_free(&classes);
    arena_free(&arena);
}

/* One event of that tenant; NULL: of none. */
struct one {
    struct attribute attribute;
    struct event event;
};

static struct event *of_tenant(struct one *one, const char *tenant)
{
    one->attribute =
        (struct attribute){ SLICE("tenant"), { .kind = VALUE_TEXT, .text = slice_of(tenant) } };
    one->event = (struct event){ .body = SLICE("x"),
                                 .attributes = &one->attribute,
                                 .attribute_count = tenant != NULL };
    return &one->event;
}

static size_t find(struct classes *classes, const char *tenant, int64_t now_ms, bool *ret_is_new)
{
    struct one one;
    return classes_find(classes, of_tenant(&one, tenant), now_ms, ret_is_new);
}

static void a_lane_without_classes_has_one(void **unused)
{
    (void)unused;
    bool is_new;
    struct classes *classes = make(CLASS_BY_NOTHING, 64);
    assert_int_equal(find(classes, "a", 1, &is_new), 0);
    assert_int_equal(find(classes, "b", 1, &is_new), 0);
    assert_false(is_new);
    unmake(classes);
}

static void by_severity_there_is_one_for_each_band(void **unused)
{
    (void)unused;
    struct classes *classes = make(CLASS_BY_SEVERITY, 64);
    static const struct {
        uint8_t severity;
        size_t class;
    } cases[] = { { 1, 1 },  { 4, 1 },  { 5, 2 },  { 9, 3 },  { 0, 3 },  { 12, 3 },
                  { 13, 4 }, { 17, 5 }, { 21, 6 }, { 24, 6 }, { 25, 3 }, { 255, 3 } };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool is_new;
        struct event event = { .severity = cases[i].severity };
        assert_int_equal(classes_find(classes, &event, 1, &is_new), cases[i].class);
    }
    unmake(classes);
}

static void the_table_is_bounded_and_the_rest_goes_with_the_others(void **unused)
{
    (void)unused;
    struct classes *classes = make(CLASS_BY_FIELD, 3);
    size_t class[3];
    bool is_new;
    class[0] = find(classes, "a", 1, &is_new);
    assert_true(is_new && class[0] != 0);
    class[1] = find(classes, "b", 1, &is_new);
    class[2] = find(classes, "c", 1, &is_new);
    assert_true(class[0] != class[1] && class[1] != class[2] && class[0] != class[2]);
    assert_int_equal(find(classes, "a", 2, &is_new), class[0]);
    assert_false(is_new);
    for (int i = 0; i < 1000; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "t%d", i);
        assert_int_equal(find(classes, name, 3, &is_new), 0);
        assert_false(is_new);
    }
    assert_int_equal(find(classes, NULL, 3, &is_new), 0);
    assert_int_equal(find(classes, "", 3, &is_new), 0);
    unmake(classes);
}

static void an_idle_class_that_is_empty_is_reclaimed_the_longest_unseen_first(void **unused)
{
    (void)unused;
    struct classes *classes = make(CLASS_BY_FIELD, 3);
    struct run_info run = { .boot_ms = 1 };
    struct class_report reports[8];
    struct one one;
    bool is_new;
    size_t a = find(classes, "a", 1, &is_new);
    size_t b = find(classes, "b", 2, &is_new);
    size_t c = find(classes, "c", 3, &is_new);
    (void)find(classes, "b", 4, &is_new);
    /* a is unseen for longest, but it holds something. */
    assert_int_equal(classes_push(classes, a, of_tenant(&one, "a"), 128, &run, false),
                     CLASS_PUSHED);
    assert_int_equal(find(classes, "d", CLASS_IDLE_MS + 1, &is_new), 0); /* nobody yet */
    assert_int_equal(find(classes, "d", CLASS_IDLE_MS + 2, &is_new),
                     0); /* not looked again so soon */
    assert_int_equal(find(classes, "d", CLASS_IDLE_MS + 1001, &is_new), c);
    assert_true(is_new);
    assert_int_equal(find(classes, "d", CLASS_IDLE_MS + 1001, &is_new), c);
    assert_int_equal(find(classes, "a", CLASS_IDLE_MS + 1001, &is_new), a);
    assert_int_equal(find(classes, "c", CLASS_IDLE_MS + 1004, &is_new), b); /* is new again */
    assert_int_equal(find(classes, "b", CLASS_IDLE_MS + 1004, &is_new), 0);
    size_t count = classes_report(classes, 5, reports, 8);
    assert_int_equal(count, 1);
    assert_string_equal(reports[0].name, "a");
    assert_int_equal(reports[0].waiting, 1);
    assert_int_equal(reports[0].longest_wait_ms, 4);
    unmake(classes);
}

static void thousands_of_names_come_and_go(void **unused)
{
    (void)unused;
    struct classes *classes = make(CLASS_BY_FIELD, 8);
    bool is_new;
    for (int i = 0; i < 20000; i++) {
        char name[16];
        int64_t now_ms = (int64_t)i * CLASS_IDLE_MS / 8;
        (void)snprintf(name, sizeof(name), "t%d", i);
        size_t class = find(classes, name, now_ms, &is_new);
        assert_true(is_new && class >= 1 && class <= 8);
        assert_int_equal(find(classes, name, now_ms, &is_new), class);
        assert_false(is_new);
    }
    unmake(classes);
}

/* Longer than what a report shows of a name: the ids of containers are. */
static void a_long_name_has_its_weight_too(void **unused)
{
    (void)unused;
    static const char id[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    static const struct class_weight weights[] = { { id, 3 } };
    struct run_info run = { .boot_ms = 1 };
    static char body[5000];
    struct one one;
    uint64_t taken[2] = { 0 };
    bool is_new;
    _Static_assert(sizeof(id) > CLASS_NAME_BYTES, "it is cut");
    arena = arena_new((size_t)PIECE * 16, PIECE);
    struct classes *classes = classes_new(&(struct classes_config){ .by = CLASS_BY_FIELD,
                                                                    .field = "tenant",
                                                                    .max = 3,
                                                                    .weights = weights,
                                                                    .weight_count = 1 },
                                          arena);
    const char *tenants[] = { id, "b" };
    for (size_t i = 0; i < 2; i++) {
        size_t class = find(classes, tenants[i], 1, &is_new);
        struct event *event = of_tenant(&one, tenants[i]);
        event->body = (struct slice){ body, sizeof(body) };
        do
            assert_int_equal(classes_push(classes, class, event, record_size(event), &run, false),
                             CLASS_PUSHED);
        while (arena_lent(arena) < 8 * (i + 1));
    }
    for (int turn = 0; turn < 8; turn++) {
        struct piece *piece = classes_take(classes, 1);
        struct piece_reader reader = { .piece = piece };
        struct attribute attributes[2];
        struct event event;
        (void)record_read(piece_next(&reader), &event, attributes, 2);
        taken[attributes[0].value.text.bytes == 1]++;
        arena_give(arena, piece);
    }
    assert_true(taken[0] >= 5 && taken[1] >= 1); /* three to one */
    unmake(classes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lane_without_classes_has_one),
        cmocka_unit_test(by_severity_there_is_one_for_each_band),
        cmocka_unit_test(the_table_is_bounded_and_the_rest_goes_with_the_others),
        cmocka_unit_test(an_idle_class_that_is_empty_is_reclaimed_the_longest_unseen_first),
        cmocka_unit_test(thousands_of_names_come_and_go),
        cmocka_unit_test(a_long_name_has_its_weight_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
