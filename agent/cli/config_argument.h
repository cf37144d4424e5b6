/* SPDX-License-Identifier: Apache-2.0 */
/* config_argument: the command line of the commands that take a configuration and nothing else. */
#pragma once

/* The file of -c/--config, or the default one. NULL: the command is over, *ret_exit says how: help
 * was asked for and shown, or the command line is wrong. */
const char *config_argument(int argc, char **argv, const char *help, int *ret_exit);
