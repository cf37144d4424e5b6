/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "config/merge.h"

#include <string.h>

struct merged {
    struct diagnostics diagnostics;
    struct config_text second;
    struct settings_memory *memory;
    struct node *root;
    struct buf shown;
};

static void merge(struct merged *merged, const char *first, const char *second)
{
    *merged = (struct merged){ .second = { "b.yaml", slice_of(second) },
                               .memory = settings_memory_new(1 << 20) };
    merged->diagnostics = (struct diagnostics){
        .file = "a.yaml", .text = slice_of(first), .others = &merged->second, .other_count = 1
    };
    merged->root = yaml_read(&merged->diagnostics, 0, merged->memory);
    merge_tree(&merged->diagnostics, merged->root,
               yaml_read(&merged->diagnostics, 1, merged->memory));
    diagnostics_write(&merged->diagnostics, &merged->shown);
}

static void drop(struct merged *merged)
{
    diagnostics_fini(&merged->diagnostics);
    settings_memory_free(&merged->memory);
    buf_fini(&merged->shown);
}

static void add_map(const struct node *map, struct buf *ret)
{
    (void)buf_add_text(ret, "{");
    for (const struct node *node = map->child; node != NULL; node = node->next) {
        (void)buf_printf(ret, "%s:", node->key);
        if (node->kind == NODE_MAP)
            add_map(node, ret);
        else
            (void)buf_add_text(ret, node->text);
        (void)buf_add_text(ret, node->next == NULL ? "" : " ");
    }
    (void)buf_add_text(ret, "}");
}

static void assert_tree(const char *first, const char *second, const char *wanted)
{
    struct merged merged;
    struct buf got = { 0 };

    merge(&merged, first, second);
    assert_string_equal(buf_slice(&merged.shown).data, "");
    add_map(merged.root, &got);
    assert_string_equal(got.data, wanted);
    buf_fini(&got);
    drop(&merged);
}

static void assert_refused(const char *first, const char *second, const char *wanted)
{
    struct merged merged;

    merge(&merged, first, second);
    if (strstr(buf_slice(&merged.shown).data, wanted) == NULL)
        fail_msg("wanted '%s', got '%s'", wanted, buf_slice(&merged.shown).data);
    drop(&merged);
}

static void names_of_both_are_there_the_first_ones_first(void **unused)
{
    (void)unused;
    assert_tree("inputs: {a: {type: x}}", "inputs: {b: {type: y}}\noutputs: {c: {type: z}}",
                "{inputs:{a:{type:x} b:{type:y}} outputs:{c:{type:z}}}");
    assert_tree("outputs: {}", "outputs: {c: {type: z}}", "{outputs:{c:{type:z}}}");
}

static void options_of_the_agent_come_together_at_any_depth(void **unused)
{
    (void)unused;
    assert_tree("agent: {a: 1, admin: {tls: {x: 1}}}", "agent: {b: 2, admin: {tls: {y: 2}, z: 3}}",
                "{agent:{a:1 admin:{tls:{x:1 y:2} z:3} b:2}}");
}

static void what_both_name_is_told_with_both_places(void **unused)
{
    (void)unused;
    assert_refused("inputs:\n  a: {type: x}\n", "inputs:\n  b: {}\n  a: {paths: [y]}\n",
                   "b.yaml:3:3: inputs.a: is given twice, first in a.yaml:2:3: one of them has to "
                   "go\n    3 |   a: {paths: [y]}\n");
    assert_refused("agent: {admin: {listen: x}}", "agent: {admin: {listen: x}}",
                   "b.yaml:1:17: agent.admin.listen: is given twice, first in a.yaml:1:17");
    assert_refused("agent: {admin: x}", "agent: {admin: {listen: x}}",
                   "b.yaml:1:9: agent.admin: is given twice");
    assert_refused("inputs:\n", "inputs: {a: {type: x}}",
                   "b.yaml:1:1: inputs: is given twice, first in a.yaml:1:1");
}

static void twice_in_the_second_is_told_once(void **unused)
{
    (void)unused;
    struct merged merged;

    merge(&merged, "x: {}", "x: {a: 1, a: 2}");
    assert_int_equal(merged.diagnostics.count, 1);
    assert_non_null(strstr(merged.shown.data, "b.yaml:1:11: 'a' is given twice, first in line 1"));
    drop(&merged);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_both_are_there_the_first_ones_first),
        cmocka_unit_test(options_of_the_agent_come_together_at_any_depth),
        cmocka_unit_test(what_both_name_is_told_with_both_places),
        cmocka_unit_test(twice_in_the_second_is_told_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
