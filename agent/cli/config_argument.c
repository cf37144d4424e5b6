/* SPDX-License-Identifier: Apache-2.0 */
/* config_argument: apart from its users because getopt.h and the settings both have a struct
 * option. */
#include "cli/config_argument.h"

#include <getopt.h>
#include <stdio.h>

const char *config_argument(int argc, char **argv, const char *help, int *ret_exit)
{
    static const struct option longs[] = { { "config", required_argument, NULL, 'c' },
                                           { "help", no_argument, NULL, 'h' },
                                           { NULL, 0, NULL, 0 } };
    const char *path = "/etc/spillway/spillway.yaml";

    for (int option; (option = getopt_long(argc, argv, "c:h", longs, NULL)) != -1;) {
        if (option == 'c') {
            path = optarg;
            continue;
        }
        (void)fputs(help, option == 'h' ? stdout : stderr);
        *ret_exit = option == 'h' ? 0 : 2;
        return NULL;
    }
    if (optind < argc) {
        (void)fprintf(stderr,
                      "spillway %s: '%s' is not an option: a configuration is given by -c\n%s",
                      argv[0], argv[optind], help);
        *ret_exit = 2;
        return NULL;
    }
    return path;
}
