/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/err.h"
#include "config/nearest.h"
#include "config/schema_names.h"

#include <string.h>

static struct option make(enum option_type type, const char *min, const char *max)
{
    return (
        struct option){ .key = "x", .type = type, .preset = "", .min = min, .max = max, .doc = "" };
}

/* The error text for a value; "" when it is taken. */
static const char *error_of(enum option_type type, const char *min, const char *max,
                            const char *text)
{
    static struct err err;
    struct option option = make(type, min, max);
    union {
        uint64_t whole;
        int64_t duration_ms;
        double share;
        const char *text;
        unsigned choice;
        bool flag;
    } value;

    err.text[0] = '\0';
    (void)schema_parse(&option, text, text, &value, &err);
    return err.text;
}

static uint64_t size_of(const char *text)
{
    struct option option = make(OPT_size, ANY, ANY);
    struct err err;
    uint64_t bytes = 0;

    assert_true(schema_parse(&option, text, text, &bytes, &err));
    return bytes;
}

static int64_t duration_of(const char *text)
{
    struct option option = make(OPT_duration, ANY, ANY);
    struct err err;
    int64_t duration_ms = 0;

    assert_true(schema_parse(&option, text, text, &duration_ms, &err));
    return duration_ms;
}

static double share_of(const char *text)
{
    struct option option = make(OPT_share, ANY, ANY);
    struct err err;
    double share = 0;

    assert_true(schema_parse(&option, text, text, &share, &err));
    return share;
}

static void every_type_refuses_what_is_not_of_it(void **unused)
{
    (void)unused;
    static const struct {
        enum option_type type;
        const char *texts[12];
    } bad[] = {
        { OPT_flag, { "", "ture", "1", "y", "yes ", " no" } },
        { OPT_count,
          { "", "-1", "+1", "1.5", "0x10", " 1", "1 ", "ten", "1e3", "18446744073709551616" } },
        { OPT_rate, { "", "-1/s", "/s", "1 /s", "1/S", "1/m", "1/s ", "1/s/s", "1.5/s", "ten/s" } },
        { OPT_size,
          { "", "-1", "MiB", "1mib", "1 M", "1.5MiB", "1M", "1MiB ", "16777216TiB",
            "99999999999999999999B", "1Mib" } },
        { OPT_duration,
          { "", "10", "s", "-1s", "1.5s", "1min", "1h30m", "10 seconds", "1s ",
            "9223372036854775807d", "106751991168d" } },
        { OPT_share, { "", "80", "1.01", "-1%", "%", "80 %", ".5", "1.", "nan", "inf", "80%%" } },
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        for (size_t j = 0; j < 12 && bad[i].texts[j] != NULL; j++) {
            if (error_of(bad[i].type, ANY, ANY, bad[i].texts[j])[0] == '\0')
                fail_msg("%s takes '%s'", schema_type_name(bad[i].type), bad[i].texts[j]);
        }
    }
}

static void an_error_names_the_value_and_how_it_is_written(void **unused)
{
    (void)unused;
    assert_string_equal(
        error_of(OPT_duration, ANY, ANY, "10"),
        "'10' has no unit: write a whole number and a unit: 250ms, 10s, 5m, 1h, 7d");
    assert_string_equal(error_of(OPT_flag, ANY, ANY, "ture"),
                        "'ture' is not a flag: write yes or no");
    assert_string_equal(error_of(OPT_share, ANY, ANY, "80"),
                        "'80' is not a share: write 80% or 0.8");
    assert_string_equal(error_of(OPT_count, ANY, ANY, "99999999999999999999999"),
                        "'99999999999999999999999' is too large");
}

static void bounds_go_through_the_same_parser_and_are_named(void **unused)
{
    (void)unused;
    assert_string_equal(error_of(OPT_duration, "1s", "5m", "999ms"),
                        "'999ms' is below the minimum 1s");
    assert_string_equal(error_of(OPT_duration, "1s", "5m", "301s"),
                        "'301s' is above the maximum 5m");
    assert_string_equal(error_of(OPT_duration, "1s", "5m", "300s"), "");
    assert_string_equal(error_of(OPT_size, "1KiB", "1MiB", "1023"),
                        "'1023' is below the minimum 1KiB");
    assert_string_equal(error_of(OPT_size, "1KiB", "1MiB", "1MiB"), "");
    assert_string_equal(error_of(OPT_size, "1KiB", "1MiB", "1048577"),
                        "'1048577' is above the maximum 1MiB");
    assert_string_equal(error_of(OPT_count, "1", "8", "0"), "'0' is below the minimum 1");
    assert_string_equal(error_of(OPT_count, "1", "8", "9"), "'9' is above the maximum 8");
    assert_string_equal(error_of(OPT_share, "10%", "90%", "0.05"),
                        "'0.05' is below the minimum 10%");
    assert_string_equal(error_of(OPT_share, "10%", "90%", "91%"), "'91%' is above the maximum 90%");
}

