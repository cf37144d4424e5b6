/* SPDX-License-Identifier: Apache-2.0 */
#include "agent.h"
#include "batch/codec.h"
#include "built_with.h"
#include "catalog.h"
#include "cli/cli.h"
#include "cli/top_terminal.h"

#include <curl/curl.h>
#include <microhttpd.h>
#include <stdio.h>
#include <yaml.h>
#include <zlib.h>

static void list_plugins(const char *kind, const struct plugin_type *const *types)
{
    (void)printf("%s:", kind);
    for (; *types != NULL; types++)
        (void)printf(" %s", (*types)->name);
    (void)printf("\n");
}

int cli_version(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    (void)printf("spillway %s\n", SPILLWAY_VERSION);
    (void)printf("compression: %s\n", codec_libraries());
    (void)printf("libraries: %s, libmicrohttpd/%s, libyaml/%s, zlib/%s\n", curl_version(),
                 MHD_get_version(), yaml_get_version_string(), zlibVersion());
    (void)printf("systemd: %s\n", HAVE_SYSTEMD ? SYSTEMD_VERSION : "not built in");
    (void)printf("terminal: %s\n", top_terminal_library());
    list_plugins("inputs", catalog.inputs);
    list_plugins("processors", catalog.processors);
    list_plugins("outputs", catalog.outputs);
    return EXIT_CLEAN;
}
