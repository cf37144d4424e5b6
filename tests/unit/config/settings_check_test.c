/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "sample.h"

/* Of the sample; wanted NULL: it is in order. */
struct change {
    const char *from, *to, *wanted;
};

static void references_are_resolved_or_told(void **unused)
{
    (void)unused;
    static const struct change cases[] = {
        { "inputs: [mylogs, mygauge]", "inputs: [mylogs, mygage]",
          "a.yaml:39:22: outputs.mymain: there is no input 'mygage', did you mean 'mygauge'?" },
        { "inputs: [mylogs, mygauge]", "inputs: [mylogs]",
          "a.yaml:23:3: inputs.mygauge: no output takes this input" },
        { "inputs: [mylogs, mygauge]", "inputs: [mylogs, mygauge, mylogs]",
          "a.yaml:39:31: outputs.mymain: the input 'mylogs' is listed twice" },
        { "processors: [myfilter]", "processors: [xyz]",
          "a.yaml:15:18: inputs.mylogs: there is no processor 'xyz'" },
        { "processors: [myfilter]", "processors: [myfilter, myfilter]",
          "a.yaml:15:28: inputs.mylogs: the processor 'myfilter' is listed twice" },
        { "    processors: [myfilter]\n", "",
          "a.yaml:27:3: processors.myfilter: no input uses this processor" },
        { "inputs: mylogs\n", "inputs: mylog\n",
          "a.yaml:58:13: outputs.myprint: there is no input 'mylog', did you mean 'mylogs'?" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_problem(sample_with(cases[i].from, cases[i].to), cases[i].wanted);
    assert_null(
        strstr(problems_of(sample_with("inputs: [mylogs, mygauge]", "inputs: [mylogs, mygage]")),
               "no output takes"));
}

static void check_cases(const struct change *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *text = sample_with(cases[i].from, cases[i].to);
        if (cases[i].wanted == NULL)
            assert_string_equal(problems_of(text), "");
        else
            assert_problem(text, cases[i].wanted);
    }
}

static void options_that_contradict_each_other_are_told(void **unused)
{
    (void)unused;
    static const struct change cases[] = {
        { "low: 0.4", "low: 80%",
          "a.yaml:22:30: inputs.mylogs.lane.shed.low: 80% must be below lane.shed.high, 80%" },
        { "base: 2s", "base: 31s",
          "a.yaml:46:19: outputs.mymain.retry.base: must not be above retry.cap" },
        { "min: 2", "min: 9",
          "a.yaml:45:24: outputs.mymain.concurrency.min: must not be above concurrency.max" },
        { "rest: 2s", "rest: 21s",
          "a.yaml:47:34: outputs.mymain.breaker.rest: must not be above breaker.rest_max" },
        { "overflow: block", "overflow: drop_newest",
          "a.yaml:20:18: inputs.mylogs.lane.block_for: needs lane.overflow: block" },
        { "collect: [cpu]", "lane: {overflow: block}", NULL }, /* one output only */
        { "max_bytes: 1GiB", "max_bytes: 1MiB",
          "a.yaml:50:18: outputs.mymain.spool.max_bytes: 1MiB is too small for 4 batches "
          "(batch.max_bytes): set it to at least 2MiB" },
        { "fsync: interval", "fsync: always",
          "a.yaml:54:23: outputs.mymain.spool.fsync_interval: needs spool.fsync: interval" },
        { "max_bytes: 1GiB", "max_bytes: 0",
          "a.yaml:55:21: outputs.mymain.spool.newest_first: there is no spool" },
        { "inputs: mylogs\n",
          "inputs: mylogs\n    spool: {max_bytes: 1GiB, path: /var/spool/mymain}\n",
          "a.yaml:59:36: outputs.myprint.spool.path: output 'mymain' has its spool there already" },
        { "inputs: mylogs\n",
          "inputs: mylogs\n    spool: {max_bytes: 1GiB, path: /var//spool/./mymain/}\n",
          "a.yaml:59:36: outputs.myprint.spool.path: output 'mymain' has its spool there already" },
        { "path: /var/spool/mymain\n", "path: /tmp/state/spool/myprint/\n", NULL },
        { "inputs: mylogs\n", "lane: {}\n", "a.yaml:58:5: outputs.myprint: unknown option 'lane'" },
        { "inputs: mylogs\n", "dead_letter: {path: /tmp/a.dead}\n",
          "a.yaml:58:18: outputs.myprint.dead_letter: 'print' refuses nothing: take the key out" },
        { "{path: /tmp/my.dead, max_bytes: 1MiB}", "{max_bytes: 1MiB}",
          "a.yaml:48:30: outputs.mymain.dead_letter.max_bytes: needs dead_letter.path" },
        { "/tmp/my.dead", "my.dead",
          "a.yaml:48:25: outputs.mymain.dead_letter.path: 'my.dead' must be an absolute path" },
        { "/tmp/my.dead", "/tmp/",
          "a.yaml:48:25: outputs.mymain.dead_letter.path: '/tmp/' names a folder" },
        { "/tmp/my.dead", "/nonexistent/my.dead",
          "a.yaml:48:25: outputs.mymain.dead_letter.path: the folder '/nonexistent' cannot be "
          "used" },
        { "/tmp/my.dead", "/dev/null",
          "a.yaml:48:25: outputs.mymain.dead_letter.path: '/dev/null' is not a regular file" },
        { "  myprint:\n    type: print\n",
          "  two:\n    type: post\n    url: http://a/\n    dead_letter: {path: /tmp/my.dead}\n",
          "outputs.two.dead_letter.path: output 'mymain' has the same file" },
        { "type: gauge\n    interval: 30s\n    collect: [cpu]\n", "type: pipe\n    interval: 30s\n",
          "a.yaml:25:15: inputs.mygauge.interval: 'pipe' does not sample" },
    };

    check_cases(cases, sizeof(cases) / sizeof(cases[0]));
}

/* Older letters are in PATH.1. */
static void letters_of_two_outputs_are_in_files_of_their_own(void **unused)
{
    (void)unused;
    static const struct change cases[] = {
        { "  myprint:\n    type: print\n",
          "  two:\n    type: post\n    url: http://a/\n    dead_letter: {path: /tmp/my.dead.1}\n",
          "outputs.two.dead_letter.path: output 'mymain' has the same file, or PATH.1 of it" },
        { "  myprint:\n    type: print\n",
          "  two:\n    type: post\n    url: http://a/\n    dead_letter: {path: "
          "/tmp//my.dead.1.1}\n",
          NULL },
        { "/tmp/my.dead, max_bytes: 1MiB}\n",
          "/tmp/a.1, max_bytes: 1MiB}\n  two: {type: post, url: http://a/, inputs: mylogs, "
          "dead_letter: {path: /tmp/a}}\n  three:\n    type: print\n",
          "outputs.two.dead_letter.path: output 'mymain' has the same file, or PATH.1 of it" },
    };

    check_cases(cases, sizeof(cases) / sizeof(cases[0]));
}

static void a_spool_is_not_put_where_another_has_its_default(void **unused)
{
    (void)unused;
    static const char *const outputs[] = {
        "a: {type: print, spool: {max_bytes: 1GiB}}, "
        "b: {type: print, spool: {max_bytes: 1GiB, path: /tmp/state/spool/a}}",
        "b: {type: print, spool: {max_bytes: 1GiB, path: /tmp/state//spool/a/}}, "
        "a: {type: print, spool: {max_bytes: 1GiB}}",
    };
    static const char *const wanted[] = { "outputs.b.spool.path: output 'a' has its spool there",
                                          "outputs.a.spool.path: output 'b' has its spool there" };
    char text[512];

    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(text, sizeof(text),
                       "agent: {state_dir: /tmp/state}\ninputs: {p: {type: pipe}}\noutputs: {%s}\n",
                       outputs[i]);
        assert_problem(text, wanted[i]);
    }
}

