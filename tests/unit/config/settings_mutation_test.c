/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "sample.h"

static unsigned line_of(const char *at)
{
    unsigned line = 1;

    for (const char *c = sample; c < at; c++)
        line += *c == '\n' ? 1 : 0;
    return line;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || c == '_';
}

/* The next key of an option at or behind `at`; its length in *ret_bytes. */
static const char *next_key(const char *at, size_t *ret_bytes)
{
    for (; *at != '\0'; at++) {
        bool is_start = is_letter(*at) && (at == sample || !is_letter(at[-1]));
        size_t bytes = 0;
        while (is_letter(at[bytes]))
            bytes++;
        if (is_start && at[bytes] == ':' && (at[bytes + 1] == ' ' || at[bytes + 1] == '\n') &&
            strncmp(at, "my", 2) != 0) {
            *ret_bytes = bytes;
            return at;
        }
    }
    return NULL;
}

static void assert_misspelling_is_told(const char *key, size_t bytes, size_t at,
                                       const char *instead)
{
    char text[sizeof(sample) + 8], place[32], name[64];
    size_t before = (size_t)(key - sample) + at;

    (void)snprintf(text, sizeof(text), "%.*s%s%s", (int)before, sample, instead,
                   sample + before + 1);
    (void)snprintf(place, sizeof(place), "a.yaml:%u:", line_of(key));
    (void)snprintf(name, sizeof(name), "%.*s'?", (int)bytes, key);
    const char *shown = problems_of(text);
    for (const char *line = strstr(shown, place); line != NULL; line = strstr(line + 1, place)) {
        const char *meant = strstr(line, "did you mean '");
        const char *end = strchr(line, '\n');
        if (meant != NULL && meant < end && strncmp(end - strlen(name), name, strlen(name)) == 0 &&
            (end[-(long)strlen(name) - 1] == '\'' || end[-(long)strlen(name) - 1] == '.'))
            return;
    }
    fail_msg("'%.*s' with '%s' at %zu: wanted a suggestion in line %u, got '%.800s'", (int)bytes,
             key, instead, at, line_of(key), shown);
}

static void every_key_misspelt_by_one_letter_is_told_with_line_and_suggestion(void **unused)
{
    (void)unused;
    size_t bytes = 0, keys = 0;

    for (const char *key = next_key(sample, &bytes); key != NULL;
         key = next_key(key + bytes, &bytes)) {
        for (size_t i = 0; i < bytes; i++) {
            assert_misspelling_is_told(key, bytes, i, "q");
            assert_misspelling_is_told(key, bytes, i, "");
        }
        keys++;
    }
    assert_int_equal(keys, 77);
}

static void every_key_without_a_value_is_told(void **unused)
{
    (void)unused;
    size_t bytes = 0;

    for (const char *key = next_key(sample, &bytes); key != NULL;
         key = next_key(key + bytes, &bytes)) {
        char text[sizeof(sample) + 1], place[32];
        size_t end = strcspn(key, ",}\n");
        if (key[bytes + 1] == '\n')
            continue; /* a map in lines of its own */
        if (key[bytes + 2] == '{' || key[bytes + 2] == '[')
            end = strcspn(key, "}]") + 1;
        (void)snprintf(text, sizeof(text), "%.*s %s", (int)(key - sample) + (int)bytes + 1, sample,
                       key + end);
        (void)snprintf(place, sizeof(place), "a.yaml:%u:", line_of(key));
        assert_problem(text, place);
        assert_problem(text, "has no value");
    }
}

static void every_key_given_twice_is_told(void **unused)
{
    (void)unused;
    for (const char *line = sample; *line != '\0'; line = strchr(line, '\n') + 1) {
        char text[2 * sizeof(sample)], place[32];
        size_t bytes = (size_t)(strchr(line, '\n') - line) + 1;
        if (line[bytes - 2] == ':')
            continue;
        (void)snprintf(text, sizeof(text), "%.*s%.*s%s", (int)(line - sample) + (int)bytes, sample,
                       (int)bytes, line, line + bytes);
        (void)snprintf(place, sizeof(place), "a.yaml:%u:", line_of(line) + 1);
        assert_problem(text, "is given twice");
        assert_problem(text, place);
    }
}

static void every_value_of_another_kind_is_told(void **unused)
{
    (void)unused;
    static const char *const instead[] = { "{zzz: 1}", "[[1]]" };
    size_t bytes = 0;

    for (const char *key = next_key(sample, &bytes); key != NULL;
         key = next_key(key + bytes, &bytes)) {
        for (size_t i = 0; i < 2; i++) {
            char text[sizeof(sample) + 16];
            size_t end = strcspn(key, ",}\n");
            if (key[bytes + 1] == '\n' || strncmp(key, "headers", 7) == 0 ||
                strncmp(key, "resource", 8) == 0)
                continue;
            if (key[bytes + 2] == '{' || key[bytes + 2] == '[')
                end = strcspn(key, "}]") + 1;
            (void)snprintf(text, sizeof(text), "%.*s %s%s", (int)(key - sample) + (int)bytes + 1,
                           sample, instead[i], key + end);
            char place[32];
            (void)snprintf(place, sizeof(place), "a.yaml:%u:", line_of(key));
            assert_problem(text, place);
        }
    }
}

/* Cuts the sample at each byte: whatever is left, it ends in an answer. */
static void every_beginning_of_a_configuration_gets_an_answer(void **unused)
{
    (void)unused;
    char text[sizeof(sample)];

    for (size_t bytes = 0; bytes < sizeof(sample); bytes += 3) {
        memcpy(text, sample, bytes);
        text[bytes] = '\0';
        (void)problems_of(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_misspelt_by_one_letter_is_told_with_line_and_suggestion),
        cmocka_unit_test(every_key_without_a_value_is_told),
        cmocka_unit_test(every_key_given_twice_is_told),
        cmocka_unit_test(every_value_of_another_kind_is_told),
        cmocka_unit_test(every_beginning_of_a_configuration_gets_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
