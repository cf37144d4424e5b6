/* SPDX-License-Identifier: Apache-2.0 */
/* cursor: taking small things from the front of a slice. What is not there is not taken.
 * Threads: none; pure. */
#pragma once

#include "plugin.h"

static inline char cursor_peek(struct slice rest, size_t at)
{
    return at < rest.bytes ? rest.data[at] : '\0';
}

static inline void cursor_skip(struct slice *rest, size_t bytes)
{
    rest->data += bytes;
    rest->bytes -= bytes;
}

static inline struct slice cursor_cut(struct slice *rest, size_t bytes)
{
    struct slice taken = { rest->data, bytes };
    cursor_skip(rest, bytes);
    return taken;
}

static inline bool cursor_take(struct slice *rest, char letter)
{
    if (rest->bytes == 0 || rest->data[0] != letter)
        return false;
    cursor_skip(rest, 1);
    return true;
}

static inline void cursor_skip_blanks(struct slice *rest)
{
    while (rest->bytes > 0 && (rest->data[0] == ' ' || rest->data[0] == '\t'))
        cursor_skip(rest, 1);
}

static inline bool cursor_is_digit(char letter)
{
    return letter >= '0' && letter <= '9';
}

static inline bool cursor_is_alpha(char letter)
{
    return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z');
}

static inline bool cursor_is_blank(char letter)
{
    return letter == ' ' || letter == '\t';
}

/* Digits from `least` to `most` of them, at most 9; a further digit behind them is an error. */
static inline bool cursor_take_number(struct slice *rest, size_t least, size_t most, int *ret)
{
    int number = 0;
    size_t digits = 0;

    while (digits < most && cursor_is_digit(cursor_peek(*rest, digits)))
        number = number * 10 + (rest->data[digits++] - '0');
    if (digits < least || cursor_is_digit(cursor_peek(*rest, digits)))
        return false;
    cursor_skip(rest, digits);
    *ret = number;
    return true;
}

/* Up to the next blank, or all. */
static inline struct slice cursor_take_word(struct slice *rest)
{
    size_t bytes = 0;

    while (bytes < rest->bytes && !cursor_is_blank(rest->data[bytes]))
        bytes++;
    return cursor_cut(rest, bytes);
}
