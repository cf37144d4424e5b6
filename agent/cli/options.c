/* SPDX-License-Identifier: Apache-2.0 */
/* options: the configuration's own parsers, so that both take the same words. */
#include "cli/options.h"

#include "base/check.h"
#include "config/settings_options.h"

#include <ctype.h>

enum { NAME_BYTES = 32 };

static bool parse(const char *option, enum option_type type, const char *text, void *ret,
                  struct err *err)
{
    const char *most = type == OPT_share ? "100%" : ANY;
    const struct option row = { .key = option, .type = type, .max = most };
    struct err why;

    return schema_parse(&row, text, text, ret, &why) || err_set(err, "%s: %s", option, why.text);
}

bool options_count(const char *option, const char *text, uint64_t *ret, struct err *err)
{
    return parse(option, OPT_count, text, ret, err);
}

bool options_size(const char *option, const char *text, uint64_t *ret_bytes, struct err *err)
{
    return parse(option, OPT_size, text, ret_bytes, err);
}

bool options_duration(const char *option, const char *text, int64_t *ret_ms, struct err *err)
{
    return parse(option, OPT_duration, text, ret_ms, err);
}

bool options_share(const char *option, const char *text, double *ret, struct err *err)
{
    return parse(option, OPT_share, text, ret, err);
}

bool options_rate(const char *option, const char *text, uint64_t *ret_per_s, struct err *err)
{
    return parse(option, OPT_rate, text, ret_per_s, err);
}

bool options_name_is_valid(struct slice name)
{
    for (size_t i = 0; i < name.bytes; i++) {
        if (!isalnum((unsigned char)name.data[i]) && name.data[i] != '_' && name.data[i] != '-')
            return false;
    }
    return name.bytes > 0 && name.bytes <= NAME_BYTES;
}

const char *options_agent_default(const char *key)
{
    const struct option *option = agent_options_options;

    while (option->key != NULL && strcmp(option->key, key) != 0)
        option++;
    CHECK(option->key != NULL);
    return option->preset;
}