static void paths_that_the_text_tells_apart_are_two(void **unused)
{
    (void)unused;
    assert_true(settings_same_path("/srv//sp/.", "/./srv/sp/"));
    assert_true(settings_same_path("/", "//"));
    assert_true(settings_same_path("", ""));
    assert_false(settings_same_path("", "."));
    assert_false(settings_same_path("srv", "/srv"));
    assert_false(settings_same_path("/srv", "/srv/sp"));
    assert_false(settings_same_path("/srv/sp", "/srv/.sp"));
    assert_false(settings_same_path("/srv/..", "/"));
}

static void an_input_that_cannot_be_read_again_may_not_block_several_outputs_for_ever(void **unused)
{
    (void)unused;
    static const char outputs[] = "outputs: {a: {type: print}, b: {type: print}}\n";
    char text[256];

    (void)snprintf(text, sizeof(text), "inputs: {p: {type: pipe, lane: {overflow: block}}}\n%s",
                   outputs);
    assert_problem(
        text,
        "a.yaml:1:43: inputs.p.lane.overflow: block would let a slow output hold the other 1");
    (void)snprintf(text, sizeof(text),
                   "inputs: {p: {type: pipe, lane: {overflow: block, block_for: 1s}}}\n%s",
                   outputs);
    assert_string_equal(problems_of(text), "");
    assert_string_equal(
        problems_of("inputs: {p: {type: files, paths: /x, lane: {overflow: block}}}\n"
                    "outputs: {a: {type: print}, b: {type: print}}\n"),
        "");
}

