/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "config/reference.h"
#include "sample.h"

#include <stdlib.h>
#include <unistd.h>

/* ---- problems ---- */

static void a_wrong_value_is_told_with_place_key_value_and_limit(void **unused)
{
    (void)unused;
    static const struct {
        const char *from, *to, *wanted;
    } cases[] = {
        { "timeout: 2s", "timeout: 2ms",
          "a.yaml:33:14: outputs.mymain.timeout: '2ms' is below the minimum 1s\n"
          "   33 |     timeout: 2ms\n"
          "      |              ^\n" },
        { "timeout: 2s", "timeout: 10", "a.yaml:33:14: outputs.mymain.timeout: '10' has no unit" },
        { "tries: 7", "tries: 0x7", "a.yaml:34:12: outputs.mymain.tries: '0x7' is not a count" },
        { "ratio: 20%", "ratio: 95%",
          "a.yaml:35:12: outputs.mymain.ratio: '95%' is above the maximum 90%" },
        { "verify: no", "verify: maybe",
          "a.yaml:38:19: outputs.mymain.tls.verify: 'maybe' is not a flag" },
        { "min: 2", "min: 257",
          "a.yaml:45:24: outputs.mymain.concurrency.min: '257' is above the maximum 256" },
        { "memory_limit: 64MiB", "memory_limit: 64M",
          "a.yaml:4:17: agent.memory_limit: '64M' is not a size" },
        { "log_level: warn", "log_level: wran",
          "a.yaml:7:14: agent.log_level: 'wran' is none of debug|info|warn|error, did you mean "
          "'warn'?" },
        { "collect: [cpu]", "collect: [cpu, lode]",
          "a.yaml:26:20: inputs.mygauge.collect: 'lode' is none of cpu|load|memory, did you mean "
          "'load'?" },
        { "paths: [/var/log/a.log", "paths: [a.log",
          "a.yaml:10:3: inputs.mylogs: paths: 'a.log' is not absolute" },
        { "paths: [/var/log/a.log, '/var/log/b*.log']", "paths: []",
          "a.yaml:12:12: inputs.mylogs.paths: must not be empty" },
        { "url: https://example.com/in", "url: ''",
          "a.yaml:32:10: outputs.mymain.url: must not be empty" },
        { "type: files", "type: fiels",
          "a.yaml:11:11: inputs.mylogs.type: unknown input type 'fiels', did you mean 'files'?; "
          "known: files, pipe, gauge" },
        { "type: print", "type: [print]",
          "a.yaml:57:11: outputs.myprint.type: wants a single value, not a list" },
        { "    lane:\n", "    lane: 8MiB\n    lone:\n",
          "a.yaml:17:11: inputs.mylogs.lane: wants a map of options" },
        { "    lane:\n", "    lane.capacity: 1MiB\n    lane:\n",
          "a.yaml:17:5: inputs.mylogs: unknown option 'lane.capacity': write it as nested maps" },
        { "    lane:\n", "    capacity: 1MiB\n    lane:\n",
          "a.yaml:17:5: inputs.mylogs: unknown option 'capacity', did you mean 'lane.capacity'?" },
        { "agent:\n", "agents:\n", "a.yaml:1:1: unknown key 'agents', did you mean 'agent'?" },
        { "agent:\n", "service: {}\nagent:\n",
          "a.yaml:1:1: unknown key 'service'; known: agent, inputs, processors, outputs" },
        { "mygauge:\n", "my gauge:\n", "a.yaml:23:3: inputs.my gauge: a name has 1 to 63 letters" },
        { "myprint:\n", "'':\n", "a.yaml:56:3: outputs.: a name has 1 to 63 letters" },
        { "resource: {myteam: core}", "resource: [a]",
          "a.yaml:16:15: inputs.mylogs.resource: wants a map" },
        { "resource: {myteam: core}", "resource: {myteam: }",
          "a.yaml:16:16: inputs.mylogs.resource.myteam: has no value" },
    };

    assert_string_equal(problems_of(sample), "");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_problem(sample_with(cases[i].from, cases[i].to), cases[i].wanted);
}

static void a_mistake_is_told_once(void **unused)
{
    (void)unused;
    static const char *const froms[] = { "type: files", "type: gauge", "timeout: 2s",
                                         "log_level: warn" };

    for (size_t i = 0; i < sizeof(froms) / sizeof(froms[0]); i++) {
        char to[64];
        (void)snprintf(to, sizeof(to), "%.*s: zzz", (int)strcspn(froms[i], ":"), froms[i]);
        const char *shown = problems_of(sample_with(froms[i], to));
        assert_non_null(strstr(shown, "a.yaml:"));
        assert_null(strstr(strstr(shown, "a.yaml:") + 1, "a.yaml:"));
    }
}

