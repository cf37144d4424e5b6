/* SPDX-License-Identifier: Apache-2.0 */
/* settings_shed: what the options of lane.shed must agree on. An option that would have no effect
 * is told: somebody wrote it to have one. */
#include "config/settings_check.h"

#include <stdio.h>

#define HIGH_WHEN_USED 0.8
#define KEEP_LEAST 0.001

static bool is_written(const struct loader *loader, size_t input, const char *user_name)
{
    return reader_find(loader->inputs[input].node, user_name) != NULL;
}

static void complain(struct loader *loader, size_t input, const char *option, const char *text)
{
    const struct settings_part *part = &loader->settings->inputs[input];

    (void)diagnostics_add(&loader->diagnostics,
                          settings_place(part, &loader->inputs[input], option), "inputs.%s.%s: %s",
                          part->name, option, text);
}

static void check_marks(struct loader *loader, size_t input)
{
    struct settings_part *part = &loader->settings->inputs[input];
    struct input_options *lane = &part->input;

    if (is_written(loader, input, "lane.shed") && !is_written(loader, input, "lane.shed.high"))
        lane->lane__shed__high = HIGH_WHEN_USED;
    if (lane->lane__shed__high < 1 && lane->lane__shed__low >= lane->lane__shed__high)
        (void)diagnostics_add(
            &loader->diagnostics, settings_place(part, &loader->inputs[input], "lane.shed.low"),
            "inputs.%s.lane.shed.low: %g%% must be below lane.shed.high, %g%%", part->name,
            lane->lane__shed__low * 100, lane->lane__shed__high * 100);
}

static void check_keep(struct loader *loader, size_t input)
{
    const struct input_options *lane = &loader->settings->inputs[input].input;
    double keep = lane->lane__shed__keep;

    if (keep > 0 && keep < KEEP_LEAST)
        complain(loader, input, "lane.shed.keep",
                 "is below 0.1%: an event can stand for a thousand, not for more; 0% keeps none");
    if (lane->lane__shed__mode == SHED_OPTION_SEVERITY && keep >= 0 &&
        is_written(loader, input, "lane.shed.keep"))
        complain(
            loader, input, "lane.shed.keep",
            "with mode severity the shares are those of lane.shed.severity: write adaptive, or "
            "take the key out");
}

static void check_key(struct loader *loader, size_t input)
{
    const struct input_options *lane = &loader->settings->inputs[input].input;
    bool is_by_key = lane->lane__shed__mode == SHED_OPTION_KEY;

    if (is_by_key && lane->lane__shed__key[0] == '\0')
        complain(loader, input, "lane.shed.mode",
                 "key needs lane.shed.key: the field whose events go together, trace_id for "
                 "instance");
    if (!is_by_key && is_written(loader, input, "lane.shed.key"))
        complain(loader, input, "lane.shed.key", "needs lane.shed.mode: key");
}

static void check_noisiest(struct loader *loader, size_t input)
{
    const struct input_options *lane = &loader->settings->inputs[input].input;

    if (lane->lane__shed__mode == SHED_OPTION_NOISIEST && lane->lane__classes__by[0] == '\0')
        complain(loader, input, "lane.shed.mode",
                 "noisiest needs classes to compare: set lane.classes.by");
}

static void check_severity(struct loader *loader, size_t input)
{
    static const char *const names[] = { "trace", "debug", "info", "warn", "error", "fatal" };
    const struct settings_part *part = &loader->settings->inputs[input];
    const struct input_options *lane = &part->input;
    const double shares[] = {
        lane->lane__shed__severity__trace, lane->lane__shed__severity__debug,
        lane->lane__shed__severity__info,  lane->lane__shed__severity__warn,
        lane->lane__shed__severity__error, lane->lane__shed__severity__fatal
    };

    if (lane->lane__shed__mode != SHED_OPTION_SEVERITY) {
        if (is_written(loader, input, "lane.shed.severity"))
            complain(loader, input, "lane.shed.severity", "needs lane.shed.mode: severity");
        return;
    }
    for (size_t i = 1; i < sizeof(shares) / sizeof(shares[0]); i++) {
        char less[64], more[64];
        if (shares[i] >= shares[i - 1])
            continue;
        (void)snprintf(less, sizeof(less), "lane.shed.severity.%s", names[i - 1]);
        (void)snprintf(more, sizeof(more), "lane.shed.severity.%s", names[i]);
        /* At the one that is written: the other may be a default. */
        const char *at = is_written(loader, input, more) ? more : less;
        (void)diagnostics_add(
            &loader->diagnostics, settings_place(part, &loader->inputs[input], at),
            "inputs.%s.%s: %s keeps %g%% and %s only %g%%: the more severe must not keep less",
            part->name, at, names[i - 1], shares[i - 1] * 100, names[i], shares[i] * 100);
    }
}

void settings_check_shed(struct loader *loader, size_t input)
{
    check_marks(loader, input);
    check_keep(loader, input);
    check_key(loader, input);
    check_noisiest(loader, input);
    check_severity(loader, input);
}
