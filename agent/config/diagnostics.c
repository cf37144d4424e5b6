/* SPDX-License-Identifier: Apache-2.0 */
/* diagnostics: problems are kept in order as they come, so that the first ones by place survive
 * the bound, whatever the order in which they were found. */
#include "config/diagnostics.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    TEXT_BYTES = 640,
    SHOWN_CHARACTERS = 120,
    SHOWN_BEFORE = 80,
    KEY_BYTES = 64,
    LINE_BYTES = 4096
};

struct problem {
    struct place place;
    char text[TEXT_BYTES];
};

void diagnostics_fini(struct diagnostics *diagnostics)
{
    free(diagnostics->problems);
    diagnostics->problems = NULL;
    diagnostics->count = 0;
}

bool diagnostics_is_clean(const struct diagnostics *diagnostics)
{
    return diagnostics->count + diagnostics->more == 0;
}

bool diagnostics_is_full(const struct diagnostics *diagnostics)
{
    return diagnostics->more > 0;
}

/* ---- characters ---- */

/* Bytes of the character at the start of text; 0: not valid UTF-8. */
static size_t character_bytes(struct slice text)
{
    const unsigned char *byte = (const unsigned char *)text.data;
    size_t bytes = byte[0] < 0x80                      ? 1
                   : byte[0] >= 0xc2 && byte[0] < 0xe0 ? 2
                   : byte[0] >= 0xe0 && byte[0] < 0xf0 ? 3
                   : byte[0] >= 0xf0 && byte[0] < 0xf5 ? 4
                                                       : 0;

    if (bytes > text.bytes)
        return 0;
    for (size_t i = 1; i < bytes; i++) {
        if ((byte[i] & 0xc0) != 0x80)
            return 0;
    }
    return bytes;
}

static struct slice skip(struct slice text, size_t bytes)
{
    return (struct slice){ text.data + bytes, text.bytes - bytes };
}

/* Moves over one character; a byte that is not part of one counts as one. */
static struct slice skip_character(struct slice text)
{
    size_t bytes = character_bytes(text);

    return skip(text, bytes == 0 ? 1 : bytes);
}

/* C0 and C1: an escape sequence in a configuration must not reach the terminal that shows it. */
static bool is_control(struct slice text)
{
    unsigned char first = (unsigned char)text.data[0];

    return first < 0x20 || first == 0x7f ||
           (first == 0xc2 && text.bytes > 1 && (unsigned char)text.data[1] < 0xa0);
}

/* Appends at most `characters` of text, one column each but for tabs, which stay. */
static void add_clean(struct buf *to, struct slice text, size_t characters)
{
    for (; text.bytes > 0 && characters > 0; characters--) {
        size_t bytes = character_bytes(text);
        if (bytes == 0 || (is_control(text) && text.data[0] != '\t'))
            (void)buf_add(to, "?", 1);
        else
            (void)buf_add(to, text.data, bytes);
        text = skip_character(text);
    }
}

/* ---- lines ---- */

/* Bytes of the line break at the start of text; 0: none. As libyaml counts them: CR LF, CR, LF,
 * NEL, LS, PS. */
static size_t break_bytes(struct slice text)
{
    static const char *const breaks[] = { "\r\n",     "\r",           "\n",
                                          "\xc2\x85", "\xe2\x80\xa8", "\xe2\x80\xa9" };

    for (size_t i = 0; i < sizeof(breaks) / sizeof(breaks[0]); i++) {
        size_t bytes = strlen(breaks[i]);
        if (text.bytes >= bytes && memcmp(text.data, breaks[i], bytes) == 0)
            return bytes;
    }
    return 0;
}

/* A line is looked for through the whole file: most bytes are told by this alone. */
static bool may_break(char byte)
{
    return byte == '\r' || byte == '\n' || byte == '\xc2' || byte == '\xe2';
}

static size_t line_bytes(struct slice text)
{
    size_t bytes = 0;

    while (bytes < text.bytes &&
           (!may_break(text.data[bytes]) || break_bytes(skip(text, bytes)) == 0))
        bytes++;
    return bytes;
}

const char *diagnostics_file(const struct diagnostics *diagnostics, unsigned file)
{
    return file == 0 ? diagnostics->file : diagnostics->others[file - 1].file;
}

struct slice diagnostics_text(const struct diagnostics *diagnostics, unsigned file)
{
    return file == 0 ? diagnostics->text : diagnostics->others[file - 1].text;
}

struct slice diagnostics_line(const struct diagnostics *diagnostics, struct place place)
{
    struct slice text = diagnostics_text(diagnostics, place.file);

    for (unsigned at = 1; at < place.line && text.bytes > 0; at++) {
        text = skip(text, line_bytes(text));
        text = skip(text, break_bytes(text));
    }
    return (struct slice){ text.data, line_bytes(text) };
}

struct place diagnostics_place(const struct diagnostics *diagnostics, unsigned file, size_t offset)
{
    struct slice text = diagnostics_text(diagnostics, file);
    struct place place = { 1, 1, file };

    if (offset > text.bytes)
        offset = text.bytes;
    const char *end = text.data + offset;
    while (text.data < end) {
        size_t broken = break_bytes(text);
        if (broken > 0)
            place = (struct place){ place.line + 1, 1, file };
        else
            place.column++;
        text = broken > 0 ? skip(text, broken) : skip_character(text);
    }
    return place;
}

/* ---- collecting ---- */

