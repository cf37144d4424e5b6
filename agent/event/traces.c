/* SPDX-License-Identifier: Apache-2.0 */
/* traces: a few comparisons at the begin of a line. Python, Go and JavaScript print lines that
 * belong to a trace by what came before them, and so have states. */
#include "event/traces.h"

struct look {
    struct slice line;
    struct slice text; /* without the blanks in front */
    bool indented;
};

static bool begins(struct slice text, struct slice with)
{
    return text.bytes >= with.bytes && memcmp(text.data, with.data, with.bytes) == 0;
}
#define BEGINS(text, literal) begins((text), SLICE(literal))

static bool has(struct slice text, const char *part)
{
    return text.bytes > 0 && memmem(text.data, text.bytes, part, strlen(part)) != NULL;
}

static struct look look_at(struct slice line)
{
    size_t blanks = 0;

    while (blanks < line.bytes && (line.data[blanks] == ' ' || line.data[blanks] == '\t'))
        blanks++;
    return (struct look){ line, { line.data + blanks, line.bytes - blanks }, blanks > 0 };
}

static bool is_more(struct slice text) /* "... 12 more", "... 3 lines matching cause stack trace" */
{
    return BEGINS(text, "... ") && text.bytes > 4 && text.data[4] >= '0' && text.data[4] <= '9';
}

static bool goes_on_java(uint8_t *state, const struct look *look)
{
    (void)state;
    if (BEGINS(look->text, "Caused by: ") || BEGINS(look->text, "Wrapped by: "))
        return true;
    return look->indented && (BEGINS(look->text, "at ") || BEGINS(look->text, "Suppressed: ") ||
                              BEGINS(look->text, "[CIRCULAR REFERENCE") || is_more(look->text));
}

static bool goes_on_dotnet(uint8_t *state, const struct look *look)
{
    (void)state;
    return BEGINS(look->text, "--- End of ") ||
           (look->indented && (BEGINS(look->text, "at ") || BEGINS(look->text, "---> ")));
}

static bool goes_on_ruby(uint8_t *state, const struct look *look)
{
    (void)state;
    if (!look->indented)
        return false;
    return BEGINS(look->text, "from ") || has(look->text, ":in `") || has(look->text, ":in '");
}

enum python { PYTHON_NONE, PYTHON_FRAMES, PYTHON_AFTER, PYTHON_CHAIN };

/* The exceptions before it are told first: "During handling of the above exception, …". */
static bool is_python_chain(struct slice line)
{
    return BEGINS(line, "During handling of the above exception") ||
           BEGINS(line, "The above exception was the direct cause");
}

static bool goes_on_python(uint8_t *state, const struct look *look)
{
    uint8_t before = *state;
    bool traceback = BEGINS(look->text, "Traceback (most recent call last):") ||
                     BEGINS(look->text, "+ Exception Group Traceback (most recent call last):");

    if (traceback) {
        *state = PYTHON_FRAMES;
        return before == PYTHON_CHAIN || (before == PYTHON_FRAMES && look->indented);
    }
    if (before == PYTHON_NONE)
        return false;
    if (look->line.bytes == 0 || (before == PYTHON_FRAMES && look->indented))
        return true;
    *state = before == PYTHON_FRAMES                                 ? PYTHON_AFTER
             : before == PYTHON_AFTER && is_python_chain(look->line) ? PYTHON_CHAIN
                                                                     : PYTHON_NONE;
    return *state != PYTHON_NONE;
}

enum go { GO_NONE, GO_PANIC, GO_ROUTINE };

static bool is_go_frame(const struct look *look)
{
    struct slice line = look->line;

    return look->indented || BEGINS(line, "created by ") || BEGINS(line, "exit status ") ||
           BEGINS(line, "...additional frames elided...") ||
           (line.bytes > 2 && line.data[line.bytes - 1] == ')' && has(line, "("));
}

static bool goes_on_go(uint8_t *state, const struct look *look)
{
    uint8_t before = *state;

    if (BEGINS(look->line, "goroutine ") && has(look->line, " [")) {
        *state = GO_ROUTINE;
        return before != GO_NONE;
    }
    if (before != GO_NONE &&
        (look->line.bytes == 0 || look->indented || BEGINS(look->line, "[signal ") ||
         (before == GO_ROUTINE && is_go_frame(look))))
        return true;
    bool panics = BEGINS(look->line, "fatal error: ") || has(look->line, "panic: ") ||
                  has(look->line, "panic serving ");
    *state = panics ? GO_PANIC : GO_NONE;
    return false;
}

enum javascript { JAVASCRIPT_NONE, JAVASCRIPT_FIELDS };

/* "    at run (/app/x.js:3:5) {" opens the error's own fields, as util.inspect() prints them. */
static bool goes_on_javascript(uint8_t *state, const struct look *look)
{
    bool in_fields = *state == JAVASCRIPT_FIELDS;

    if (look->indented &&
        (BEGINS(look->text, "at ") || BEGINS(look->text, "[cause]: ") || is_more(look->text))) {
        if (look->line.data[look->line.bytes - 1] == '{')
            *state = JAVASCRIPT_FIELDS;
        return true;
    }
    if (in_fields && look->indented)
        return true;
    *state = JAVASCRIPT_NONE;
    return in_fields && look->line.bytes == 1 && look->line.data[0] == '}';
}

bool traces_continue(unsigned wanted, struct trace_states *states, struct slice line)
{
    static bool (*const goes_on[TRACES])(uint8_t *, const struct look *) = {
        [TRACE_JAVA] = goes_on_java,     [TRACE_PYTHON] = goes_on_python,
        [TRACE_GO] = goes_on_go,         [TRACE_RUBY] = goes_on_ruby,
        [TRACE_DOTNET] = goes_on_dotnet, [TRACE_JAVASCRIPT] = goes_on_javascript,
    };
    const struct look look = look_at(line);
    bool any = false;

    for (unsigned i = 0; i < TRACES; i++) {
        if ((wanted & 1U << i) != 0)
            any |= goes_on[i](&states->of[i], &look); /* each keeps its state, whoever says yes */
    }
    return any;
}
