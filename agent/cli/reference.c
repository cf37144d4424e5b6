/* SPDX-License-Identifier: Apache-2.0 */
/* reference: prints the manual of all options that this program knows. */
#include "agent.h"
#include "catalog.h"
#include "cli/cli.h"
#include "config/settings.h"

#include <stdio.h>

int cli_reference(int argc, char **argv)
{
    struct buf text = { 0 };

    if (argc > 1) {
        (void)fprintf(stderr,
                      "usage: spillway reference\n\n'%s' is not expected: all options of the "
                      "configuration are printed, as Markdown.\n",
                      argv[1]);
        return 2;
    }
    settings_reference(&catalog, &text);
    bool ok = !text.failed && fputs(buf_slice(&text).data, stdout) != EOF && fflush(stdout) == 0;
    buf_fini(&text);
    return ok ? EXIT_CLEAN : EXIT_FAILED;
}