static void a_wrong_choice_names_the_valid_ones_and_the_nearest(void **unused)
{
    (void)unused;
    assert_string_equal(error_of(OPT_choice, "block|drop_oldest", ANY, "drop_oldset"),
                        "'drop_oldset' is none of block|drop_oldest, did you mean 'drop_oldest'?");
    assert_string_equal(error_of(OPT_choice, "block|drop_oldest", ANY, "zzz"),
                        "'zzz' is none of block|drop_oldest");
    assert_string_equal(error_of(OPT_choice, "block|drop_oldest", ANY, "block|drop_oldest"),
                        "'block|drop_oldest' is none of block|drop_oldest");
    assert_string_equal(error_of(OPT_choice, "block|drop_oldest", ANY, ""),
                        "'' is none of block|drop_oldest");
}

static void the_items_of_a_list_with_names_are_checked(void **unused)
{
    (void)unused;
    assert_string_equal(error_of(OPT_list, "cpu|load", ANY, "cpus"),
                        "'cpus' is none of cpu|load, did you mean 'cpu'?");
    assert_string_equal(error_of(OPT_list, "cpu|load", ANY, "load"), "");
    assert_string_equal(error_of(OPT_list, ANY, ANY, "anything"), "");
}

static void a_message_shows_what_it_is_told_to_and_not_the_value(void **unused)
{
    (void)unused;
    struct option option = make(OPT_count, ANY, ANY);
    struct err err;
    uint64_t count = 7;

    assert_false(schema_parse(&option, "hunter2", "${COUNT}", &count, &err));
    assert_null(strstr(err.text, "hunter2"));
    assert_non_null(strstr(err.text, "'${COUNT}'"));
    assert_int_equal(count, 7);
}

static void a_rate_may_say_that_it_is_of_a_second(void **unused)
{
    (void)unused;
    struct option option = make(OPT_rate, "1/s", "1000/s");
    struct err err;
    uint64_t rate = 0;

    assert_true(schema_parse(&option, "200/s", "200/s", &rate, &err));
    assert_int_equal(rate, 200);
    assert_true(schema_parse(&option, "1000", "1000", &rate, &err));
    assert_int_equal(rate, 1000);
    assert_string_equal(error_of(OPT_rate, "1/s", "1000/s", "1001/s"),
                        "'1001/s' is above the maximum 1000/s");
    assert_string_equal(error_of(OPT_rate, ANY, ANY, "10/m"),
                        "'10/m' is not a rate: write a whole number a second: 1000/s or 1000");
}

static void sizes_have_binary_and_decimal_units(void **unused)
{
    (void)unused;
    assert_int_equal(size_of("0"), 0);
    assert_int_equal(size_of("512"), 512);
    assert_int_equal(size_of("512B"), 512);
    assert_int_equal(size_of("64KiB"), 65536);
    assert_int_equal(size_of("64 KiB"), 65536);
    assert_int_equal(size_of("1MiB"), 1048576);
    assert_int_equal(size_of("1GiB"), 1073741824);
    assert_int_equal(size_of("1MB"), 1000000);
    assert_int_equal(size_of("1kB"), 1000);
    assert_int_equal(size_of("18446744073709551615"), UINT64_MAX);
    assert_true(size_of("16777215TiB") == UINT64_MAX - ((UINT64_C(1) << 40) - 1));
}

static void durations_are_milliseconds(void **unused)
{
    (void)unused;
    assert_int_equal(duration_of("0"), 0);
    assert_int_equal(duration_of("0s"), 0);
    assert_int_equal(duration_of("250ms"), 250);
    assert_int_equal(duration_of("10s"), 10000);
    assert_int_equal(duration_of("5m"), 300000);
    assert_int_equal(duration_of("1h"), 3600000);
    assert_int_equal(duration_of("7d"), 604800000);
}

