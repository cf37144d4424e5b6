/* SPDX-License-Identifier: Apache-2.0 */
/* join_setup: what the configuration asks of joining. */
#include "join_state.h"

enum { WRAPPING_BYTES = 1024 };
/* Docker's longest text is 16 KiB, six times that where each byte is escaped. */
static const size_t CONTAINER_LINE_BYTES = (size_t)128 * 1024 - 64;

static struct multiline_rules rules_of(const struct tail_config *config)
{
    return (struct multiline_rules){ MULTILINE_RULES(config) };
}

static bool is_joining(const struct tail_config *config)
{
    struct multiline_rules rules = rules_of(config);
    return multiline_is_wanted(&rules);
}

static uint64_t event_limit(const struct tail_config *config)
{
    return is_joining(config) ? config->multiline__max_bytes : config->max_line_bytes;
}

uint64_t tail_join_event_bytes(const struct tail_config *config)
{
    uint64_t event = event_limit(config);
    return event > config->max_line_bytes ? event : config->max_line_bytes;
}

bool tail_join_is_wanted(const struct tail_config *config)
{
    return config->format != TAIL_LINES || is_joining(config);
}

bool tail_join_needs_copy(const struct tail_config *config)
{
    return config->format != TAIL_LINES;
}

uint64_t tail_join_memory_bytes(const struct tail_config *config)
{
    uint64_t bytes = tail_join_is_wanted(config) ? sizeof(struct tail_join) : 0;
    return bytes + (tail_join_needs_copy(config) ? tail_join_room(config) : 0);
}

size_t tail_join_room(const struct tail_config *config)
{
    size_t longest = (size_t)tail_join_event_bytes(config);

    if (config->format == TAIL_LINES)
        return longest + 2; /* "\r\n" */
    longest += WRAPPING_BYTES;
    return longest > CONTAINER_LINE_BYTES ? longest : CONTAINER_LINE_BYTES;
}

static char *trace_names(const struct tail_config *config)
{
    AUTO(buf_fini) struct buf names = { 0 };

    (void)buf_add_text(&names, "");
    for (size_t i = 0; i < config->multiline__traces.count; i++)
        (void)buf_printf(&names, "%s ", config->multiline__traces.items[i]);
    return names.failed ? NULL : strdup(names.data);
}

/* Without a copy: on the way back of a reload there may be no memory. */
static bool has_traces(const struct tail_join *join, const struct text_list *names)
{
    const char *at = join->traces;

    for (size_t i = 0; i < names->count; i++) {
        size_t bytes = strlen(names->items[i]);
        if (strncmp(at, names->items[i], bytes) != 0 || at[bytes] != ' ')
            return false;
        at += bytes + 1;
    }
    return *at == '\0';
}

bool tail_join_suits(const struct tail_join *join, const struct tail_config *config)
{
    if (join == NULL)
        return !tail_join_is_wanted(config);
    return join->format == config->format && join->max_line_bytes == config->max_line_bytes &&
           join->max_event_bytes == event_limit(config) &&
           join->max_lines == config->multiline__max_lines &&
           join->wait_ms == config->multiline__wait &&
           strcmp(join->start, config->multiline__start) == 0 &&
           strcmp(join->continuation, config->multiline__continuation) == 0 &&
           has_traces(join, &config->multiline__traces);
}

void tail_join_free(struct tail_join **joinp)
{
    struct tail_join *join = *joinp;

    *joinp = NULL;
    if (join == NULL)
        return;
    multiline_free(&join->multiline);
    free(join->start);
    free(join->continuation);
    free(join->traces);
    free(join);
}

bool tail_join_new(const struct tail_config *config, struct tail_join **ret, struct err *err)
{
    AUTO(tail_join_free) struct tail_join *join = NULL;
    struct multiline_rules rules = rules_of(config);

    *ret = NULL;
    if (!tail_join_is_wanted(config))
        return true;
    join = calloc(1, sizeof(*join));
    if (join == NULL)
        return err_set(err, "no memory to join lines");
    join->format = config->format;
    tail_join_forget(join);
    join->max_line_bytes = config->max_line_bytes;
    join->max_event_bytes = event_limit(config);
    join->max_lines = config->multiline__max_lines;
    join->wait_ms = config->multiline__wait;
    join->start = strdup(rules.start);
    join->continuation = strdup(rules.continuation);
    join->traces = trace_names(config);
    if (join->start == NULL || join->continuation == NULL || join->traces == NULL)
        return err_set(err, "no memory to join lines");
    if (multiline_is_wanted(&rules) && (join->multiline = multiline_new(&rules, err)) == NULL)
        return false;
    *ret = join;
    join = NULL;
    return true;
}