static void all_problems_are_told_in_the_order_of_the_file(void **unused)
{
    (void)unused;
    const char *shown = problems_of("agent: {memry_limit: 1MiB}\n"
                                    "inputs:\n"
                                    "  a: {type: files}\n"
                                    "  b: {type: gauge, interval: 10}\n"
                                    "outputs:\n"
                                    "  m: {type: post, url: x, inputs: [c]}\n"
                                    "  n:\n"
                                    "extra: 1\n");
    static const char *const wanted[] = { "a.yaml:1:9: ",  "a.yaml:3:3: ", "a.yaml:4:30: ",
                                          "a.yaml:6:36: ", "a.yaml:7:3: ", "a.yaml:8:1: " };

    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        const char *at = strstr(shown, wanted[i]);
        assert_non_null(at);
        shown = at;
    }
    assert_null(strstr(shown + 1, "a.yaml:"));
}

static void substitution_is_told_where_it_fails(void **unused)
{
    (void)unused;
    (void)unsetenv("SPILLWAY_NOT_SET");
    assert_problem(
        sample_with("https://example.com/in", "https://${SPILLWAY_NOT_SET}/in"),
        "a.yaml:32:18: outputs.mymain.url: the environment variable 'SPILLWAY_NOT_SET' is not set");
    assert_problem(sample_with("user: me", "user: \"a${\""),
                   "a.yaml:36:20: outputs.mymain.auth.user: '${' without");
    assert_problem(sample_with("user: me", "user: '${file:/does/not/exist}'"),
                   "cannot read the file '/does/not/exist': No such file");
    assert_problem(sample_with("type: gauge", "type: ${SPILLWAY_NOT_SET}"),
                   "a.yaml:24:11: inputs.mygauge.type: the environment");
}

static void a_substituted_value_and_a_secret_are_never_shown(void **unused)
{
    (void)unused;
    (void)setenv("SPILLWAY_SECRET", "s3cr3t", 1);
    static const char *const froms[] = {
        "timeout: 2s", "tries: 7",        "ratio: 20%",
        "verify: no",  "log_level: warn", "memory_limit: 64MiB",
        "type: files", "collect: [cpu]",  "inputs: [mylogs, mygauge]"
    };
    for (size_t i = 0; i < sizeof(froms) / sizeof(froms[0]); i++) {
        char to[64];
        size_t key = strcspn(froms[i], ":");
        (void)snprintf(to, sizeof(to), "%.*s: '${SPILLWAY_SECRET}'", (int)key, froms[i]);
        const char *shown = problems_of(sample_with(froms[i], to));
        assert_true(shown[0] != '\0');
        assert_non_null(strstr(shown, "'${SPILLWAY_SECRET}'"));
        assert_null(strstr(shown, "s3cr3t"));
    }
    static const char *const keys[] = { "password: hunter2, pasword: hunter2",
                                        "pasword: hunter2",
                                        "password: [hunter2]",
                                        "password: {a: hunter2}",
                                        "passwort: hunter2",
                                        "pass: hunter2" };
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const char *shown = problems_of(sample_with("password: hunter2", keys[i]));
        assert_true(shown[0] != '\0');
        assert_null(strstr(shown, "hunter2"));
    }
}

static void a_file_that_is_too_large_is_refused_at_once(void **unused)
{
    (void)unused;
    struct settings settings;
    struct buf problems = { 0 };
    size_t bytes = 10 << 20;
    char *text = malloc(bytes);

    assert_non_null(text);
    memset(text, '[', bytes);
    assert_false(settings_parse("a.yaml", (struct slice){ text, bytes }, &fake_catalog, &settings,
                                &problems));
    assert_string_equal(problems.data,
                        "a.yaml: the file has 10485760 bytes, a configuration may have "
                        "1048576: is it the right one?\n");
    buf_fini(&problems);
    free(text);
}

static void a_file_that_cannot_be_read_is_told(void **unused)
{
    (void)unused;
    struct settings settings;
    struct buf problems = { 0 };

    assert_false(settings_load("/does/not/exist.yaml", &fake_catalog, &settings, &problems));
    assert_string_equal(problems.data,
                        "cannot open '/does/not/exist.yaml': No such file or directory\n");
    settings_free(&settings);
    buf_clear(&problems);
    assert_false(settings_load("/tmp", &fake_catalog, &settings, &problems));
    assert_non_null(strstr(problems.data, "cannot read '/tmp': Is a directory"));
    buf_fini(&problems);
}

