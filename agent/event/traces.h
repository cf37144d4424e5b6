/* SPDX-License-Identifier: Apache-2.0 */
/* traces: which lines belong to a stack trace, by language, without a pattern of the user's. Pure.
 * Told apart by how the languages' own runtimes print them. A trace begins an event of its own: a
 * line of a logger before it is not part of it. */
#pragma once

#include "base/slice.h"

#include <stdint.h>

#define TRACE_NAMES "java|python|go|ruby|dotnet|javascript"
enum trace {
    TRACE_JAVA,
    TRACE_PYTHON,
    TRACE_GO,
    TRACE_RUBY,
    TRACE_DOTNET,
    TRACE_JAVASCRIPT,
    TRACES
};

struct trace_states { /* of one stream; zeroed: nothing is open */
    uint8_t of[TRACES];
};

/* Does the line go on with what the lines before it were? `wanted`: bits, 1 << TRACE_…. */
bool traces_continue(unsigned wanted, struct trace_states *states, struct slice line);
