/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/why_arguments.h"

#include "cli/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const char help[] =
    "usage: spillway why [-c FILE | --state-dir DIR [--runtime-dir DIR]] FILE...\n"
    "       spillway why [-c FILE | --state-dir DIR [--runtime-dir DIR]] --all\n\n"
    "Is the file read, by which input, and how far? If not, why not?\n\n"
    "  -c, --config FILE      the agent's configuration (default /etc/spillway/spillway.yaml)\n"
    "      --state-dir DIR    ask the agent with this state directory, without a configuration:\n"
    "                         then nothing is known of patterns\n"
    "      --runtime-dir DIR  where its socket is, if not in a usual place\n"
    "      --all              all files that the agent knows, one a line\n\n"
    "It asks the running agent on its unix socket, which takes its own user and root, and reads "
    "the\n"
    "checkpoints in the state directory where no agent runs. Nothing is changed.\n\n"
    "Exit codes: 0 each file is read, 1 one is not, 78 the configuration is wrong, 2 this command\n"
    "line is.\n";

enum { OPTION_STATE_DIR = 256, OPTION_RUNTIME_DIR, OPTION_ALL };

static bool refuse(const char *text, int *ret_exit)
{
    if (text[0] != '\0')
        (void)fprintf(stderr, "spillway why: %s\n", text);
    (void)fputs(help, stderr);
    *ret_exit = EXIT_USAGE;
    return false;
}

bool why_arguments(int argc, char **argv, struct why_arguments *ret, int *ret_exit)
{
    static const struct option longs[] = {
        { "config", required_argument, NULL, 'c' },
        { "state-dir", required_argument, NULL, OPTION_STATE_DIR },
        { "runtime-dir", required_argument, NULL, OPTION_RUNTIME_DIR },
        { "all", no_argument, NULL, OPTION_ALL },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };

    *ret = (struct why_arguments){ .all = false };
    for (int option; (option = getopt_long(argc, argv, "c:h", longs, NULL)) != -1;) {
        if (option == 'c') {
            ret->config = optarg;
        } else if (option == OPTION_STATE_DIR) {
            ret->state_dir = optarg;
        } else if (option == OPTION_RUNTIME_DIR) {
            ret->runtime_dir = optarg;
        } else if (option == OPTION_ALL) {
            ret->all = true;
        } else if (option == 'h') {
            (void)fputs(help, stdout);
            *ret_exit = EXIT_SUCCESS;
            return false;
        } else {
            return refuse("", ret_exit);
        }
    }
    ret->files = argv + optind;
    ret->count = argc - optind;
    if (ret->config != NULL && ret->state_dir != NULL)
        return refuse("either --config or --state-dir, not both", ret_exit);
    if (ret->all == (ret->count > 0))
        return refuse(ret->all ? "either --all or files, not both" : "name a file", ret_exit);
    if (ret->runtime_dir != NULL && ret->state_dir == NULL)
        return refuse("--runtime-dir belongs to --state-dir", ret_exit);
    if (ret->config == NULL && ret->state_dir == NULL)
        ret->config = "/etc/spillway/spillway.yaml";
    return true;
}
