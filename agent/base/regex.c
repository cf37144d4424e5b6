/* SPDX-License-Identifier: Apache-2.0 */
/* regex: PCRE2 compiles to machine code where the system allows that; else it interprets. */
#include "base/regex.h"

#include "base/err.h"

#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/* For each place of the line where a match may begin: so some millions of steps at worst. */
enum { STEPS = 2000, HEAP_KIB = 256, PATTERN_BYTES = 4096, NESTED = 50 };

struct regex {
    pcre2_code *code;
    pcre2_match_data *data;
    pcre2_match_context *limits;
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
    free(regex);
}

static pcre2_code *compile(const char *pattern, struct err *err)
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
                             PCRE2_NEVER_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_DOLLAR_ENDONLY,
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

struct regex *regex_new(const char *pattern, struct err *err)
{
    struct regex *regex = calloc(1, sizeof(*regex));

    if (regex == NULL) {
        (void)err_set(err, "out of memory for a pattern");
        return NULL;
    }
    regex->code = compile(pattern, err);
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

enum regex_found regex_find(struct regex *regex, struct slice line)
{
    size_t bytes = line.bytes < REGEX_LINE_BYTES ? line.bytes : REGEX_LINE_BYTES;
    int found = pcre2_match(regex->code, (PCRE2_SPTR)(bytes == 0 ? "" : line.data), bytes, 0, 0,
                            regex->data, regex->limits);

    if (found >= 0)
        return REGEX_YES;
    return found == PCRE2_ERROR_NOMATCH ? REGEX_NO : REGEX_GAVE_UP;
}
