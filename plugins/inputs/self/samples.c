/* SPDX-License-Identifier: Apache-2.0 */
#include "samples.h"

static bool begins(const char *line, const char *with)
{
    return strncmp(line, with, strlen(with)) == 0;
}

/* # TYPE name counter: a histogram's samples are sums, too. */
static enum event_kind kind_of(const char *line)
{
    const char *type = strrchr(line, ' ');

    return type != NULL && strcmp(type, " gauge") == 0 ? EVENT_GAUGE : EVENT_SUM;
}

static bool ends(struct slice name, const char *with)
{
    size_t bytes = strlen(with);

    return name.bytes >= bytes && memcmp(name.data + name.bytes - bytes, with, bytes) == 0;
}

static struct slice unit_of(struct slice name)
{
    if (ends(name, "_bytes") || ends(name, "_bytes_total"))
        return SLICE("By");
    /* A bucket's and a count's value is a number of something, whatever is measured. */
    if (ends(name, "_seconds") || ends(name, "_seconds_total") || ends(name, "_seconds_sum"))
        return SLICE("s");
    return SLICE("1");
}

/* The text up to the closing quote, its escapes undone in place. NULL: there is none. */
static char *read_value(char *from, struct slice *ret)
{
    char *to = from, *at = from;

    for (; *at != '"'; at++) {
        if (*at == '\\' && at[1] != '\0')
            at++;
        if (*at == '\0')
            return NULL;
        *to++ = *at == 'n' && at[-1] == '\\' ? '\n' : *at;
    }
    *ret = (struct slice){ from, (size_t)(to - from) };
    return at + 1;
}

/* name="value",…} NULL: that is not what it is. */
static char *read_labels(struct event *event, char *at)
{
    while (*at != '}') {
        char *name = at;
        at = strstr(at, "=\"");
        if (at == NULL)
            return NULL;
        struct slice key = { name, (size_t)(at - name) };
        struct value value = { .kind = VALUE_TEXT };
        at = read_value(at + 2, &value.text);
        if (at == NULL)
            return NULL;
        event_set(event, key, value);
        if (*at == ',')
            at++;
    }
    return at + 1;
}

/* false: that is not what it is; the event has what was understood. */
static bool read_sample(struct event *event, char *line)
{
    char *at = line + strcspn(line, "{ "), *end;

    event->body = (struct slice){ line, (size_t)(at - line) };
    event->unit = unit_of(event->body);
    if (*at == '{')
        at = read_labels(event, at + 1);
    if (at == NULL || *at != ' ')
        return false;
    event->number = strtod(at + 1, &end);
    return end != at + 1 && (*end == '\0' || *end == ' ');
}

static bool is_sample(const char *line)
{
    return *line != '#' && strchr(line, ' ') != NULL;
}

size_t self_samples(struct sink *sink, char *text, int64_t now_ns, int64_t begin_ns)
{
    enum event_kind kind = EVENT_GAUGE;
    size_t not_understood = 0;
    char *next;

    for (char *line = strtok_r(text, "\n", &next); line != NULL;
         line = strtok_r(NULL, "\n", &next)) {
        if (begins(line, "# TYPE "))
            kind = kind_of(line);
        if (!is_sample(line))
            continue;
        struct event *event = sink_event(sink);
        event->kind = (uint8_t)kind;
        event->time_ns = now_ns;
        event->start_ns = kind == EVENT_SUM ? begin_ns : 0;
        not_understood += read_sample(event, line) ? 0 : 1;
    }
    return not_understood;
}
