/* SPDX-License-Identifier: Apache-2.0 */
/* run: loads the configuration by the same call as `check`, then lives as the agent. */
#include "agent.h"
#include "cli/check_capacity.h"
#include "cli/cli.h"
#include "cli/config_argument.h"

#include <stdio.h>
#include <unistd.h>

static const char help[] =
    "usage: spillway run [-c FILE]\n\n"
    "  -c, --config FILE  the configuration (default /etc/spillway/spillway.yaml)\n\n"
    "SIGHUP: load the configuration again, as `spillway reload` does.\n"
    "SIGTERM or SIGINT: stop reading, send what is held for up to agent.shutdown_grace, close the\n"
    "books; a second one ends at once. Exit codes: 0 clean, 1 cannot start, 3 something was left "
    "and\n"
    "counted, 78 the configuration is wrong.\n";

int cli_run(int argc, char **argv)
{
    int exit_code;
    const char *path = config_argument(argc, argv, help, &exit_code);
    if (path == NULL)
        return exit_code;
    struct buf problems = { .limit = 1 << 20 };
    struct generation *generation = generation_load(path, 1, &problems);
    if (generation == NULL) {
        (void)fputs(buf_slice(&problems).data, stderr);
        buf_fini(&problems);
        return EXIT_CONFIG;
    }
    buf_fini(&problems);
    check_cgroup(&generation->settings);
    exit_code = agent_run(&generation, path);
    /* No exit handlers: a resolver thread of libcurl may still hang. The books are closed. */
    (void)fflush(NULL);
    _exit(exit_code);
}
