/* SPDX-License-Identifier: Apache-2.0 */
/* filter: drops or keeps events by one field. What it leaves out is counted as filtered, never as
 * lost. Several filters in a row are an "and"; an alternative is a pattern's `|`.
 * Runs in the reading's thread. */
#include "plugin.h"

enum { NUMBER_BYTES = 32 };
enum filter_action { FILTER_DROP, FILTER_KEEP };

#define FILTER_OPTIONS(X, T)                                                                       \
    X(T, action, choice, "drop", "drop|keep", ANY,                                                 \
      "What happens to events that match; the others have the opposite")                           \
    X(T, field, text, "body", ANY, ANY,                                                            \
      "body, severity_text, severity_number, unit, an attribute's key, or resource.KEY")           \
    X(T, pattern, text, "", ANY, ANY,                                                              \
      "Pattern (PCRE2) that has to match somewhere in the field; . is a line's end too")           \
    X(T, equals, text, "", ANY, ANY, "Or the whole field, as text; numbers in decimal")            \
    X(T, invert, flag, "no", ANY, ANY,                                                             \
      "Match events whose field does not, or that have no such field")
DECLARE_OPTIONS(filter_config, FILTER_OPTIONS);

struct filter {
    const struct filter_config *config;
    struct slice field, equals;
    struct regex *pattern; /* NULL: equals */
    uint64_t given_up;
};

static bool filter_check(const void *config, struct err *err)
{
    const struct filter_config *cfg = config;

    if ((cfg->pattern[0] == '\0') == (cfg->equals[0] == '\0'))
        return err_set(err, "give either a pattern or equals");
    if (cfg->field[0] == '\0')
        return err_set(err, "field is empty: name one, or leave it out for body");
    if (cfg->pattern[0] == '\0')
        return true;
    struct regex *pattern = regex_new_whole(cfg->pattern, err);
    bool is_pattern = pattern != NULL;
    regex_free(&pattern);
    return is_pattern;
}

static bool filter_open(void *state, const void *config, struct err *err)
{
    struct filter *filter = state;

    filter->config = config;
    filter->field = slice_of(filter->config->field);
    filter->equals = slice_of(filter->config->equals);
    if (filter->config->pattern[0] == '\0')
        return true;
    filter->pattern = regex_new_whole(filter->config->pattern, err);
    return filter->pattern != NULL;
}

static struct slice text_of(const struct value *value, char number[NUMBER_BYTES])
{
    switch (value->kind) {
    case VALUE_TEXT:
        return value->text;
    case VALUE_INT:
        (void)snprintf(number, NUMBER_BYTES, "%jd", (intmax_t)value->integer);
        return slice_of(number);
    case VALUE_REAL:
        (void)snprintf(number, NUMBER_BYTES, "%.15g", value->real);
        return slice_of(number);
    case VALUE_BOOL:
        return value->boolean ? SLICE("true") : SLICE("false");
    }
    return SLICE("");
}

static bool matches(struct filter *filter, const struct event *event)
{
    struct value value;
    char number[NUMBER_BYTES];

    if (!event_field(event, filter->field, &value))
        return false;
    struct slice text = text_of(&value, number);
    if (filter->pattern == NULL)
        return slice_equals(text, filter->equals);
    enum regex_found found = regex_find_whole(filter->pattern, text);
    filter->given_up += found == REGEX_GAVE_UP;
    return found == REGEX_YES;
}

static enum processed filter_process(void *state, struct event *event)
{
    struct filter *filter = state;
    bool hit = matches(filter, event) != filter->config->invert;
    bool keep = hit == (filter->config->action == FILTER_KEEP);

    return keep ? PROCESS_KEEP : PROCESS_DROP;
}

static uint64_t filter_given_up(void *state)
{
    struct filter *filter = state;
    uint64_t given_up = filter->given_up;

    filter->given_up = 0;
    return given_up;
}

static void filter_close(void *state)
{
    struct filter *filter = state;
    regex_free(&filter->pattern);
}

const struct processor processor_filter = {
    .type = { PLUGIN_TYPE("filter", "Keeps or drops events by a field", filter_config, filter),
              .check = filter_check },
    .open = filter_open,
    .process = filter_process,
    .given_up = filter_given_up,
    .close = filter_close,
};
