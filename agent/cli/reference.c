/* SPDX-License-Identifier: Apache-2.0 */
/* reference: prints the manual: all options that this program knows, and its commands. */
#include "config/reference.h"

#include "agent.h"
#include "catalog.h"
#include "cli/cli.h"
#include "cli/completions.h"
#include "cli/man_commands.h"
#include "cli/man_ledger.h"

#include <stdio.h>

static const char help[] =
    "usage: spillway reference [--format FORMAT]\n\n"
    "  --format text|markdown|json-schema|man|man-commands|man-ledger|bash|zsh|fish  what to "
    "print\n\n"
    "All options of the configuration: as text (default), as Markdown, as a JSON Schema (draft\n"
    "2020-12) for editors, or as the man page spillway.yaml(5). With man-commands and man-ledger:\n"
    "the pages spillway(1) and spillway-ledger(7). With the name of a shell: its completions.\n";

/* Beyond the formats of the options. */
enum {
    MAN_COMMANDS = REFERENCE_JSON_SCHEMA + 1,
    MAN_LEDGER,
    SHELLS /* and one more for each shell */
};

/* false: none of that name. */
static bool read_format(const char *name, int *ret)
{
    static const char *const names[] = {
        [REFERENCE_TEXT] = "text",         [REFERENCE_MARKDOWN] = "markdown",
        [REFERENCE_MAN] = "man",           [REFERENCE_JSON_SCHEMA] = "json-schema",
        [MAN_COMMANDS] = "man-commands",   [MAN_LEDGER] = "man-ledger",
        [SHELLS + COMPLETE_BASH] = "bash", [SHELLS + COMPLETE_ZSH] = "zsh",
        [SHELLS + COMPLETE_FISH] = "fish",
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(name, names[i]) == 0) {
            *ret = (int)i;
            return true;
        }
    }
    return false;
}

/* By hand: getopt.h and the schema both have a struct option. */
static bool read_arguments(int argc, char **argv, int *ret)
{
    static const char prefix[] = "--format=";

    for (int i = 1; i < argc; i++) {
        const char *name = NULL;
        if (strncmp(argv[i], prefix, sizeof(prefix) - 1) == 0)
            name = argv[i] + sizeof(prefix) - 1;
        else if (strcmp(argv[i], "--format") == 0 && i + 1 < argc)
            name = argv[++i];
        if (name == NULL || !read_format(name, ret)) {
            (void)fprintf(stderr, "spillway reference: '%s' is not expected\n%s", argv[i], help);
            return false;
        }
    }
    return true;
}

static bool write_page(int format, struct buf *ret)
{
    struct err err = { 0 };
    bool ok = true;

    if (format < MAN_COMMANDS)
        reference_write((enum reference_format)format, &catalog, ret);
    else if (format == MAN_LEDGER)
        man_ledger(ret);
    else
        ok = format == MAN_COMMANDS
                 ? man_commands(ret, &err)
                 : completions((enum completion_shell)(format - SHELLS), ret, &err);
    if (!ok)
        (void)fprintf(stderr, "spillway reference: %s\n", err.text);
    return ok && !ret->failed;
}

int cli_reference(int argc, char **argv)
{
    int format = REFERENCE_TEXT;
    struct buf text = { 0 };

    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
        return fputs(help, stdout) != EOF ? EXIT_CLEAN : EXIT_FAILED;
    if (!read_arguments(argc, argv, &format))
        return 2;
    bool ok = write_page(format, &text) && fputs(buf_slice(&text).data, stdout) != EOF &&
              fflush(stdout) == 0;
    buf_fini(&text);
    return ok ? EXIT_CLEAN : EXIT_FAILED;
}
