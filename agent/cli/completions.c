/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/completions.h"

#include "base/auto.h"
#include "base/slice.h"
#include "cli/help_of.h"

#include <ctype.h>
#include <string.h>

enum { OPTIONS_MAX = 48, WORD_BYTES = 120, DOC_BYTES = 120 };

/* A line of a help: "  -c, --config FILE  the configuration". */
struct option_line {
    char letter; /* 0: none */
    char name[WORD_BYTES], argument[WORD_BYTES], doc[DOC_BYTES];
};

struct options {
    struct option_line lines[OPTIONS_MAX];
    size_t count;
};

/* ---- reading a help ---- */

static size_t copy_until(const char *text, const char *ends, char *ret, size_t room)
{
    size_t bytes = strcspn(text, ends);

    (void)snprintf(ret, room, "%.*s", (int)bytes, text);
    return bytes;
}

/* Between the option and two blanks: what it wants. */
static bool read_option(const char *line, struct option_line *ret)
{
    const char *at = line + strspn(line, " ");

    *ret = (struct option_line){ .letter = 0 };
    if (at == line || at[0] != '-')
        return false;
    if (at[1] != '-' && at[2] == ',') {
        ret->letter = at[1];
        at += 4;
    }
    if (strncmp(at, "--", 2) != 0)
        return false;
    at += 2 + copy_until(at + 2, " \n", ret->name, sizeof(ret->name));
    if (at[0] == ' ' && at[1] != ' ' && at[1] != '\n' && at[1] != '\0')
        at += 1 + copy_until(at + 1, " \n", ret->argument, sizeof(ret->argument));
    at += strspn(at, " ");
    (void)copy_until(at, "\n", ret->doc, sizeof(ret->doc));
    return ret->name[0] != '\0';
}

static void read_options(const char *help, struct options *ret)
{
    while (*help != '\0' && ret->count < OPTIONS_MAX - 1) {
        if (read_option(help, &ret->lines[ret->count]))
            ret->count++;
        help += strcspn(help, "\n");
        help += *help == '\n';
    }
    ret->lines[ret->count++] =
        (struct option_line){ .letter = 'h', .name = "help", .doc = "what it does" };
}

/* Words with a bar between them are all that may stand there: text|markdown. */
static bool is_choice(const struct option_line *option)
{
    return strchr(option->argument, '|') != NULL;
}

static bool wants_file(const struct option_line *option)
{
    return strcmp(option->argument, "FILE") == 0;
}

static bool wants_folder(const struct option_line *option)
{
    return strcmp(option->argument, "DIR") == 0;
}

/* ---- writing ---- */

/* In single quotes of a shell, and in zsh's own syntax, in which [ ] and : have a meaning. */
static void add_quoted(struct buf *ret, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            (void)buf_add_text(ret, "'\\''");
        else if (strchr("[]:\\", *text) != NULL)
            (void)buf_printf(ret, "\\%c", *text);
        else
            (void)buf_add(ret, text, 1);
    }
}

static void add_words(struct buf *ret, const char *choices)
{
    for (; *choices != '\0'; choices++)
        (void)buf_add(ret, *choices == '|' ? " " : choices, 1);
}

static void add_bash_values(struct buf *ret, const struct options *options)
{
    for (size_t i = 0; i < options->count; i++) {
        const struct option_line *option = &options->lines[i];
        if (option->argument[0] == '\0')
            continue;
        (void)buf_printf(ret, "            --%s", option->name);
        if (option->letter != 0)
            (void)buf_printf(ret, " | -%c", option->letter);
        if (is_choice(option)) {
            (void)buf_add_text(ret, ") mapfile -t COMPREPLY < <(compgen -W '");
            add_words(ret, option->argument);
            (void)buf_add_text(ret, "' -- \"$word\") ;;\n");
        } else if (wants_file(option) || wants_folder(option)) {
            (void)buf_printf(ret, ") _spillway_paths %s ;;\n", wants_file(option) ? "-f" : "-d");
        } else {
            (void)buf_add_text(ret, ") ;;\n");
        }
    }
}

static void add_bash(struct buf *ret, const struct command *command, const struct options *options)
{
    (void)buf_printf(ret, "    %s)\n        case $before in\n", command->name);
    add_bash_values(ret, options);
    (void)buf_add_text(ret, "            *) _spillway_words '");
    for (size_t i = 0; i < options->count; i++)
        (void)buf_printf(ret, "%s--%s", i == 0 ? "" : " ", options->lines[i].name);
    (void)buf_add_text(ret, "' ;;\n        esac\n        ;;\n");
}

static const char *zsh_action(const struct option_line *option)
{
    return wants_file(option) ? "_files" : wants_folder(option) ? "_files -/" : "";
}

static void add_zsh(struct buf *ret, const struct command *command, const struct options *options)
{
    (void)buf_printf(ret, "    %s)\n        _arguments \\\n", command->name);
    for (size_t i = 0; i < options->count; i++) {
        const struct option_line *option = &options->lines[i];
        (void)buf_printf(ret, "            '--%s[", option->name);
        add_quoted(ret, option->doc);
        (void)buf_add_text(ret, "]");
        if (is_choice(option)) {
            (void)buf_printf(ret, ":%s:(", option->name);
            add_words(ret, option->argument);
            (void)buf_add_text(ret, ")");
        } else if (option->argument[0] != '\0') {
            (void)buf_add_text(ret, ":");
            add_quoted(ret, option->argument);
            (void)buf_printf(ret, ":%s", zsh_action(option));
        }
        (void)buf_add_text(ret, "' \\\n");
    }
    (void)buf_add_text(ret, "            '*:file:_files'\n        ;;\n");
}

