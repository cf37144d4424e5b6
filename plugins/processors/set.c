/* SPDX-License-Identifier: Apache-2.0 */
/* set: sets and removes attributes, and sets the severity. Removing comes first, so that a key may
 * be in both. Runs in the reading's thread. */
#include "plugin.h"

enum { SEVERITY_NAMES = 7, SEVERITY_UNCHANGED = 0, STEPS_A_LEVEL = 4 };
/* The names are those of OpenTelemetry's SeverityNumber ranges, in their order. */
#define SET_OPTIONS(X, T)                                                                          \
    X(T, attributes, map, "", ANY, ANY, "Attributes to set; those that are there are replaced")    \
    X(T, remove, list, "", ANY, ANY, "Keys of attributes to remove, before the others are set")    \
    X(T, severity, choice, "unchanged", "unchanged|trace|debug|info|warn|error|fatal", ANY,        \
      "Severity number and text to set")
DECLARE_OPTIONS(set_config, SET_OPTIONS);

struct set {
    const struct set_config *config;
};

static bool set_check(const void *config, struct err *err)
{
    const struct set_config *cfg = config;

    if (cfg->attributes.count == 0 && cfg->remove.count == 0 && cfg->severity == SEVERITY_UNCHANGED)
        return err_set(err, "nothing to do: give attributes, remove or severity");
    return true;
}

static bool set_open(void *state, const void *config, struct err *err)
{
    struct set *set = state;

    (void)err;
    set->config = config;
    return true;
}

static void remove_attribute(struct event *event, struct slice key)
{
    uint16_t kept = 0;

    for (uint16_t i = 0; i < event->attribute_count; i++) {
        if (!slice_equals(event->attributes[i].key, key))
            event->attributes[kept++] = event->attributes[i];
    }
    event->attribute_count = kept;
}

static void set_severity(struct event *event, unsigned severity)
{
    static const struct slice names[SEVERITY_NAMES] = {
        { "", 0 },     SLICE("TRACE"), SLICE("DEBUG"), SLICE("INFO"),
        SLICE("WARN"), SLICE("ERROR"), SLICE("FATAL"),
    };

    if (severity == SEVERITY_UNCHANGED)
        return;
    event->severity = (uint8_t)(SEVERITY_TRACE + (severity - 1) * STEPS_A_LEVEL);
    event->severity_text = names[severity];
}

static enum processed set_process(void *state, struct event *event)
{
    const struct set_config *cfg = ((const struct set *)state)->config;

    for (size_t i = 0; i < cfg->remove.count; i++)
        remove_attribute(event, slice_of(cfg->remove.items[i]));
    for (size_t i = 0; i < cfg->attributes.count; i++) {
        const struct text_pair *pair = &cfg->attributes.items[i];
        event_set(event, slice_of(pair->key),
                  (struct value){ .kind = VALUE_TEXT, .text = slice_of(pair->value) });
    }
    set_severity(event, cfg->severity);
    return PROCESS_KEEP;
}

const struct processor processor_set = {
    .type = { PLUGIN_TYPE("set", "Sets and removes attributes, sets the severity", set_config, set),
              .check = set_check },
    .open = set_open,
    .process = set_process,
};
