/* SPDX-License-Identifier: Apache-2.0 */
#include "event/multiline.h"

#include "base/err.h"

#include <stdlib.h>

struct multiline {
    struct regex *start, *continuation;
    unsigned traces; /* bits */
    uint64_t given_up;
};

bool multiline_is_wanted(const struct multiline_rules *rules)
{
    return rules->start[0] != '\0' || rules->continuation[0] != '\0' || rules->trace_count > 0;
}

void multiline_free(struct multiline **multilinep)
{
    struct multiline *multiline = *multilinep;

    *multilinep = NULL;
    if (multiline == NULL)
        return;
    regex_free(&multiline->start);
    regex_free(&multiline->continuation);
    free(multiline);
}

static bool compile(const char *name, const char *pattern, struct regex **ret, struct err *err)
{
    struct err why = { "" };

    if (pattern[0] == '\0')
        return true;
    *ret = regex_new(pattern, &why);
    return *ret != NULL || err_set(err, "multiline.%s: %s", name, why.text);
}

static bool name_traces(const struct multiline_rules *rules, unsigned *ret, struct err *err)
{
    static const char *const names[TRACES] = {
        [TRACE_JAVA] = "java", [TRACE_PYTHON] = "python", [TRACE_GO] = "go",
        [TRACE_RUBY] = "ruby", [TRACE_DOTNET] = "dotnet", [TRACE_JAVASCRIPT] = "javascript",
    };

    for (size_t i = 0; i < rules->trace_count; i++) {
        unsigned trace = 0;
        while (trace < TRACES && strcmp(rules->traces[i], names[trace]) != 0)
            trace++;
        if (trace == TRACES)
            return err_set(err, "multiline.traces: '%s' is none of " TRACE_NAMES, rules->traces[i]);
        *ret |= 1U << trace;
    }
    return true;
}

struct multiline *multiline_new(const struct multiline_rules *rules, struct err *err)
{
    struct multiline *multiline = calloc(1, sizeof(*multiline));

    if (multiline == NULL) {
        (void)err_set(err, "out of memory for multiline");
        return NULL;
    }
    if (!compile("start", rules->start, &multiline->start, err) ||
        !compile("continuation", rules->continuation, &multiline->continuation, err) ||
        !name_traces(rules, &multiline->traces, err))
        multiline_free(&multiline);
    return multiline;
}

static bool matches(struct multiline *multiline, struct regex *regex, struct slice line)
{
    enum regex_found found = regex == NULL ? REGEX_NO : regex_find(regex, line);

    multiline->given_up += found == REGEX_GAVE_UP;
    return found == REGEX_YES;
}

bool multiline_continues(struct multiline *multiline, struct multiline_state *state,
                         struct slice line)
{
    bool in_trace =
        multiline->traces != 0 && traces_continue(multiline->traces, &state->traces, line);

    if (matches(multiline, multiline->start, line))
        return false;
    return in_trace || matches(multiline, multiline->continuation, line) ||
           (multiline->continuation == NULL && multiline->traces == 0);
}

uint64_t multiline_given_up(struct multiline *multiline)
{
    uint64_t given_up = multiline->given_up;

    multiline->given_up = 0;
    return given_up;
}
