/* SPDX-License-Identifier: Apache-2.0 */
/* main: the table of subcommands. */
#include "agent.h"
#include "cli/cli.h"
#include "commands.h"
#include "config/nearest.h"

#include <stdio.h>
#include <string.h>

const struct command commands[] = {
    { "run", cli_run, "run the agent: spillway run -c FILE" },
    { "check", cli_check, "check a configuration: spillway check -c FILE" },
    { "reload", cli_reload, "have the running agent load its configuration again" },
    { "health", cli_health, "is the running agent alive, and ready: for probes" },
    { "why", cli_why, "is a file read, how far, and if not, why not: spillway why FILE" },
    { "top", cli_top, "what is received, held, dropped and why, now: from the books, live" },
    { "tap", cli_tap, "events of an input or output as they pass, sampled" },
    { "receive", cli_receive, "a receiver for trying and testing; can be told to misbehave" },
    { "generate", cli_generate, "write numbered, realistic log lines at a rate" },
    { "reference", cli_reference, "the manual: all options, and the man pages" },
    { "version", cli_version, "print the version and what was built in" },
    { 0 },
};

static int show_help(FILE *out)
{
    (void)fprintf(out, "spillway: ships this host's logs and metrics, and says where every event "
                       "went.\n\nusage: spillway COMMAND [options]; spillway COMMAND --help\n\n");
    for (const struct command *command = commands; command->name != NULL; command++)
        (void)fprintf(out, "  %-10s %s\n", command->name, command->doc);
    return out == stdout ? EXIT_CLEAN : 2;
}

static int refuse(const char *name)
{
    struct nearest nearest = nearest_to(name);

    for (const struct command *command = commands; command->name != NULL; command++)
        nearest_offer(&nearest, command->name);
    const char *meant = nearest_name(&nearest);
    (void)fprintf(stderr, "spillway: there is no command '%.80s'%s%s%s\n\n", name,
                  meant == NULL ? "" : ", did you mean '", meant == NULL ? "" : meant,
                  meant == NULL ? "" : "'?");
    return show_help(stderr);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return show_help(stderr);
    for (const struct command *command = commands; command->name != NULL; command++) {
        if (strcmp(argv[1], command->name) == 0)
            return command->run(argc - 1, argv + 1);
    }
    if (strcmp(argv[1], "--version") == 0)
        return cli_version(argc - 1, argv + 1);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0)
        return show_help(stdout);
    return refuse(argv[1]);
}
