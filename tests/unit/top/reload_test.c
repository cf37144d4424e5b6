/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "own_catalog.h"
#include "own_generation.h"
#include "refused_memory.h"
#include "reload.h"

enum { RELOADS = 100 };

static const struct plugin_type *const inputs[] = { &input_nothing.type, NULL };
const struct catalog catalog = { inputs, known_processors, known_outputs };

static unsigned count_lines(const char *path, const char *with)
{
    AUTO(buf_fini) struct buf text = { 0 };
    struct err err = { "" };
    unsigned count = 0;

    assert_true(file_read(path, &text, &err));
    for (const char *at = buf_slice(&text).data; (at = strstr(at, with)) != NULL; at++)
        count++;
    return count;
}

/* Serves wishes for what is refused. Their lines are in `log`. */
static void refuse(const char *config, const char *log, int wishes, bool has_memory)
{
    struct generation *now = load_generation(1, "{in: {type: nothing}}", "{out: {type: nowhere}}");
    struct reload reload;
    FILE *file = fopen(log, "w");
    assert_non_null(file);
    log_set_fd(fileno(file));
    reload_init(&reload, config, -1);
    memory_is_refused = !has_memory;
    for (int i = 0; i < wishes; i++)
        assert_null(reload_serve(&reload, now, NULL, NULL, ledger, NULL));
    memory_is_refused = false;
    log_set_fd(STDERR_FILENO);
    assert_int_equal(fclose(file), 0);
    reload_fini(&reload);
    generation_release(&now);
}

/* More than the log may write of news, in no time. */
static void each_problem_of_each_reload_that_is_refused_is_written(void **unused)
{
    (void)unused;
    char config[64], log[64];
    (void)snprintf(config, sizeof(config), "%s/bad.yaml", ledger_folder);
    (void)snprintf(log, sizeof(log), "%s/log", ledger_folder);
    struct err err = { "" };
    struct slice text = SLICE("inputs: {in: {type: nothing}}\n"
                              "outputs:\n  a: {type: no}\n  b: {type: no}\n");
    assert_true(file_replace(config, text, false, &err));
    refuse(config, log, RELOADS, true);
    assert_int_equal(count_lines(log, "reload refused"), 2 * RELOADS);
    assert_int_equal(count_lines(log, "outputs.b"), RELOADS);
}

static void one_that_is_refused_for_want_of_memory_is_written_too(void **unused)
{
    (void)unused;
    char config[64], log[64];
    (void)snprintf(config, sizeof(config), "%s/spillway.yaml", ledger_folder); /* it is right */
    (void)snprintf(log, sizeof(log), "%s/log", ledger_folder);
    refuse(config, log, 1, false);
    assert_int_equal(count_lines(log, "reload refused"), 1);
    assert_int_equal(count_lines(log, "state=\"not done\" error=\"out of memory\""), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_problem_of_each_reload_that_is_refused_is_written),
        cmocka_unit_test(one_that_is_refused_for_want_of_memory_is_written_too),
    };
    return RUN_WITH_LEDGER(tests);
}
