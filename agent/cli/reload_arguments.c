/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/reload_arguments.h"

#include "cli/options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

static const char help[] =
    "usage: spillway reload [-c FILE] [--state-dir DIR] [--runtime-dir DIR] [--timeout 30s]\n\n"
    "  -c, --config FILE  the configuration, to find the agent by (default\n"
    "                     /etc/spillway/spillway.yaml); the agent loads the file that it was\n"
    "                     started with\n"
    "  --state-dir DIR    or find it by its state directory\n"
    "  --runtime-dir DIR  and where its socket is\n"
    "  --timeout 30s      wait so long for the result\n\n"
    "What was added, changed, removed and kept is shown; or what is wrong with the file: then the\n"
    "agent goes on as it was. Exit codes: 0 done, 78 the configuration is wrong, 1 not done.\n";

enum { OPTION_STATE_DIR = 1, OPTION_RUNTIME_DIR, OPTION_TIMEOUT };

static bool read_option(int option, struct reload_arguments *ret, struct err *err)
{
    switch (option) {
    case 'c':
        ret->config = optarg;
        return true;
    case OPTION_STATE_DIR:
        ret->state_dir = optarg;
        return true;
    case OPTION_RUNTIME_DIR:
        ret->runtime_dir = optarg;
        return true;
    case OPTION_TIMEOUT:
        return options_duration("--timeout", optarg, &ret->timeout_ms, err);
    default:
        return err_set(err, "see spillway reload --help");
    }
}

bool reload_arguments_read(int argc, char **argv, struct reload_arguments *ret, int *ret_exit)
{
    static const struct option longs[] = {
        { "config", required_argument, NULL, 'c' },
        { "state-dir", required_argument, NULL, OPTION_STATE_DIR },
        { "runtime-dir", required_argument, NULL, OPTION_RUNTIME_DIR },
        { "timeout", required_argument, NULL, OPTION_TIMEOUT },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    struct err err = { "" };
    bool ok = true;

    *ret =
        (struct reload_arguments){ .config = "/etc/spillway/spillway.yaml", .timeout_ms = 30000 };
    for (int option; ok && (option = getopt_long(argc, argv, "c:h", longs, NULL)) != -1;) {
        if (option == 'h') {
            (void)fputs(help, stdout);
            *ret_exit = 0;
            return false;
        }
        ok = read_option(option, ret, &err);
    }
    if (ok && optind < argc)
        ok = err_set(&err, "'%.80s' is not expected", argv[optind]);
    if (ok)
        return true;
    (void)fprintf(stderr, "spillway reload: %s\n", err.text);
    *ret_exit = 2;
    return false;
}
