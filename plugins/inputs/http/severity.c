/* SPDX-License-Identifier: Apache-2.0 */
#include "severity.h"

#include <strings.h>

static const struct {
    struct slice word;
    uint8_t number;
} words[] = {
    { SLICE("info"), SEVERITY_INFO },          { SLICE("warn"), SEVERITY_WARN },
    { SLICE("warning"), SEVERITY_WARN },       { SLICE("error"), SEVERITY_ERROR },
    { SLICE("err"), SEVERITY_ERROR },          { SLICE("debug"), SEVERITY_DEBUG },
    { SLICE("trace"), SEVERITY_TRACE },        { SLICE("notice"), SEVERITY_INFO + 1 },
    { SLICE("information"), SEVERITY_INFO },   { SLICE("crit"), SEVERITY_ERROR + 1 },
    { SLICE("critical"), SEVERITY_ERROR + 1 }, { SLICE("alert"), SEVERITY_ERROR + 2 },
    { SLICE("fatal"), SEVERITY_FATAL },        { SLICE("emerg"), SEVERITY_FATAL },
    { SLICE("emergency"), SEVERITY_FATAL },    { SLICE("panic"), SEVERITY_FATAL },
};

uint8_t severity_of(struct slice word)
{
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (word.bytes == words[i].word.bytes &&
            strncasecmp(word.data, words[i].word.data, word.bytes) == 0)
            return words[i].number;
    }
    return SEVERITY_NONE;
}
