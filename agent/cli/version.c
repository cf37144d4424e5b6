/* SPDX-License-Identifier: Apache-2.0 */
#include "version.h"

#include "agent.h"
#include "cli/cli.h"

#include <stdio.h>

int cli_version(int argc, char **argv)
{
    struct buf text = { 0 };

    (void)argc;
    (void)argv;
    version_text(&text);
    bool ok = !text.failed && fputs(buf_slice(&text).data, stdout) != EOF;
    buf_fini(&text);
    return ok ? EXIT_CLEAN : EXIT_FAILED;
}