static void values_that_take_too_much_memory_in_all_are_told(void **unused)
{
    (void)unused;
    struct buf text = { 0 };
    char value[60001];
    memset(value, 'v', 60000);
    value[60000] = '\0';
    (void)setenv("SPILLWAY_LARGE", value, 1);
    (void)buf_add_text(&text, "inputs: {a: {type: files, paths: [/x");
    for (int i = 0; i < 1000; i++)
        (void)buf_printf(&text, ", '/${SPILLWAY_LARGE}%d'", i);
    (void)buf_add_text(&text, "]}}\noutputs: {m: {type: print}}\n");
    assert_problem(text.data,
                   "a.yaml: out of memory, or the values take more than 16 MiB in all\n");
    (void)unsetenv("SPILLWAY_LARGE");
    buf_fini(&text);
}

/* ---- what is loaded ---- */

static void the_sample_is_loaded_with_every_value(void **unused)
{
    (void)unused;
    struct settings settings = settings_of(sample);
    const struct settings_part *logs = &settings.inputs[0], *post = &settings.outputs[0];
    const struct files_config *files = logs->config;
    const struct post_config *config = post->config;

    assert_string_equal(settings.agent.state_dir, "/tmp/state");
    assert_string_equal(settings.agent.admin__listen, "127.0.0.1:9464");
    assert_int_equal(settings.agent.log_level, 2);
    assert_int_equal(settings.input_count, 2);
    assert_string_equal(logs->name, "mylogs");
    assert_ptr_equal(logs->type, &fake_files);
    assert_string_equal(logs->mark.file, "a.yaml");
    assert_int_equal(logs->mark.line, 10);
    assert_int_equal(logs->mark.column, 3);
    assert_int_equal(files->paths.count, 2);
    assert_string_equal(files->paths.items[1], "/var/log/b*.log");
    assert_int_equal(files->start_at, 1);
    assert_int_equal(files->max_bytes, 32768);
    assert_int_equal(logs->link_count, 1);
    assert_int_equal(logs->links[0], 0);
    assert_string_equal(logs->input.resource.items[0].key, "myteam");
    assert_string_equal(logs->input.resource.items[0].value, "core");
    assert_int_equal(logs->input.lane__block_for, 500);
    assert_int_equal(logs->input.lane__weight, 2);
    assert_true(logs->input.lane__shed__low > 0.39 && logs->input.lane__shed__low < 0.41);
    assert_int_equal(settings.inputs[1].input.interval, 30000);
    assert_string_equal(settings.inputs[1].type->name, "gauge");
    assert_int_equal(config->timeout, 2000);
    assert_string_equal(config->auth__password, "hunter2");
    assert_false(config->tls__verify);
    assert_int_equal(post->link_count, 2);
    assert_int_equal(post->output.compression, COMPRESSION_GZIP);
    assert_int_equal(settings.outputs[1].output.compression, COMPRESSION_NONE);
    assert_int_equal(settings.outputs[1].link_count, 1);
    settings_free(&settings);
    assert_null(settings.memory);
    settings_free(&settings);
}

static void defaults_are_those_of_the_tables_and_auto_is_resolved(void **unused)
{
    (void)unused;
    struct settings settings =
        settings_of("inputs: {a: {type: files, paths: /x}, b: {type: gauge}}\n"
                    "outputs: {m: {type: post, url: u}}\n");
    const struct post_config *config = settings.outputs[0].config;
    const struct gauge_config *gauge = settings.inputs[1].config;

    assert_string_equal(settings.agent.runtime_dir, "/run/spillway");
    assert_int_equal(settings.agent.memory_limit, 64 << 20);
    assert_int_equal(settings.inputs[0].input.lane__overflow, OVERFLOW_BLOCK);
    assert_int_equal(settings.inputs[1].input.lane__overflow, OVERFLOW_DROP_OLDEST);
    assert_int_equal(settings.inputs[0].lane_bytes, 8 << 20);
    assert_int_equal(config->timeout, 10000);
    assert_string_equal(config->auth__password, "");
    assert_int_equal(config->headers.count, 0);
    assert_int_equal(gauge->collect.count, 2);
    assert_string_equal(gauge->collect.items[0], "cpu");
    assert_string_equal(gauge->collect.items[1], "load");
    assert_int_equal(settings.outputs[0].link_count, 2);
    settings_free(&settings);
}

