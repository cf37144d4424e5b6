/* SPDX-License-Identifier: Apache-2.0 */
/* reload: has the running agent load its configuration again, waits for the result and shows it.
 * Which agent: that with the state directory of the configuration. One whose text is so wrong that
 * this cannot be read from it is looked for by the options, or the defaults. */
#include "agent.h"
#include "base/auto.h"
#include "base/clock.h"
#include "catalog.h"
#include "cli/ask.h"
#include "cli/check_capacity.h"
#include "cli/cli.h"
#include "cli/reload_arguments.h"
#include "config/settings.h"

#include <cjson/cJSON.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

enum { POLL_MS = 20, ANSWER_BYTES_MAX = 4 << 20 };

static void free_json(cJSON **jsonp)
{
    cJSON_Delete(*jsonp);
    *jsonp = NULL;
}

/* The directories that the file names, where it can be read so far. */
static void read_folders(struct reload_arguments *arguments, struct settings *settings)
{
    if (arguments->state_dir == NULL)
        arguments->state_dir = settings->agent.state_dir;
    if (arguments->runtime_dir == NULL)
        arguments->runtime_dir = settings->agent.runtime_dir;
}

static double number_of(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

static const char *text_of(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsString(item) ? item->valuestring : "";
}

static bool ask_json(const char *socket_path, const char *method, cJSON **ret, struct err *err)
{
    AUTO(buf_fini) struct buf body = { .limit = ANSWER_BYTES_MAX };
    int status = 0;

    if (!ask_agent(socket_path, method, "/reload", &status, &body, err))
        return false;
    if (status != 200 && status != 202)
        return err_set(err, "the agent refuses: status %d: %.200s", status, buf_slice(&body).data);
    *ret = cJSON_Parse(buf_slice(&body).data);
    return *ret != NULL || err_set(err, "the agent's answer cannot be read");
}

/* ---- the result ---- */

static void show_parts(const cJSON *last, const char *fate)
{
    const cJSON *part;

    cJSON_ArrayForEach(part, cJSON_GetObjectItemCaseSensitive(last, "parts"))
    {
        if (strcmp(text_of(part, "fate"), fate) != 0)
            continue;
        const char *options = text_of(part, "options");
        (void)printf("  %-9s%s %s%s%s\n", fate, text_of(part, "kind"), text_of(part, "name"),
                     options[0] == '\0' ? "" : ": ", options);
    }
}

static int show_result(const cJSON *last)
{
    static const char *const fates[] = { "added", "changed", "removed", "kept" };
    const char *state = text_of(last, "state");

    if (strcmp(state, "done") != 0) {
        (void)fputs(text_of(last, "problems"), stderr);
        (void)fprintf(stderr, "%s: the agent goes on with generation %.0f, config %s\n", state,
                      number_of(last, "generation"), text_of(last, "config"));
        return strcmp(state, "bad configuration") == 0 ? EXIT_CONFIG : EXIT_FAILED;
    }
    (void)printf("reloaded in %.0f ms: generation %.0f, config %s\n", number_of(last, "took_ms"),
                 number_of(last, "generation"), text_of(last, "config"));
    if (text_of(last, "agent")[0] != '\0')
        (void)printf("  %-9sagent: %s\n", "changed", text_of(last, "agent"));
    for (size_t i = 0; i < sizeof(fates) / sizeof(fates[0]); i++)
        show_parts(last, fates[i]);
    return EXIT_CLEAN;
}

/* A later reload may have served the wish by the time we look: that one is shown. */
static int await_result(const struct reload_arguments *arguments, const char *socket_path,
                        double wish)
{
    int64_t deadline_ms = clock_now_ms() + arguments->timeout_ms;
    struct err err = { "" };

    while (clock_now_ms() < deadline_ms) {
        AUTO(free_json) cJSON *page = NULL;
        if (!ask_json(socket_path, "GET", &page, &err))
            break;
        if (number_of(page, "served") >= wish)
            return show_result(cJSON_GetObjectItemCaseSensitive(page, "last"));
        (void)poll(NULL, 0, POLL_MS);
    }
    (void)fprintf(stderr, "spillway reload: %s\n",
                  err.text[0] != '\0' ? err.text : "no result came in time: see the agent's log");
    return EXIT_FAILED;
}

int cli_reload(int argc, char **argv)
{
    struct reload_arguments arguments;
    struct settings settings;
    struct buf problems = { .limit = 1 << 20 };
    char socket_path[PATH_MAX];
    struct err err = { "" };
    AUTO(free_json) cJSON *page = NULL;
    int exit_code = EXIT_FAILED;

    if (!reload_arguments_read(argc, argv, &arguments, &exit_code))
        return exit_code;
    bool is_good = settings_load(arguments.config, &catalog, &settings, &problems);
    if (!is_good && !settings_load_agent(arguments.config, &catalog, &settings))
        (void)err_set(&err, "out of memory");
    read_folders(&arguments, &settings);
    if (is_good) /* systemd runs it in the agent's control group */
        check_cgroup(&settings);
    if (err.text[0] != '\0' ||
        !ask_find(arguments.state_dir, arguments.runtime_dir, socket_path, &err) ||
        !ask_json(socket_path, "POST", &page, &err)) {
        (void)fprintf(stderr, "%sspillway reload: %s\n", is_good ? "" : buf_slice(&problems).data,
                      err.text);
        exit_code = is_good ? EXIT_FAILED : EXIT_CONFIG;
    } else {
        exit_code = await_result(&arguments, socket_path, number_of(page, "wish"));
    }
    settings_free(&settings);
    buf_fini(&problems);
    return exit_code;
}
