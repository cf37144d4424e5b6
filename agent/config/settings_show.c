/* SPDX-License-Identifier: Apache-2.0 */
#include "config/settings_show.h"
#include "config/schema_names.h"

#include "base/check.h"
#include "base/err.h"
#include "base/json_add.h"
#include "config/shown.h"

#include <string.h>

/* ---- texts ---- */

static void add_shown_text(struct buf *ret, const char *key, const char *text)
{
    struct buf shown = { .limit = 8192 };

    shown_add_text(&shown, text);
    json_add_text(ret, key, shown.failed ? SHOWN_HIDDEN : buf_slice(&shown).data);
    buf_fini(&shown);
}

static void add_list(struct buf *ret, const struct text_list *list)
{
    json_open(ret, "value", '[');
    for (size_t i = 0; i < list->count; i++)
        add_shown_text(ret, NULL, list->items[i]);
    json_close(ret, ']');
}

/* Keys are the user's: they are escaped as texts are. */
static void add_map(struct buf *ret, const struct text_map *map, bool is_secret)
{
    json_open(ret, "value", '{');
    for (size_t i = 0; i < map->count; i++) {
        struct buf value = { 0 };
        add_shown_text(&value, NULL, is_secret ? SHOWN_HIDDEN : map->items[i].value);
        json_add_text(ret, NULL, map->items[i].key);
        (void)buf_printf(ret, ":%s", buf_slice(&value).data);
        ret->failed = ret->failed || value.failed;
        buf_fini(&value);
    }
    json_close(ret, '}');
}

/* ---- one option ---- */

static void add_real(struct buf *ret, double real)
{
    if (real == KEEP_ADAPTIVE)
        json_add_text(ret, "value", "adaptive");
    else
        json_add_real(ret, "value", real);
}

static void add_value(struct buf *ret, const struct option *option, const void *value)
{
    char choice[SHOWN_CHOICE_BYTES];

    switch (option->type) {
    case OPT_text:
        add_shown_text(ret, "value", *(const char *const *)value);
        return;
    case OPT_secret:
        json_add_text(ret, "value", (*(const char *const *)value)[0] == '\0' ? "" : SHOWN_HIDDEN);
        return;
    case OPT_flag:
        json_add_flag(ret, "value", *(const bool *)value);
        return;
    case OPT_count:
        json_add_count(ret, "value", *(const uint64_t *)value);
        return;
    case OPT_rate:
        json_add_count(ret, "value", *(const uint64_t *)value);
        json_add_text(ret, "unit", "per second");
        return;
    case OPT_size:
        json_add_count(ret, "value", *(const uint64_t *)value);
        json_add_text(ret, "unit", "bytes");
        return;
    case OPT_duration:
        json_add_integer(ret, "value", *(const int64_t *)value);
        json_add_text(ret, "unit", "ms");
        return;
    case OPT_share:
    case OPT_keep:
        add_real(ret, *(const double *)value);
        return;
    case OPT_list:
        add_list(ret, value);
        return;
    case OPT_map:
    case OPT_secrets:
        add_map(ret, value, option->type == OPT_secrets);
        return;
    case OPT_choice:
        json_add_text(ret, "value", shown_choice(option, *(const unsigned *)value, choice));
        return;
    }
}

union preset {
    const char *text;
    bool flag;
    uint64_t whole;
    int64_t duration_ms;
    double share;
    unsigned choice;
};

/* A list with one item is compared with its preset, a longer one is the user's. */
static bool is_default_list(const struct option *option, const struct text_list *list)
{
    if (option->preset[0] == '\0')
        return list->count == 0;
    return list->count == 1 && strcmp(list->items[0], option->preset) == 0;
}

static bool is_default(const struct option *option, const void *value)
{
    union preset preset = { .whole = 0 };
    struct err unused;

    if (option->preset == REQUIRED)
        return false;
    if (option->type == OPT_list)
        return is_default_list(option, value);
    if (option->type == OPT_map || option->type == OPT_secrets)
        return ((const struct text_map *)value)->count == 0;
    CHECK(schema_parse(option, option->preset, option->preset, &preset, &unused));
    switch (option->type) {
    case OPT_text:
    case OPT_secret:
        return strcmp(*(const char *const *)value, preset.text) == 0;
    case OPT_flag:
        return *(const bool *)value == preset.flag;
    case OPT_share:
    case OPT_keep:
        return *(const double *)value == preset.share;
    case OPT_choice:
        return *(const unsigned *)value == preset.choice;
    case OPT_count:
    case OPT_rate:
    case OPT_size:
    case OPT_duration:
    case OPT_list:
    case OPT_map:
    case OPT_secrets:
        break;
    }
    return *(const uint64_t *)value == preset.whole;
}

/* ---- all ---- */

static void add_table(struct buf *ret, const struct option *option, const void *config)
{
    for (; option->key != NULL; option++) {
        const void *value = (const char *)config + option->offset;
        char name[256];
        schema_user_name(option, name, sizeof(name));
        json_open(ret, name, '{');
        add_value(ret, option, value);
        json_add_flag(ret, "default", is_default(option, value));
        json_close(ret, '}');
    }
}

static void add_parts(struct buf *ret, const char *title, const struct option *common,
                      const struct settings_part *parts, size_t count)
{
    json_open(ret, title, '{');
    for (size_t i = 0; i < count; i++) {
        json_open(ret, parts[i].name, '{'); /* letters, digits, '_', '.' and '-' */
        add_table(ret, common, &parts[i].input);
        add_table(ret, parts[i].type->options, parts[i].config);
        json_close(ret, '}');
    }
    json_close(ret, '}');
}

bool settings_show(const struct settings *settings, struct buf *ret)
{
    json_open(ret, NULL, '{');
    json_add_count(ret, "format", SETTINGS_SHOW_FORMAT);
    json_add_text(ret, "hash", settings->hash);
    json_open(ret, "agent", '{');
    add_table(ret, agent_options_options, &settings->agent);
    json_close(ret, '}');
    add_parts(ret, "inputs", input_options_options, settings->inputs, settings->input_count);
    add_parts(ret, "processors", processor_options_options, settings->processors,
              settings->processor_count);
    add_parts(ret, "outputs", output_options_options, settings->outputs, settings->output_count);
    json_close(ret, '}');
    return buf_add_text(ret, "\n");
}
