/* SPDX-License-Identifier: Apache-2.0 */
#include "version.h"

#include "agent.h"
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

static const char help[] = "usage: spillway version\n\n"
                           "The version, the libraries that were built in, and the kinds of input, "
                           "processor and output.\n";

int cli_version(int argc, char **argv)
{
    struct buf text = { 0 };

    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
        return fputs(help, stdout) != EOF ? EXIT_CLEAN : EXIT_FAILED;
    version_text(&text);
    bool ok = !text.failed && fputs(buf_slice(&text).data, stdout) != EOF;
    buf_fini(&text);
    return ok ? EXIT_CLEAN : EXIT_FAILED;
}
