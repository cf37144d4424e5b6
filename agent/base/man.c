/* SPDX-License-Identifier: Apache-2.0 */
#include "base/man.h"

#include <stdint.h>
#include <strings.h>

struct help {
    struct buf *ret;
    size_t column;  /* where most options are explained; SIZE_MAX: there are none */
    bool is_option; /* so was the line before, or what it went on with */
    bool starts;    /* the next text is a new paragraph */
    bool is_usage;  /* so was the line before: indented ones go on with it */
    bool is_unfilled;
};

static bool may_break_behind(struct slice text, size_t at)
{
    return text.data[at] == '|' && at + 1 < text.bytes && text.data[at + 1] != ' ';
}

/* No hyphens for minus signs, no requests at the start of a line; a list of choices may be broken.
 */
void man_add(struct buf *ret, struct slice text)
{
    if (text.bytes > 0 && (text.data[0] == '.' || text.data[0] == '\''))
        (void)buf_add_text(ret, "\\&");
    for (size_t i = 0; i < text.bytes; i++) {
        if (text.data[i] == '\\')
            (void)buf_add_text(ret, "\\e");
        else if (text.data[i] == '-')
            (void)buf_add_text(ret, "\\-");
        else
            (void)buf_add(ret, text.data + i, 1);
        if (may_break_behind(text, i))
            (void)buf_add_text(ret, "\\:");
    }
}

static struct slice rest_of(struct slice line, size_t from)
{
    return (struct slice){ line.data + from, line.bytes - from };
}

static struct slice take_line(struct slice *text)
{
    const char *end = memchr(text->data, '\n', text->bytes);
    struct slice line = { text->data, end == NULL ? text->bytes : (size_t)(end - text->data) };

    *text = rest_of(*text, line.bytes + (end != NULL ? 1 : 0));
    return line;
}

static size_t blanks_at(struct slice line, size_t at)
{
    size_t end = at;

    while (end < line.bytes && line.data[end] == ' ')
        end++;
    return end - at;
}

static bool is_option(struct slice line)
{
    size_t blanks = blanks_at(line, 0);

    return blanks > 0 && blanks < line.bytes && line.data[blanks] == '-';
}

/* Behind the first gap of two blanks or more; SIZE_MAX: there is none. */
static size_t behind_gap(struct slice line)
{
    for (size_t i = blanks_at(line, 0); i < line.bytes; i++) {
        size_t blanks = blanks_at(line, i);
        if (blanks >= 2 && i + blanks < line.bytes)
            return i + blanks;
        i += blanks;
    }
    return SIZE_MAX;
}

static size_t common_column(struct slice text)
{
    size_t column = SIZE_MAX;

    while (text.bytes > 0) {
        struct slice line = take_line(&text);
        size_t at = is_option(line) ? behind_gap(line) : SIZE_MAX;
        if (at < column)
            column = at;
    }
    return column;
}

static void show_as_it_is(struct help *help, bool wanted)
{
    if (wanted != help->is_unfilled)
        (void)buf_add_text(help->ret, wanted ? ".nf\n" : ".fi\n");
    help->is_unfilled = wanted;
}

static void add_bold(struct help *help, struct slice text)
{
    (void)buf_add_text(help->ret, "\\fB");
    man_add(help->ret, text);
    (void)buf_add_text(help->ret, "\\fR\n");
}

static void add_option(struct help *help, struct slice line)
{
    size_t blanks = blanks_at(line, 0), at = behind_gap(line);

    show_as_it_is(help, false);
    /* A long name leaves a single blank before the column. */
    if (help->column < line.bytes && line.data[help->column - 1] == ' ')
        at = help->column;
    struct slice name = rest_of(line, blanks);
    if (at != SIZE_MAX)
        name.bytes = at - blanks;
    while (name.bytes > 0 && name.data[name.bytes - 1] == ' ')
        name.bytes--;
    (void)buf_add_text(help->ret, ".TP\n");
    add_bold(help, name);
    if (at != SIZE_MAX) {
        man_add(help->ret, rest_of(line, at));
        (void)buf_add_text(help->ret, "\n");
    }
    help->is_option = true;
    help->starts = true;
}

static void add_indented(struct help *help, struct slice line)
{
    size_t blanks = blanks_at(line, 0);

    if (help->is_usage) {
        (void)buf_add_text(help->ret, ".br\n");
        add_bold(help, rest_of(line, blanks));
        return;
    }
    bool goes_on = help->is_option && blanks >= help->column;

    show_as_it_is(help, !goes_on);
    man_add(help->ret, goes_on ? rest_of(line, blanks) : line);
    (void)buf_add_text(help->ret, "\n");
}

static void add_text(struct help *help, struct slice line)
{
    static const char usage[] = "usage: ";
    size_t skipped = sizeof(usage) - 1;
    bool is_usage = line.bytes >= skipped && strncasecmp(line.data, usage, skipped) == 0;

    show_as_it_is(help, false);
    if (help->starts)
        (void)buf_add_text(help->ret, ".PP\n");
    if (is_usage) {
        add_bold(help, rest_of(line, skipped));
    } else {
        man_add(help->ret, line);
        (void)buf_add_text(help->ret, "\n");
    }
    help->starts = help->is_usage = is_usage;
    help->is_option = false;
}

void man_add_help(struct buf *ret, struct slice text)
{
    struct help help = { .ret = ret, .column = common_column(text) };

    while (text.bytes > 0) {
        struct slice line = take_line(&text);
        size_t blanks = blanks_at(line, 0);
        if (blanks == line.bytes) {
            help.starts = true;
            help.is_usage = false;
        } else if (is_option(line)) {
            add_option(&help, line);
        } else if (blanks > 0) {
            add_indented(&help, line);
        } else {
            add_text(&help, line);
        }
    }
    show_as_it_is(&help, false);
}
