/* SPDX-License-Identifier: Apache-2.0 */
/* check: loads the configuration by the same call as `run`, and says what would run. Without --env
 * it opens no socket and creates no file. */
#include "agent.h"
#include "catalog.h"
#include "cli/check_arguments.h"
#include "cli/check_capacity.h"
#include "cli/check_env.h"
#include "cli/check_rights.h"
#include "cli/cli.h"
#include "cli/plain.h"
#include "config/settings_explain.h"

#include <stdio.h>

static const char *overflow_text(const struct input_options *input)
{
    switch ((enum overflow)input->lane__overflow) {
    case OVERFLOW_AUTO:
        return "auto";
    case OVERFLOW_BLOCK:
        return input->lane__block_for > 0 ? "block, then drop_newest" : "block";
    case OVERFLOW_DROP_OLDEST:
        return "drop_oldest";
    case OVERFLOW_DROP_NEWEST:
        return "drop_newest";
    }
    return "";
}

static void show_parts(const char *title, const struct settings_part *parts, size_t count)
{
    if (count == 0)
        return;
    (void)printf("  %-11s", title);
    for (size_t i = 0; i < count; i++)
        (void)printf("%s%s (%s)", i == 0 ? "" : ", ", parts[i].name, parts[i].type->name);
    (void)printf("\n");
}

static void show_sharing(const struct input_options *input)
{
    if (input->lane__classes__by[0] != '\0')
        (void)printf(", classes by %s", input->lane__classes__by);
    if (input->lane__shed__high < 1)
        (void)printf(", sheds from %g%%", input->lane__shed__high * 100);
    (void)printf("\n");
}

/* Returns the bytes of all lanes. */
static uint64_t show_lanes(const struct settings *settings)
{
    uint64_t bytes = 0;
    char size[SIZE_TEXT_BYTES];

    for (size_t i = 0; i < settings->output_count; i++) {
        const struct settings_part *output = &settings->outputs[i];
        for (size_t j = 0; j < output->link_count; j++) {
            const struct settings_part *input = &settings->inputs[output->links[j]];
            bytes += input->lane_bytes;
            (void)printf("  %-11s%s -> %s: %s, %s", i + j == 0 ? "lanes" : "", input->name,
                         output->name, schema_size_text(input->lane_bytes, size),
                         overflow_text(&input->input));
            show_sharing(&input->input);
        }
    }
    return bytes;
}

static const char *fsync_text(unsigned fsync)
{
    static const char *const texts[] = {
        [FSYNC_NEVER] = "never", [FSYNC_INTERVAL] = "interval", [FSYNC_ALWAYS] = "always"
    };
    return texts[fsync];
}

/* What an output may put on disk. */
static void show_disk(const struct settings *settings)
{
    const char *title = "disk";
    char size[SIZE_TEXT_BYTES];

    for (size_t i = 0; i < settings->output_count; i++) {
        const struct output_options *output = &settings->outputs[i].output;
        const char *name = settings->outputs[i].name;
        if (output->spool__max_bytes > 0) {
            (void)printf("  %-11s%s: batches up to %s, fsync %s\n", title, name,
                         schema_size_text(output->spool__max_bytes, size),
                         fsync_text(output->spool__fsync));
            title = "";
        }
        if (output->dead_letter__path[0] != '\0') {
            (void)printf("  %-11s%s: refused events up to %s, %s\n", title, name,
                         schema_size_text(output->dead_letter__max_bytes, size),
                         output->dead_letter__path);
            title = "";
        }
    }
}

/* Each takes memory of its own: that of TLS holds all authorities that it trusts. */
static void show_connections(const struct settings *settings)
{
    for (size_t i = 0; i < settings->output_count; i++) {
        const struct settings_part *output = &settings->outputs[i];
        unsigned long long fit = settings->connections[i], wanted = output->output.concurrency__max;
        char each[SIZE_TEXT_BYTES];
        if (fit >= wanted)
            continue;
        (void)printf("  %-11s%s: %llu at a time, not %llu (concurrency.max): a "
                     "connection takes up to %s; a larger memory_limit, or a tls.ca_file with "
                     "the endpoint's authority alone, makes room for more\n",
                     "requests", output->name, fit, wanted,
                     schema_size_text(output->type->connection_bytes(output->config), each));
    }
}

static void show_summary(const char *path, const struct settings *settings)
{
    char limit[SIZE_TEXT_BYTES], lanes[SIZE_TEXT_BYTES], sealed[SIZE_TEXT_BYTES],
        buffers[SIZE_TEXT_BYTES];
    uint64_t sealed_bytes = 0;

    (void)printf("%s: ok\n", path);
    show_parts("inputs", settings->inputs, settings->input_count);
    show_parts("processors", settings->processors, settings->processor_count);
    show_parts("outputs", settings->outputs, settings->output_count);
    uint64_t lane_bytes = show_lanes(settings);
    for (size_t i = 0; i < settings->output_count; i++)
        sealed_bytes += settings->sealed_bytes[i];
    (void)printf(
        "  %-11s%s: lanes %s, buffers %s, sealed batches %s\n", "memory",
        schema_size_text(settings->agent.memory_limit, limit), schema_size_text(lane_bytes, lanes),
        schema_size_text(settings->agent.memory_limit - lane_bytes - sealed_bytes, buffers),
        schema_size_text(sealed_bytes, sealed));
    show_connections(settings);
    show_disk(settings);
    check_rights(settings);
    if (settings->output_count == 0)
        (void)printf("  %-11sthere is no output: nothing would be read or shipped\n", "idle");
}

static bool explain(const struct settings *settings)
{
    struct buf text = { 0 };
    bool ok = settings_explain(settings, &text);

    if (ok)
        (void)printf("\n"), plain_write(stdout, buf_slice(&text));
    else
        (void)fprintf(stderr, "spillway check: out of memory\n");
    buf_fini(&text);
    return ok;
}

static int show(const struct check_arguments *arguments, const struct settings *settings)
{
    bool ok = true;

    show_summary(arguments->config, settings);
    check_cgroup(settings);
    if (arguments->explain)
        ok = explain(settings);
    if (arguments->rate_per_s > 0)
        ok = check_capacity(settings, arguments) && ok;
    if (arguments->env)
        ok = check_env(settings) && ok;
    return ok ? EXIT_CLEAN : EXIT_FAILED;
}

int cli_check(int argc, char **argv)
{
    int exit_code = EXIT_CONFIG;
    struct check_arguments arguments;
    struct buf problems = { .limit = 1 << 20 };
    struct settings settings;

    if (!check_arguments(argc, argv, &arguments, &exit_code))
        return exit_code;
    if (settings_load(arguments.config, &catalog, &settings, &problems))
        exit_code = show(&arguments, &settings);
    else
        (void)fputs(buf_slice(&problems).data, stderr);
    settings_free(&settings);
    buf_fini(&problems);
    return exit_code;
}