static void add_fish(struct buf *ret, const struct command *command, const struct options *options)
{
    (void)buf_printf(ret, "complete -c spillway -n __fish_use_subcommand -f -a %s -d '",
                     command->name);
    for (const char *text = command->doc; *text != '\0'; text++)
        (void)buf_printf(ret, *text == '\'' || *text == '\\' ? "\\%c" : "%c", *text);
    (void)buf_add_text(ret, "'\n");
    for (size_t i = 0; i < options->count; i++) {
        const struct option_line *option = &options->lines[i];
        (void)buf_printf(ret, "complete -c spillway -n '__fish_seen_subcommand_from %s' -l %s",
                         command->name, option->name);
        if (option->letter != 0)
            (void)buf_printf(ret, " -s %c", option->letter);
        if (is_choice(option)) {
            (void)buf_add_text(ret, " -x -a '");
            add_words(ret, option->argument);
            (void)buf_add_text(ret, "'");
        } else if (option->argument[0] != '\0') {
            (void)buf_add_text(ret, wants_file(option) || wants_folder(option) ? " -r" : " -x");
        }
        (void)buf_add_text(ret, " -d '");
        for (const char *text = option->doc; *text != '\0'; text++)
            (void)buf_printf(ret, *text == '\'' || *text == '\\' ? "\\%c" : "%c", *text);
        (void)buf_add_text(ret, "'\n");
    }
}

/* ---- the three files ---- */

static void add_names(struct buf *ret, const char *before, bool has_docs)
{
    for (const struct command *command = commands; command->name != NULL; command++) {
        (void)buf_printf(ret, "%s%s", before, command->name);
        if (has_docs) {
            (void)buf_add_text(ret, ":");
            add_quoted(ret, command->doc);
            (void)buf_add_text(ret, "'");
        }
    }
}

static void begin_bash(struct buf *ret)
{
    (void)buf_add_text(ret, "_spillway_paths() {\n    compopt -o filenames\n"
                            "    mapfile -t COMPREPLY < <(compgen \"$1\" -- \"$word\")\n}\n\n"
                            "_spillway_words() {\n    case $word in\n"
                            "    -*) mapfile -t COMPREPLY < <(compgen -W \"$1\" -- \"$word\") ;;\n"
                            "    *) _spillway_paths -f ;;\n    esac\n}\n\n"
                            "_spillway() {\n    local word=${COMP_WORDS[COMP_CWORD]} "
                            "before=${COMP_WORDS[COMP_CWORD-1]}\n"
                            "    COMPREPLY=()\n    if [ \"$COMP_CWORD\" = 1 ]; then\n"
                            "        mapfile -t COMPREPLY < <(compgen -W '");
    add_names(ret, " ", false);
    (void)buf_add_text(ret, "' -- \"$word\")\n        return\n    fi\n"
                            "    case ${COMP_WORDS[1]} in\n");
}

static void begin_zsh(struct buf *ret)
{
    (void)buf_add_text(ret, "_spillway() {\n    local -a names=(");
    add_names(ret, "\n        '", true);
    (void)buf_add_text(ret, "\n    )\n    if (( CURRENT == 2 )); then\n"
                            "        _describe command names\n        return\n    fi\n"
                            "    local name=$words[2]\n    shift words\n    (( CURRENT-- ))\n"
                            "    case $name in\n");
}

static void begin(enum completion_shell shell, struct buf *ret)
{
    (void)buf_add_text(ret, shell == COMPLETE_ZSH ? "#compdef spillway\n" : "");
    (void)buf_printf(ret,
                     "# SPDX-License-Identifier: Apache-2.0\n"
                     "# Made by `spillway reference --format %s`.\n",
                     (const char *const[]){ "bash", "zsh", "fish" }[shell]);
    switch (shell) {
    case COMPLETE_BASH:
        begin_bash(ret);
        return;
    case COMPLETE_ZSH:
        begin_zsh(ret);
        return;
    case COMPLETE_FISH:
        return;
    }
}

static void end(enum completion_shell shell, struct buf *ret)
{
    switch (shell) {
    case COMPLETE_BASH:
        (void)buf_add_text(ret, "    esac\n}\ncomplete -F _spillway spillway\n");
        return;
    case COMPLETE_ZSH:
        (void)buf_add_text(ret, "    esac\n}\n_spillway \"$@\"\n");
        return;
    case COMPLETE_FISH:
        return;
    }
}

bool completions(enum completion_shell shell, struct buf *ret, struct err *err)
{
    static void (*const add[])(struct buf * ret, const struct command *command,
                               const struct options *options) = {
        [COMPLETE_BASH] = add_bash, [COMPLETE_ZSH] = add_zsh, [COMPLETE_FISH] = add_fish
    };

    begin(shell, ret);
    for (const struct command *command = commands; command->name != NULL; command++) {
        AUTO(buf_fini) struct buf help = { 0 };
        struct options options = { .count = 0 };
        if (!help_of(command, &help, err))
            return false;
        read_options(buf_slice(&help).data, &options);
        add[shell](ret, command, &options);
    }
    end(shell, ret);
    return !ret->failed || err_set(err, "out of memory");
}
