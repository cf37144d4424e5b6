/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "config/yaml.h"

#include <stdlib.h>
#include <string.h>

/* A parsed text; what is shown of its problems is empty when there are none. */
struct fixture {
    struct diagnostics diagnostics;
    struct settings_memory *memory;
    const struct node *root;
    struct buf shown;
};

static struct fixture parse(struct slice text)
{
    struct fixture fixture = { .diagnostics = { .file = "a.yaml", .text = text },
                               .memory = settings_memory_new(64 << 20) };
    fixture.root = yaml_read(&fixture.diagnostics, 0, fixture.memory);
    diagnostics_write(&fixture.diagnostics, &fixture.shown);
    return fixture;
}

static void drop(struct fixture *fixture)
{
    diagnostics_fini(&fixture->diagnostics);
    settings_memory_free(&fixture->memory);
    buf_fini(&fixture->shown);
}

static void assert_refused(struct slice text, const char *wanted)
{
    struct fixture fixture = parse(text);
    const char *shown = buf_slice(&fixture.shown).data;
    if (strstr(shown, wanted) == NULL)
        fail_msg("wanted '%s', got '%.500s'", wanted, shown);
    drop(&fixture);
}

static void bad_texts_are_refused_with_a_place_and_a_hint(void **unused)
{
    (void)unused;
    static const struct {
        const char *text, *wanted;
    } cases[] = {
        { "a:\n\tb: 1\n", "a.yaml:2:1: the line is indented with a tab: YAML wants spaces" },
        { "a:\n  b: 1\n \tc: 2\n", "a.yaml:3:2: the line is indented with a tab" },
        { "a: b: c\n",
          "a.yaml:1:5: not valid YAML: mapping values are not allowed in this context; "
          "a text with ': ' in it needs quotes" },
        { "a: @x\n", "a.yaml:1:4: not valid YAML: found character that cannot start any token" },
        { "a: 1\n b: 2\n", "a.yaml:2:3: not valid YAML" },
        { "a: \"x\n\n", "is a closing quote missing?" },
        { "a: [1, 2\nb: 3\n", "is a bracket or comma missing?" },
        { "a: {b: ${X}}\n", "inside {…} and […] a ${…} needs quotes" },
        { "a: {b:}\n", "is a space after a ':' missing?" },
        { "a: 1\nb\nc: 2\n", "is a ':' or a space after it missing?" },
        { "a: 1\na: 2\n", "a.yaml:2:1: 'a' is given twice, first in line 1" },
        { "x: {a: 1, 'a': 2}\n", "a.yaml:1:11: 'a' is given twice, first in line 1" },
        { "a: &x 1\nb: *x\n", "a.yaml:2:4: aliases (*x) are not supported" },
        { "a: !!int 1\n", "a.yaml:1:4: tags (!…) are not supported" },
        { "a: !env [x]\n", "a.yaml:1:4: tags (!…) are not supported" },
        { "? [a]\n: 1\n", "a key must be a text" },
        { "? {a: 1}\n: 1\n", "a key must be a text" },
        { "*x : 1\n", "aliases (*x) are not supported" },
        { "a: 1\n---\nb: 2\n", "a.yaml:2:1: a second document ('---') begins here" },
        { "a: \"\\0\"\n", "a.yaml:1:4: the text contains a NUL character" },
        { "a: \"\\xZZ\"\n", "a.yaml:1:" },
        { "a: b\n  \xff\n", "a.yaml:2:3: invalid UTF-8 (byte 0xff)" },
        { "a: \xc3\xa4\xe2\x28\xa1\n", "a.yaml:1:6: invalid UTF-8" },
        { "a: \x1b[2J\n", "a.yaml:1:4: a control character (U+001B) is not allowed here" },
        { "\xef\xbb\xbf"
          "a: \xff\n",
          "invalid UTF-8 (byte 0xff)" },
        { "\xff\xfe"
          "a",
          "a.yaml:1:1: the file is UTF-16" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_refused(slice_of(cases[i].text), cases[i].wanted);
    assert_refused((struct slice){ "a: \0b\n", 6 }, "a.yaml:1:4: a control character (U+0000)");
}

static void an_alias_bomb_is_refused_at_its_first_alias(void **unused)
{
    (void)unused;
    struct buf bomb = { 0 };
    (void)buf_add_text(&bomb, "a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 12; i++)
        (void)buf_printf(&bomb, "a%d: &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n", i, i, i - 1,
                         i - 1, i - 1, i - 1, i - 1, i - 1);
    assert_refused(buf_slice(&bomb), "a.yaml:2:10: aliases (*a0) are not supported");
    buf_fini(&bomb);
}

/* prefix, then `count` times item. */
static struct buf repeat(const char *prefix, const char *item, size_t count)
{
    struct buf text = { 0 };
    (void)buf_add_text(&text, prefix);
    for (size_t i = 0; i < count; i++)
        (void)buf_add_text(&text, item);
    return text;
}

static void depth_is_bounded(void **unused)
{
    (void)unused;
    static const char *const openers[] = { "[", "{a: ", "- ", "{", "? " };
    for (size_t i = 0; i < sizeof(openers) / sizeof(openers[0]); i++) {
        struct buf text = repeat("", openers[i], 200000);
        struct fixture fixture = parse(buf_slice(&text));
        assert_null(fixture.root);
        assert_non_null(strstr(fixture.shown.data, "a.yaml:1:"));
        drop(&fixture);
        buf_fini(&text);
    }
    assert_refused(slice_of("[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]"),
                   "a.yaml:1:17: nested more than 16 deep");
    struct fixture fixture = parse(slice_of("[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]"));
    assert_non_null(fixture.root);
    drop(&fixture);
}

static void the_number_of_values_is_bounded(void **unused)
{
    (void)unused;
    struct buf text = repeat("[", "x,", 200000);
    (void)buf_add_text(&text, "x]");
    assert_refused(buf_slice(&text), "more than 100000 values in one file");
    buf_fini(&text);
}

static void the_number_of_keys_of_a_map_is_bounded(void **unused)
{
    (void)unused;
    struct buf text = { 0 };
    for (int i = 0; i < 10000; i++)
        (void)buf_printf(&text, "key%d: 1\n", i);
    assert_refused(buf_slice(&text), "a.yaml:2001:1: more than 2000 keys in one map");
    buf_fini(&text);
}

static void a_text_is_bounded(void **unused)
{
    (void)unused;
    struct buf text = repeat("a: ", "xxxxxxxx", 10000);
    assert_refused(buf_slice(&text), "a.yaml:1:4: a text of more than 65536 bytes");
    buf_fini(&text);
}

static void memory_that_runs_out_is_no_tree(void **unused)
{
    (void)unused;
    struct diagnostics diagnostics = { .file = "a", .text = slice_of("{a: [1, 2, 3], b: {c: d}}") };
    struct settings_memory *memory = settings_memory_new(0);
    assert_null(yaml_read(&diagnostics, 0, memory));
    assert_true(settings_memory_failed(memory));
    settings_memory_free(&memory);
    diagnostics_fini(&diagnostics);
}

static void memory_is_zeroed_and_bounded(void **unused)
{
    (void)unused;
    struct settings_memory *memory = settings_memory_new(40000);
    char *large = settings_memory_take(memory, 20000);
    assert_non_null(large);
    for (size_t i = 0; i < 20000; i++)
        assert_int_equal(large[i], 0);
    assert_non_null(settings_memory_take(memory, 1));
    assert_int_equal((uintptr_t)settings_memory_take(memory, 3) % 16, 0);
    assert_null(settings_memory_take(memory, SIZE_MAX));
    assert_null(settings_memory_take(memory, 1));
    assert_null(settings_memory_text(memory, slice_of("x")));
    assert_true(settings_memory_failed(memory));
    settings_memory_free(&memory);
    settings_memory_free(&memory);
}

static void a_tree_knows_its_places(void **unused)
{
    (void)unused;
    struct fixture fixture = parse(slice_of("\xef\xbb\xbf"
                                            "a:\n  b: [x, 'y']\n  c:\n# no\nd: ~\ne: \"~\"\n"));
    const struct node *b = node_find(node_find(fixture.root, "a"), "b");
    assert_int_equal(fixture.shown.bytes, 0);
    assert_int_equal(fixture.root->children, 3);
    assert_int_equal(b->kind, NODE_LIST);
    assert_int_equal(b->key_place.line, 2);
    assert_int_equal(b->key_place.column, 3);
    assert_string_equal(b->child->text, "x");
    assert_string_equal(b->child->next->text, "y");
    assert_int_equal(b->child->next->place.line, 2);
    assert_int_equal(b->child->next->place.column, 10);
    assert_true(b->child->next->is_quoted);
    assert_null(b->child->next->next);
    assert_true(node_find(node_find(fixture.root, "a"), "c")->is_null);
    assert_true(node_find(fixture.root, "d")->is_null);
    assert_false(node_find(fixture.root, "e")->is_null);
    assert_null(node_find(fixture.root, "f"));
    assert_null(node_find(b, "x"));
    assert_null(node_find(NULL, "x"));
    assert_int_equal(node_find(fixture.root, "a")->key_place.column, 1);
    drop(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_texts_are_refused_with_a_place_and_a_hint),
        cmocka_unit_test(an_alias_bomb_is_refused_at_its_first_alias),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(the_number_of_values_is_bounded),
        cmocka_unit_test(the_number_of_keys_of_a_map_is_bounded),
        cmocka_unit_test(a_text_is_bounded),
        cmocka_unit_test(memory_that_runs_out_is_no_tree),
        cmocka_unit_test(memory_is_zeroed_and_bounded),
        cmocka_unit_test(a_tree_knows_its_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
