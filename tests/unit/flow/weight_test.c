/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "flow/weight.h"

#include <stdio.h>
#include <stdlib.h>

static struct attribute room[WEIGHT_ROOM];

static double weight_of(const struct event *event)
{
    struct value value;
    assert_true(event_field(event, SLICE("sampling.weight"), &value));
    assert_int_equal(value.kind, VALUE_REAL);
    return value.real;
}

static void a_weight_is_added_and_the_given_attributes_are_not_touched(void **unused)
{
    (void)unused;
    struct attribute own = { SLICE("a"), { .kind = VALUE_INT, .integer = 1 } };
    struct event event = { .attributes = &own, .attribute_count = 1 };
    weight_set(&event, room, 8);
    assert_true(weight_of(&event) == 8);
    assert_int_equal(event.attribute_count, 2);
    assert_true(event.attributes == room && slice_equals(own.key, SLICE("a")));
    weight_set(&event, room, 0.5); /* of a second sampler, in place */
    assert_true(weight_of(&event) == 4);
    assert_int_equal(event.attribute_count, 2);
}

static void a_weight_that_is_no_number_is_replaced(void **unused)
{
    (void)unused;
    struct attribute own = { SLICE("sampling.weight"),
                             { .kind = VALUE_TEXT, .text = SLICE("much") } };
    struct event event = { .attributes = &own, .attribute_count = 1 };
    weight_set(&event, room, 3);
    assert_true(weight_of(&event) == 3);
    assert_int_equal(event.attribute_count, 1);
}

static void the_last_attribute_makes_room_where_there_is_none(void **unused)
{
    (void)unused;
    for (uint16_t count = WEIGHT_ROOM - 1; count <= WEIGHT_ROOM; count++) {
        /* Exactly as long as it says, so that reading beyond it is found. */
        struct attribute *many = calloc(count, sizeof(*many));
        static char keys[WEIGHT_ROOM][24];
        for (size_t i = 0; i < count; i++) {
            (void)snprintf(keys[i], sizeof(keys[i]), "k%zu", i);
            many[i].key = slice_of(keys[i]);
        }
        struct event event = { .attributes = many, .attribute_count = count };
        weight_set(&event, room, 2);
        assert_true(weight_of(&event) == 2);
        assert_int_equal(event.attribute_count, WEIGHT_ROOM);
        assert_int_equal(event.lost_attributes, count - (WEIGHT_ROOM - 1));
        assert_true(slice_equals(room[WEIGHT_ROOM - 2].key, slice_of(keys[WEIGHT_ROOM - 2])));
        free(many);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_weight_is_added_and_the_given_attributes_are_not_touched),
        cmocka_unit_test(a_weight_that_is_no_number_is_replaced),
        cmocka_unit_test(the_last_attribute_makes_room_where_there_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
