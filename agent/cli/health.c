/* SPDX-License-Identifier: Apache-2.0 */
/* health: what an image without a shell or curl is probed with. */
#include "agent.h"
#include "base/auto.h"
#include "catalog.h"
#include "cli/ask.h"
#include "cli/cli.h"
#include "config/settings.h"

#include <stdio.h>
#include <string.h>

enum { ANSWER_BYTES_MAX = 1 << 20 };

static const char help[] =
    "usage: spillway health [-c FILE] [--ready]\n\n"
    "  -c, --config FILE  the configuration, to find the agent by (default\n"
    "                     /etc/spillway/spillway.yaml)\n"
    "      --ready        is it ready, too? Not while it starts, stops or is idle\n\n"
    "Asks the running agent, and prints its answer. Exit codes: 0 it is alive (and ready), 1 it "
    "is\n"
    "not, or does not answer.\n";

/* By hand: getopt.h and the settings both have a struct option. */
static bool read_arguments(int argc, char **argv, const char **ret_config, const char **ret_page)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--ready") == 0)
            *ret_page = "/readyz";
        else if ((strcmp(argv[i], "-c") == 0 || strcmp(argv[i], "--config") == 0) && i + 1 < argc)
            *ret_config = argv[++i];
        else if (strncmp(argv[i], "--config=", 9) == 0)
            *ret_config = argv[i] + 9;
        else {
            (void)fprintf(stderr, "spillway health: '%s' is not expected\n%s", argv[i], help);
            return false;
        }
    }
    return true;
}

static bool ask(const struct settings *settings, const char *page, int *ret_status, struct err *err)
{
    AUTO(buf_fini) struct buf body = { .limit = ANSWER_BYTES_MAX };
    char socket_path[PATH_MAX];

    if (!ask_find(settings->agent.state_dir, settings->agent.runtime_dir, socket_path, err) ||
        !ask_agent(socket_path, "GET", page, ret_status, &body, err))
        return false;
    (void)fputs(buf_slice(&body).data, stdout);
    return true;
}

int cli_health(int argc, char **argv)
{
    const char *config = "/etc/spillway/spillway.yaml", *page = "/healthz";
    struct settings settings;
    struct err err = { "" };
    int status = 0;

    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
        return fputs(help, stdout) != EOF ? EXIT_CLEAN : EXIT_FAILED;
    if (!read_arguments(argc, argv, &config, &page))
        return 2;
    bool ok = settings_load_agent(config, &catalog, &settings) || err_set(&err, "out of memory");
    if (!ok || !ask(&settings, page, &status, &err))
        (void)fprintf(stderr, "spillway health: %s\n", err.text);
    settings_free(&settings);
    return status == 200 ? EXIT_CLEAN : EXIT_FAILED;
}
