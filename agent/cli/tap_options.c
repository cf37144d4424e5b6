/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/tap_options.h"

#include "cli/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

enum { FOR_MOST_MS = 3600 * 1000, RATE_MOST = 1000 };

static const char help[] =
    "usage: spillway tap NAME [OPTION]...\n"
    "Events of the input or output NAME as they pass, one JSON object a line: a sample that never\n"
    "holds up the flow. Over a restart of the agent it connects again, and says so.\n\n"
    "  --stage STAGE      of an input: read (before processors), processed (the default), "
    "filtered\n"
    "                     (dropped by a processor), shed (turned away at the door of a lane);\n"
    "                     of an output: encoded (the default), as written into a batch\n"
    "  --filter FIELD=TEXT  only events with TEXT somewhere in the field: body, severity_number, "
    "an\n"
    "                     attribute's key, resource.KEY; `*` in it stands for anything;\n"
    "                     FIELD!=TEXT: only the others. Up to four, which all have to match\n"
    "  --rate 10          events a second, at most 1000\n"
    "  --count N          end after so many events\n"
    "  --for 1h           end after this time, at most 1h\n"
    "  -c, --config FILE  the agent's configuration, to find it by\n"
    "  --state-dir DIR    the agent's state directory (default %s)\n"
    "  --runtime-dir DIR  the agent's runtime directory, if it is not the default one\n\n"
    "What was left out is told on standard error. Exit code 1: no agent, or no such name.\n";

enum {
    OPTION_STAGE = 1,
    OPTION_FILTER,
    OPTION_RATE,
    OPTION_COUNT,
    OPTION_FOR,
    OPTION_STATE_DIR,
    OPTION_RUNTIME_DIR
};
static const struct option long_options[] = {
    { "stage", required_argument, NULL, OPTION_STAGE },
    { "filter", required_argument, NULL, OPTION_FILTER },
    { "rate", required_argument, NULL, OPTION_RATE },
    { "count", required_argument, NULL, OPTION_COUNT },
    { "for", required_argument, NULL, OPTION_FOR },
    { "config", required_argument, NULL, 'c' },
    { "state-dir", required_argument, NULL, OPTION_STATE_DIR },
    { "runtime-dir", required_argument, NULL, OPTION_RUNTIME_DIR },
    { "help", no_argument, NULL, 'h' },
    { NULL, 0, NULL, 0 },
};

static bool read_option(struct tap_options *options, int option, struct err *err)
{
    switch (option) {
    case OPTION_STAGE:
        options->stage = optarg;
        return true;
    case OPTION_FILTER:
        if (options->filter_count == TAP_OPTION_FILTERS)
            return err_set(err, "--filter: at most %d", TAP_OPTION_FILTERS);
        options->filters[options->filter_count++] = optarg;
        return true;
    case OPTION_RATE:
        return options_rate("--rate", optarg, &options->rate, err);
    case OPTION_COUNT:
        return options_count("--count", optarg, &options->count, err);
    case OPTION_FOR:
        return options_duration("--for", optarg, &options->for_ms, err);
    case 'c':
        options->config = optarg;
        return true;
    case OPTION_STATE_DIR:
        options->state_dir = optarg;
        return true;
    case OPTION_RUNTIME_DIR:
        options->runtime_dir = optarg;
        return true;
    default:
        return err_set(err, "see spillway tap --help");
    }
}

static bool check_options(struct tap_options *options, int argc, char **argv, struct err *err)
{
    if (optind >= argc)
        return err_set(err, "give the name of an input or an output");
    options->name = argv[optind];
    if (optind + 1 < argc)
        return err_set(err, "'%.80s' is not expected", argv[optind + 1]);
    if (options->rate < 1 || options->rate > RATE_MOST)
        return err_set(err, "--rate: from 1 to %d a second", RATE_MOST);
    if (options->for_ms < 1 || options->for_ms > FOR_MOST_MS)
        return err_set(err, "--for: at most 1h");
    return true;
}

bool tap_options_read(int argc, char **argv, struct tap_options *ret, int *ret_exit)
{
    struct err err = { "" };
    bool ok = true;

    *ret = (struct tap_options){ .rate = 10, .for_ms = FOR_MOST_MS };
    for (int option; ok && (option = getopt_long(argc, argv, "c:h", long_options, NULL)) != -1;) {
        if (option == 'h') {
            (void)printf(help, options_agent_default("state_dir"));
            *ret_exit = EXIT_SUCCESS;
            return false;
        }
        ok = read_option(ret, option, &err);
    }
    if (ok && check_options(ret, argc, argv, &err))
        return true;
    (void)fprintf(stderr, "spillway tap: %s\n", err.text);
    *ret_exit = EXIT_USAGE;
    return false;
}
