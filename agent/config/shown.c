/* SPDX-License-Identifier: Apache-2.0 */
#include "config/shown.h"

#include <stdio.h>

static size_t find_byte(const char *text, size_t bytes, char byte)
{
    const char *found = memchr(text, byte, bytes);
    return found == NULL ? bytes : (size_t)(found - text);
}

void shown_add_text(struct buf *ret, const char *text)
{
    const char *scheme = strstr(text, "://");

    if (scheme == NULL) {
        (void)buf_add_text(ret, text);
        return;
    }
    const char *host = scheme + 3;
    size_t host_bytes = strcspn(host, "/?#");
    size_t user_bytes = find_byte(host, host_bytes, '@');
    bool has_user = user_bytes < host_bytes;
    const char *rest = has_user ? host + user_bytes : host;
    size_t rest_bytes = strcspn(rest, "?#");

    (void)buf_add(ret, text, (size_t)(host - text));
    (void)buf_add_text(ret, has_user ? SHOWN_HIDDEN : "");
    (void)buf_add(ret, rest, rest_bytes);
    (void)buf_add_text(ret, rest[rest_bytes] == '\0' ? "" : "?" SHOWN_HIDDEN);
}

const char *shown_choice(const struct option *option, unsigned choice,
                         char ret_name[SHOWN_CHOICE_BYTES])
{
    const char *name = option->min;

    for (; choice > 0 && strchr(name, '|') != NULL; choice--)
        name = strchr(name, '|') + 1;
    (void)snprintf(ret_name, SHOWN_CHOICE_BYTES, "%.*s", (int)strcspn(name, "|"), name);
    return ret_name;
}

const char *shown_duration(int64_t duration_ms, char ret_text[SHOWN_DURATION_BYTES])
{
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = { { "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 } };
    size_t unit = 0;

    if (duration_ms == 0)
        return strcpy(ret_text, "0s");
    while (duration_ms % units[unit].ms != 0)
        unit++;
    (void)snprintf(ret_text, SHOWN_DURATION_BYTES, "%lld%s",
                   (long long)(duration_ms / units[unit].ms), units[unit].name);
    return ret_text;
}

static void add_own_text(struct buf *ret, const char *text, bool is_secret)
{
    if (text[0] == '\0')
        (void)buf_add_text(ret, "\"\"");
    else
        shown_add_text(ret, is_secret ? SHOWN_HIDDEN : text);
}

static void add_list(struct buf *ret, const struct text_list *list)
{
    (void)buf_add_text(ret, "[");
    for (size_t i = 0; i < list->count; i++) {
        (void)buf_add_text(ret, i == 0 ? "" : ", ");
        shown_add_text(ret, list->items[i]);
    }
    (void)buf_add_text(ret, "]");
}

static void add_map(struct buf *ret, const struct text_map *map, bool is_secret)
{
    (void)buf_add_text(ret, "{");
    for (size_t i = 0; i < map->count; i++) {
        (void)buf_printf(ret, "%s%s: ", i == 0 ? "" : ", ", map->items[i].key);
        shown_add_text(ret, is_secret ? SHOWN_HIDDEN : map->items[i].value);
    }
    (void)buf_add_text(ret, "}");
}

void shown_add_value(struct buf *ret, const struct option *option, const void *value)
{
    char size[SIZE_TEXT_BYTES], choice[SHOWN_CHOICE_BYTES], duration[SHOWN_DURATION_BYTES];

    switch (option->type) {
    case OPT_text:
        add_own_text(ret, *(const char *const *)value, false);
        return;
    case OPT_secret:
        add_own_text(ret, *(const char *const *)value, true);
        return;
    case OPT_flag:
        (void)buf_add_text(ret, *(const bool *)value ? "yes" : "no");
        return;
    case OPT_count:
        (void)buf_printf(ret, "%llu", (unsigned long long)*(const uint64_t *)value);
        return;
    case OPT_rate:
        (void)buf_printf(ret, "%llu/s", (unsigned long long)*(const uint64_t *)value);
        return;
    case OPT_size:
        (void)buf_add_text(ret, schema_size_text(*(const uint64_t *)value, size));
        return;
    case OPT_duration:
        (void)buf_add_text(ret, shown_duration(*(const int64_t *)value, duration));
        return;
    case OPT_share:
    case OPT_keep:
        if (*(const double *)value == KEEP_ADAPTIVE)
            (void)buf_add_text(ret, "adaptive");
        else
            (void)buf_printf(ret, "%g%%", *(const double *)value * 100);
        return;
    case OPT_list:
        add_list(ret, value);
        return;
    case OPT_map:
    case OPT_secrets:
        add_map(ret, value, option->type == OPT_secrets);
        return;
    case OPT_choice:
        (void)buf_add_text(ret, shown_choice(option, *(const unsigned *)value, choice));
        return;
    }
}