static void more_lanes_than_the_books_have_are_refused(void **unused)
{
    (void)unused;
    struct buf text = { 0 };
    (void)buf_add_text(&text, "agent: {memory_limit: 64GiB}\ninputs:\n");
    for (int i = 0; i < 43; i++)
        (void)buf_printf(&text, "  i%d: {type: pipe}\n", i);
    (void)buf_add_text(&text, "outputs:\n  a: {type: print}\n  b: {type: print}\n");
    assert_string_equal(problems_of(text.data), "");
    (void)buf_add_text(&text, "  c: {type: print}\n");
    assert_problem(text.data, "a.yaml:46:1: outputs: 129 pairs of an input and an output");
    buf_clear(&text);
    (void)buf_add_text(&text,
                       "agent: {memory_limit: 64GiB}\ninputs: {i: {type: pipe}}\noutputs:\n");
    for (int i = 0; i < 33; i++)
        (void)buf_printf(&text, "  o%d: {type: print}\n", i);
    assert_problem(text.data, "a.yaml:36:3: outputs: more than 32");
    for (int i = 0; i < 100; i++)
        (void)buf_printf(&text, "  p%d: {type: print}\n", i);
    assert_problem(text.data, "a.yaml:3:1: outputs: more than 128");
    buf_fini(&text);
}

static void a_file_without_inputs_or_outputs_is_told(void **unused)
{
    (void)unused;
    assert_problem("", "a.yaml: the file is empty");
    assert_problem("# nothing\n", "a.yaml: the file is empty");
    assert_problem("~\n", "the file is empty");
    assert_problem("[1]\n",
                   "a.yaml:1:1: a configuration is a map with inputs and outputs, not a list");
    assert_problem("text\n", "not a single value");
    assert_problem("{}\n", "a.yaml:1:1: there are no inputs");
    assert_problem("{}\n", "a.yaml:1:1: there are no outputs");
    assert_problem("inputs: {}\noutputs:\n", "a.yaml:2:1: outputs: wants a map of outputs by name");
    assert_problem("inputs:\noutputs: [a]\n", "a.yaml:1:1: inputs: wants a map of inputs by name");
    assert_problem("inputs:\noutputs: [a]\n",
                   "a.yaml:2:10: outputs: wants a map of outputs by name");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(references_are_resolved_or_told),
        cmocka_unit_test(options_that_contradict_each_other_are_told),
        cmocka_unit_test(letters_of_two_outputs_are_in_files_of_their_own),
        cmocka_unit_test(a_spool_is_not_put_where_another_has_its_default),
        cmocka_unit_test(paths_that_the_text_tells_apart_are_two),
        cmocka_unit_test(an_input_that_cannot_be_read_again_may_not_block_several_outputs_for_ever),
        cmocka_unit_test(more_lanes_than_the_books_have_are_refused),
        cmocka_unit_test(a_file_without_inputs_or_outputs_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
