/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/tap_filter.h"

#include "flow/field_key.h"

#include <stdio.h>
#include <string.h>

bool tap_filter_parse(const char *written, struct tap_filter *ret, struct err *err)
{
    const char *sign = strchr(written, '=');
    struct tap_filter filter = { .is_negated = false };

    if (sign == NULL || sign == written)
        return err_set(err, "'%.80s' is not FIELD=TEXT", written);
    filter.is_negated = sign[-1] == '!';
    size_t field_bytes = (size_t)(sign - written) - (filter.is_negated ? 1 : 0);
    if (field_bytes == 0 || field_bytes >= sizeof(filter.field))
        return err_set(err, "'%.80s': the field is empty or too long", written);
    if (strlen(sign + 1) >= sizeof(filter.text))
        return err_set(err, "'%.80s': the text is longer than %d bytes", written,
                       TAP_TEXT_BYTES - 1);
    (void)snprintf(filter.field, sizeof(filter.field), "%.*s", (int)field_bytes, written);
    (void)snprintf(filter.text, sizeof(filter.text), "%s", sign + 1);
    *ret = filter;
    return true;
}

/* The parts between the stars, each behind the one before: the first place that fits is as good as
 * any, so nothing is ever tried twice. */
static bool contains(struct slice text, struct slice pattern)
{
    for (;;) {
        const char *star = memchr(pattern.data, '*', pattern.bytes);
        size_t part = star == NULL ? pattern.bytes : (size_t)(star - pattern.data);
        if (part > 0) {
            const char *found = memmem(text.data, text.bytes, pattern.data, part);
            if (found == NULL)
                return false;
            text.bytes -= (size_t)(found - text.data) + part;
            text.data = found + part;
        }
        if (star == NULL)
            return true;
        pattern = (struct slice){ star + 1, pattern.bytes - part - 1 };
    }
}

bool tap_filter_matches(const struct tap_filter *filter, const struct event *event)
{
    const struct slice field = { filter->field, strlen(filter->field) };
    const struct slice pattern = { filter->text, strlen(filter->text) };
    char room[FIELD_KEY_BYTES];
    struct slice text = field_key_text(event, field, room);

    if (text.bytes == 0)
        return filter->is_negated;
    return contains(text, pattern) != filter->is_negated;
}