static void values_are_substituted_and_keys_are_not(void **unused)
{
    (void)unused;
    (void)setenv("SPILLWAY_TYPE", "files", 1);
    (void)setenv("SPILLWAY_IN", "a", 1);
    struct settings settings =
        settings_of("inputs: {a: {type: '${SPILLWAY_TYPE}', paths: ['/${SPILLWAY_NO:-d}', "
                    "'/$$x$'], resource: {'${K}': '${SPILLWAY_IN}'}}}\n"
                    "outputs: {m: {type: print, inputs: '${SPILLWAY_IN}', batch: {max_wait: "
                    "'${SPILLWAY_NO:-3s}'}}}\n");
    const struct files_config *files = settings.inputs[0].config;

    assert_string_equal(files->paths.items[0], "/d");
    assert_string_equal(files->paths.items[1], "/$x$");
    assert_string_equal(settings.inputs[0].input.resource.items[0].key, "${K}");
    assert_string_equal(settings.inputs[0].input.resource.items[0].value, "a");
    assert_int_equal(settings.outputs[0].output.batch__max_wait, 3000);
    settings_free(&settings);
}

static void the_hash_tells_texts_apart(void **unused)
{
    (void)unused;
    struct settings a = settings_of("inputs: {a: {type: pipe}}\noutputs: {m: {type: print}}\n");
    struct settings b = settings_of("inputs: {b: {type: pipe}}\noutputs: {m: {type: print}}\n");

    assert_int_equal(strlen(a.hash), 16);
    assert_int_equal(strspn(a.hash, "0123456789abcdef"), 16);
    assert_string_not_equal(a.hash, b.hash);
    settings_free(&a);
    settings_free(&b);
}

static void a_file_is_loaded_like_a_text(void **unused)
{
    (void)unused;
    char path[] = "/tmp/settings_test.XXXXXX";
    struct settings settings;
    struct buf problems = { 0 };
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, sample, sizeof(sample) - 1), sizeof(sample) - 1);
    (void)close(fd);
    assert_true(settings_load(path, &fake_catalog, &settings, &problems));
    assert_int_equal(unlink(path), 0);
    assert_string_equal(settings.inputs[0].mark.file, path);
    settings_free(&settings);
    buf_fini(&problems);
}

static void the_reference_has_a_row_for_every_option(void **unused)
{
    (void)unused;
    struct buf text = { 0 };
    reference_write(REFERENCE_MARKDOWN, &fake_catalog, &text);
    static const char *const wanted[] = {
        "| `memory_limit` | size | `64MiB` | 8MiB to 64GiB | ",
        "| `lane.overflow` | choice | `auto` | auto\\|block\\|drop_oldest\\|drop_newest | ",
        "| `url` | text | required |  | Where batches are sent |\n",
        "### input: `type: files`",
        "| `collect` | list | `[cpu, load]` | cpu\\|load\\|memory | ",
        "| `lane.block_for` | duration | `0s` | at most 1h | ",
        "| duration | ",
    };
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        if (strstr(text.data, wanted[i]) == NULL)
            fail_msg("'%s' is not in:\n%s", wanted[i], text.data);
    }
    buf_fini(&text);
}

static struct settings settings_where(const char *which)
{
    assert_int_equal(setenv("WHICH", which, 1), 0);
    struct settings settings =
        settings_of("agent: {state_dir: \"/x${WHICH}\"}\n"
                    "inputs: {a: {type: pipe}}\noutputs: {m: {type: print}}\n");
    assert_int_equal(unsetenv("WHICH"), 0);
    return settings;
}

static void another_value_in_the_place_of_a_variable_is_another_hash(void **unused)
{
    (void)unused;
    struct settings a = settings_where("1"), b = settings_where("2"), c = settings_where("1");

    assert_string_not_equal(a.hash, b.hash);
    assert_string_equal(a.hash, c.hash);
    settings_free(&a);
    settings_free(&b);
    settings_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrong_value_is_told_with_place_key_value_and_limit),
        cmocka_unit_test(a_mistake_is_told_once),
        cmocka_unit_test(all_problems_are_told_in_the_order_of_the_file),
        cmocka_unit_test(substitution_is_told_where_it_fails),
        cmocka_unit_test(a_substituted_value_and_a_secret_are_never_shown),
        cmocka_unit_test(a_file_that_is_too_large_is_refused_at_once),
        cmocka_unit_test(a_file_that_cannot_be_read_is_told),
        cmocka_unit_test(values_that_take_too_much_memory_in_all_are_told),
        cmocka_unit_test(the_sample_is_loaded_with_every_value),
        cmocka_unit_test(defaults_are_those_of_the_tables_and_auto_is_resolved),
        cmocka_unit_test(values_are_substituted_and_keys_are_not),
        cmocka_unit_test(the_hash_tells_texts_apart),
        cmocka_unit_test(another_value_in_the_place_of_a_variable_is_another_hash),
        cmocka_unit_test(a_file_is_loaded_like_a_text),
        cmocka_unit_test(the_reference_has_a_row_for_every_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
