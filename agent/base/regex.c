/* SPDX-License-Identifier: Apache-2.0 */
/* regex: PCRE2 compiles to machine code where the system allows that; else it interprets. */
#include "base/regex.h"

#include "base/err.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/* For each place of the line where a match may begin: so some millions of steps at worst. */
enum { STEPS = 2000, HEAP_KIB = 256, PATTERN_BYTES = 4096, NESTED = 50 };
/* Of whole texts. WHOLE_STATES: of the automaton, three numbers each. WHOLE_CALLS: looks ahead and
 * the like, each of which may go to the end of the text. */
enum { SHORT_BYTES = 2048, WHOLE_STATES = 133, WHOLE_CALLS = 16, WINDOW_STEP = 512 };
/* Where patterns are interpreted, as in a service that may not write code, a step may go over all
 * of a long repeat: so few of them, and the rest is for the one pass. */
enum { WHOLE_STEPS_INTERPRETED = 32 };

struct regex {
    pcre2_code *code;
    pcre2_match_data *data;
    pcre2_match_context *limits;
    /* of regex_new_whole() */
    pcre2_code *whole; /* anything, then the pattern; NULL: it cannot be written so */
    pcre2_match_context *whole_limits;
    int workspace[WHOLE_STATES * 3];
};

void regex_free(struct regex **regexp)
{
    struct regex *regex = *regexp;

    *regexp = NULL;
    if (regex == NULL)
        return;
    pcre2_match_context_free(regex->limits);
    pcre2_match_data_free(regex->data);
    pcre2_code_free(regex->code);
    pcre2_match_context_free(regex->whole_limits);
    pcre2_code_free(regex->whole);
    free(regex);
}

static pcre2_code *compile(const char *pattern, uint32_t options, struct err *err)
{
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    PCRE2_UCHAR why[128];
    PCRE2_SIZE at = 0;
    int error = PCRE2_ERROR_NOMEMORY;
    pcre2_code *code = NULL;

    if (context != NULL) {
        (void)pcre2_set_max_pattern_length(context, PATTERN_BYTES);
        (void)pcre2_set_parens_nest_limit(context, NESTED);
        code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                             PCRE2_NEVER_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_DOLLAR_ENDONLY |
                                 options,
                             &error, &at, context);
    }
    pcre2_compile_context_free(context);
    if (code != NULL)
        return code;
    (void)pcre2_get_error_message(error, why, sizeof(why));
    (void)err_set(err, "'%s' is not a pattern, at its character %zu: %s", pattern, (size_t)at + 1,
                  (const char *)why);
    return NULL;
}

static bool is_interpreted(const struct regex *regex)
{
    size_t bytes = 0;

    return pcre2_pattern_info(regex->code, PCRE2_INFO_JITSIZE, &bytes) != 0 || bytes == 0;
}

static struct regex *make(const char *pattern, uint32_t options, struct err *err)
{
    struct regex *regex = calloc(1, sizeof(*regex));

    if (regex == NULL) {
        (void)err_set(err, "out of memory for a pattern");
        return NULL;
    }
    regex->code = compile(pattern, options, err);
    if (regex->code == NULL) {
        regex_free(&regex);
        return NULL;
    }
    regex->data = pcre2_match_data_create(1, NULL);
    regex->limits = pcre2_match_context_create(NULL);
    if (regex->data == NULL || regex->limits == NULL) {
        (void)err_set(err, "out of memory for a pattern");
        regex_free(&regex);
        return NULL;
    }
    (void)pcre2_set_match_limit(regex->limits, STEPS);
    (void)pcre2_set_heap_limit(regex->limits, HEAP_KIB);
    (void)pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE); /* refused: it is interpreted */
    return regex;
}

struct regex *regex_new(const char *pattern, struct err *err)
{
    return make(pattern, 0, err);
}

/* Where the pattern may begin is part of it, so that one pass over the text is enough. */
static pcre2_code *compile_whole(const char *pattern)
{
    static const char before[] = "(?s:.*?)(?:", behind[] = "\\E)"; /* "\\Q" may be open */
    size_t bytes = sizeof(before) + strlen(pattern) + sizeof(behind);
    char *text = malloc(bytes);
    struct err err;

    if (text == NULL)
        return NULL;
    (void)snprintf(text, bytes, "%s%s%s", before, pattern, behind);
    pcre2_code *code = compile(text, PCRE2_DOTALL, &err);
    free(text);
    return code;
}