static void shares_are_percent_or_a_fraction(void **unused)
{
    (void)unused;
    assert_true(share_of("80%") > 0.7999 && share_of("80%") < 0.8001);
    assert_true(share_of("0.8") > 0.7999 && share_of("0.8") < 0.8001);
    assert_true(share_of("0.5%") > 0.00499 && share_of("0.5%") < 0.00501);
    assert_true(share_of("100%") >= 1 && share_of("1") >= 1);
    assert_true(share_of("0%") <= 0);
}

static void flags_are_words(void **unused)
{
    (void)unused;
    static const char *const yes[] = { "yes", "true", "on", "True" }, *const no[] = { "no", "false",
                                                                                      "OFF" };
    struct option option = make(OPT_flag, ANY, ANY);
    struct err err;

    for (size_t i = 0; i < 4; i++) {
        bool flag = false;
        assert_true(schema_parse(&option, yes[i], yes[i], &flag, &err));
        assert_true(flag);
    }
    for (size_t i = 0; i < 3; i++) {
        bool flag = true;
        assert_true(schema_parse(&option, no[i], no[i], &flag, &err));
        assert_false(flag);
    }
}

static void names_are_shown_with_dots(void **unused)
{
    (void)unused;
    struct option option = make(OPT_share, ANY, ANY);
    char name[32], cut[6];

    option.key = "lane__shed__high_mark";
    schema_user_name(&option, name, sizeof(name));
    assert_string_equal(name, "lane.shed.high_mark");
    schema_user_name(&option, cut, sizeof(cut));
    assert_string_equal(cut, "lane.");
}

static void sizes_are_shown_as_users_write_them(void **unused)
{
    (void)unused;
    char text[SIZE_TEXT_BYTES];

    assert_string_equal(schema_size_text(0, text), "0B");
    assert_string_equal(schema_size_text(1536, text), "1536B");
    assert_string_equal(schema_size_text(8 << 20, text), "8MiB");
    assert_string_equal(schema_size_text(UINT64_C(3) << 30, text), "3GiB");
    assert_string_equal(schema_size_text((UINT64_C(7) << 20) / 2, text), "3584KiB");
    assert_string_equal(schema_size_text(3728270, text), "3.5MiB");
    assert_string_equal(schema_size_text(1048577, text), "1.0MiB");
    assert_string_equal(schema_size_text(20001, text), "19.5KiB");
    assert_true(strlen(schema_size_text(UINT64_MAX, text)) < SIZE_TEXT_BYTES);
}

static void the_nearest_name_is_found_only_when_it_is_near(void **unused)
{
    (void)unused;
    static const struct {
        const char *word, *meant;
    } cases[] = {
        { "timout", "timeout" },
        { "tiemout", "timeout" },
        { "Timeout", "timeout" },
        { "timeoutt", "timeout" },
        { "ulr", "url" },
        { "url", "url" },
        { "capacity", "lane.capacity" },
        { "lane.capcity", "lane.capacity" },
        { "completely", NULL },
        { "x", NULL },
        { "", NULL },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct nearest nearest = nearest_to(cases[i].word);
        nearest_offer_dotted(&nearest, "timeout");
        nearest_offer_dotted(&nearest, "url");
        nearest_offer_dotted(&nearest, "lane.capacity");
        const char *name = nearest_name(&nearest);
        if (cases[i].meant == NULL)
            assert_null(name);
        else
            assert_string_equal(name, cases[i].meant);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_refuses_what_is_not_of_it),
        cmocka_unit_test(an_error_names_the_value_and_how_it_is_written),
        cmocka_unit_test(bounds_go_through_the_same_parser_and_are_named),
        cmocka_unit_test(a_wrong_choice_names_the_valid_ones_and_the_nearest),
        cmocka_unit_test(the_items_of_a_list_with_names_are_checked),
        cmocka_unit_test(a_message_shows_what_it_is_told_to_and_not_the_value),
        cmocka_unit_test(a_rate_may_say_that_it_is_of_a_second),
        cmocka_unit_test(sizes_have_binary_and_decimal_units),
        cmocka_unit_test(durations_are_milliseconds),
        cmocka_unit_test(shares_are_percent_or_a_fraction),
        cmocka_unit_test(flags_are_words),
        cmocka_unit_test(names_are_shown_with_dots),
        cmocka_unit_test(sizes_are_shown_as_users_write_them),
        cmocka_unit_test(the_nearest_name_is_found_only_when_it_is_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