static bool is_before(struct place a, struct place b)
{
    if (a.file != b.file)
        return a.file < b.file;
    return a.line != b.line ? a.line < b.line : a.column < b.column;
}

static void clean_text(char text[TEXT_BYTES])
{
    struct buf clean = { 0 };

    for (struct slice rest = slice_of(text); rest.bytes > 0; rest = skip_character(rest)) {
        if (rest.data[0] == '\t')
            (void)buf_add(&clean, " ", 1);
        else
            add_clean(&clean, rest, 1);
    }
    if (clean.failed || clean.data == NULL)
        text[0] = '\0';
    else
        (void)snprintf(text, TEXT_BYTES, "%s", clean.data);
    buf_fini(&clean);
}

static bool is_known(const struct diagnostics *diagnostics, const struct problem *problem)
{
    for (size_t i = 0; i < diagnostics->count; i++) {
        const struct problem *other = &diagnostics->problems[i];
        if (other->place.file == problem->place.file && other->place.line == problem->place.line &&
            other->place.column == problem->place.column && strcmp(other->text, problem->text) == 0)
            return true;
    }
    return false;
}

static void keep_problem(struct diagnostics *diagnostics, const struct problem *problem)
{
    struct problem *problems = diagnostics->problems;
    size_t at = diagnostics->count;

    while (at > 0 && is_before(problem->place, problems[at - 1].place))
        at--;
    if (diagnostics->count == PROBLEMS_MAX) {
        diagnostics->more++;
        if (at == PROBLEMS_MAX)
            return;
        diagnostics->count--;
    }
    memmove(&problems[at + 1], &problems[at], (diagnostics->count - at) * sizeof(*problems));
    problems[at] = *problem;
    diagnostics->count++;
}

bool diagnostics_add(struct diagnostics *diagnostics, struct place place, const char *format, ...)
{
    struct problem problem = { .place = place };
    va_list args;

    va_start(args, format);
    (void)vsnprintf(problem.text, sizeof(problem.text), format, args);
    va_end(args);
    clean_text(problem.text);
    if (diagnostics->problems == NULL)
        diagnostics->problems = calloc(PROBLEMS_MAX, sizeof(*diagnostics->problems));
    if (diagnostics->problems == NULL)
        diagnostics->more++;
    else if (!is_known(diagnostics, &problem))
        keep_problem(diagnostics, &problem);
    return false;
}

/* ---- showing ---- */

static bool is_key_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '_' || byte == '-';
}

/* How much of the line may be shown: up to the value of the first key that names a secret. Found in
 * the text and not in the parsed tree, because the line may be shown just because it cannot be
 * parsed. */
static size_t public_bytes(const struct diagnostics *diagnostics, struct slice line)
{
    for (size_t colon = 0; diagnostics->is_secret != NULL && colon < line.bytes; colon++) {
        if (line.data[colon] != ':')
            continue;
        char key[KEY_BYTES];
        size_t end = colon;
        while (end > 0 && strchr(" \t\"'", line.data[end - 1]) != NULL)
            end--;
        size_t start = end;
        while (start > 0 && is_key_byte(line.data[start - 1]))
            start--;
        if (start == end || end - start >= sizeof(key))
            continue;
        memcpy(key, line.data + start, end - start);
        key[end - start] = '\0';
        if (diagnostics->is_secret(diagnostics->context, key))
            return colon + 1;
    }
    return line.bytes;
}

static void write_line(const struct diagnostics *diagnostics, struct place place, struct buf *ret)
{
    struct slice line = diagnostics_line(diagnostics, place);
    if (line.bytes > LINE_BYTES) /* no line of a human; looking for secrets in it would take long */
        return;
    size_t before = place.column > 0 ? place.column - 1 : 0;
    struct slice shown = { line.data, public_bytes(diagnostics, line) };
    bool is_masked = shown.bytes < line.bytes;
    size_t cut = before > SHOWN_CHARACTERS ? before - SHOWN_BEFORE : 0;

    for (size_t i = 0; i < cut && shown.bytes > 0; i++)
        shown = skip_character(shown);
    (void)buf_printf(ret, "%5u | %s", place.line, cut > 0 ? "..." : "");
    add_clean(ret, shown, SHOWN_CHARACTERS);
    (void)buf_printf(ret, "%s\n      | %s", is_masked ? " ***" : "", cut > 0 ? "   " : "");
    for (size_t i = cut; i < before; i++) {
        bool is_tab = shown.bytes > 0 && shown.data[0] == '\t';
        (void)buf_add(ret, is_tab ? "\t" : " ", 1);
        if (shown.bytes > 0)
            shown = skip_character(shown);
    }
    (void)buf_add_text(ret, "^\n");
}

void diagnostics_write(const struct diagnostics *diagnostics, struct buf *ret)
{
    for (size_t i = 0; i < diagnostics->count; i++) {
        const struct problem *problem = &diagnostics->problems[i];
        const char *file = diagnostics_file(diagnostics, problem->place.file);
        if (problem->place.line == 0) {
            (void)buf_printf(ret, "%s: %s\n", file, problem->text);
            continue;
        }
        (void)buf_printf(ret, "%s:%u:%u: %s\n", file, problem->place.line, problem->place.column,
                         problem->text);
        write_line(diagnostics, problem->place, ret);
    }
    if (diagnostics->count == 0 && diagnostics->more > 0)
        (void)buf_printf(ret, "%s: out of memory\n", diagnostics->file);
    else if (diagnostics->more > 0)
        (void)buf_printf(ret, "%s: and %zu more\n", diagnostics->file, diagnostics->more);
}