struct regex *regex_new_whole(const char *pattern, struct err *err)
{
    struct regex *regex = make(pattern, PCRE2_DOTALL, err);

    if (regex == NULL)
        return NULL;
    regex->whole = compile_whole(pattern);
    regex->whole_limits = pcre2_match_context_create(NULL);
    if (regex->whole_limits == NULL) {
        (void)err_set(err, "out of memory for a pattern");
        regex_free(&regex);
        return NULL;
    }
    if (is_interpreted(regex))
        (void)pcre2_set_match_limit(regex->limits, WHOLE_STEPS_INTERPRETED);
    (void)pcre2_set_match_limit(regex->whole_limits, WHOLE_CALLS);
    (void)pcre2_set_heap_limit(regex->whole_limits, HEAP_KIB);
    return regex;
}

static enum regex_found meaning_of(int found)
{
    if (found >= 0)
        return REGEX_YES;
    return found == PCRE2_ERROR_NOMATCH ? REGEX_NO : REGEX_GAVE_UP;
}

static enum regex_found find_from(struct regex *regex, struct slice text, size_t from,
                                  uint32_t options)
{
    const char *data = text.bytes == 0 ? "" : text.data;

    return meaning_of(pcre2_match(regex->code, (PCRE2_SPTR)data, text.bytes, from, options,
                                  regex->data, regex->limits));
}

enum regex_found regex_find(struct regex *regex, struct slice line)
{
    size_t bytes = line.bytes < REGEX_LINE_BYTES ? line.bytes : REGEX_LINE_BYTES;

    return find_from(regex, (struct slice){ line.data, bytes }, 0, 0);
}

/* All states of the pattern at once, so in one pass. It has no backreferences, and those repeats
 * that it counts may be too many for it. */
static enum regex_found find_in_one_pass(struct regex *regex, struct slice text)
{
    if (regex->whole == NULL)
        return REGEX_GAVE_UP;
    int found = pcre2_dfa_match(regex->whole, (PCRE2_SPTR)text.data, text.bytes, 0,
                                PCRE2_ANCHORED | PCRE2_DFA_SHORTEST, regex->data,
                                regex->whole_limits, regex->workspace, WHOLE_STATES * 3);
    return meaning_of(found);
}

/* Window by window: finds any match of up to a step, and the longer ones by luck. What was found up
 * to where a window is cut off has to be a match in the text too. */
static enum regex_found find_in_windows(struct regex *regex, struct slice text)
{
    unsigned looks = WHOLE_CALLS;

    for (size_t from = 0; from < text.bytes && looks > 0; from += WINDOW_STEP) {
        size_t left = text.bytes - from;
        struct slice window = { text.data,
                                from + (left < REGEX_LINE_BYTES ? left : REGEX_LINE_BYTES) };
        if (find_from(regex, window, from, window.bytes < text.bytes ? PCRE2_NOTEOL : 0) !=
            REGEX_YES)
            continue;
        size_t at = pcre2_get_ovector_pointer(regex->data)[0];
        if (window.bytes == text.bytes || find_from(regex, text, at, PCRE2_ANCHORED) == REGEX_YES)
            return REGEX_YES;
        looks--;
    }
    return REGEX_GAVE_UP;
}

/* Looking from each place of the text is quick on what lines are like, and quadratic at worst: so
 * for short ones only. */
enum regex_found regex_find_whole(struct regex *regex, struct slice text)
{
    enum regex_found found = REGEX_GAVE_UP;

    if (text.bytes <= SHORT_BYTES)
        found = find_from(regex, text, 0, 0);
    if (found == REGEX_GAVE_UP && text.bytes > 0)
        found = find_in_one_pass(regex, text);
    return found == REGEX_GAVE_UP && text.bytes > SHORT_BYTES ? find_in_windows(regex, text)
                                                              : found;
}
