/* SPDX-License-Identifier: Apache-2.0 */
/* cli: the subcommands. Each gets its own name as argv[0] and returns the exit code: 0 fine,
 * 1 the thing failed, 2 the command line is wrong. Called once, from main. */
#pragma once

int cli_run(int argc, char **argv);
int cli_top(int argc, char **argv);    /* the books as they are now */
int cli_tap(int argc, char **argv);    /* events as they pass */
int cli_reload(int argc, char **argv); /* the running agent loads its configuration again */
int cli_health(int argc, char **argv); /* is the running agent alive, and ready */
int cli_version(int argc, char **argv);
int cli_generate(int argc, char **argv);
int cli_receive(int argc, char **argv);
int cli_check(int argc, char **argv);     /* problems of a configuration, or what would run */
int cli_why(int argc, char **argv);       /* is a file read, how far, and why not */
int cli_reference(int argc, char **argv); /* all options, for people and for editors */
