/* SPDX-License-Identifier: Apache-2.0 */
/* What the options of an output become for its sender. */
#include "test.h"

#include "outlet.h"
#include "own_catalog.h"
#include "own_generation.h"

static const struct output output_somewhere = { .type = { PLUGIN_TYPE("somewhere", "",
                                                                      nowhere_config, nowhere) } };
static const struct plugin_type *const outputs[] = { &output_somewhere.type, NULL };
static const struct plugin_type *const inputs[] = { &input_nothing.type, NULL };
const struct catalog catalog = { inputs, known_processors, outputs };

static struct delivery_config config_of(const char *options, uint64_t *ret_sealed)
{
    struct outlet outlet = { .name = "out", .ledger = ledger };
    char text[512];

    (void)snprintf(text, sizeof(text), "{out: {type: somewhere%s}}", options);
    struct generation *generation = load_generation(1, "{app: {type: nothing}}", text);
    struct sender_config config =
        outlet_sender_config(&outlet, &generation->settings, 0, &output_somewhere, NULL);
    *ret_sealed = generation->settings.sealed_bytes[0];
    generation_release(&generation);
    assert_true(config.delivery.kept_bytes == &outlet.feed.kept_bytes);
    return config.delivery;
}

static void each_option_reaches_the_delivery(void **unused)
{
    (void)unused;
    uint64_t sealed;
    struct delivery_config config = config_of(
        ", batch: {max_bytes: 32KiB}, concurrency: {min: 3, max: 7}, retry: {base: 11ms, cap: "
        "13s, max_age: 17m}, breaker: {failures: 19, rest: 23ms, rest_max: 29s}, dead_letter: "
        "{path: /tmp/none}",
        &sealed);
    assert_int_equal(config.memory_bytes, sealed);
    assert_int_equal(config.batch_max_bytes, 32 * 1024);
    assert_int_equal(config.concurrency_min, 3);
    assert_int_equal(config.concurrency_max, 7);
    assert_int_equal(config.retry_base_ms, 11);
    assert_int_equal(config.retry_cap_ms, 13 * 1000);
    assert_int_equal(config.max_age_ms, 17 * 60 * 1000);
    assert_int_equal(config.breaker_failures, 19);
    assert_int_equal(config.breaker_rest_ms, 23);
    assert_int_equal(config.breaker_rest_max_ms, 29 * 1000);
    assert_true(config.keeps_refused);
}

static void what_is_not_said_is_as_the_reference_has_it(void **unused)
{
    (void)unused;
    uint64_t sealed;
    struct delivery_config config = config_of("", &sealed), other = config_of("", &sealed);
    assert_int_equal(config.batch_max_bytes, 1024 * 1024);
    assert_int_equal(config.concurrency_min, 0);
    assert_int_equal(config.concurrency_max, 128);
    assert_int_equal(config.retry_base_ms, 1000);
    assert_int_equal(config.retry_cap_ms, 60 * 1000);
    assert_int_equal(config.max_age_ms, 0);
    assert_int_equal(config.breaker_failures, 5);
    assert_int_equal(config.breaker_rest_ms, 1000);
    assert_int_equal(config.breaker_rest_max_ms, 60 * 1000);
    assert_false(config.keeps_refused);
    assert_true(config.seed != other.seed); /* agents do not come back together */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_option_reaches_the_delivery),
        cmocka_unit_test(what_is_not_said_is_as_the_reference_has_it),
    };
    return RUN_WITH_LEDGER(tests);
}
