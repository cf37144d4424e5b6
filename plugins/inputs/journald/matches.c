/* SPDX-License-Identifier: Apache-2.0 */
#include "matches.h"

#include <limits.h>

static int add_pair(sd_journal *journal, const char *field, const char *value)
{
    char match[NAME_MAX + 64];
    int bytes = snprintf(match, sizeof(match), "%s=%s", field, value);

    return bytes < 0 || (size_t)bytes >= sizeof(match)
               ? -ENAMETOOLONG
               : sd_journal_add_match(journal, match, (size_t)bytes);
}

/* Of the unit, or of systemd about it. */
static int match_units(sd_journal *journal, const struct text_list *units)
{
    int failed = 0;

    for (size_t i = 0; i < units->count && failed >= 0; i++) {
        if ((failed = add_pair(journal, "_SYSTEMD_UNIT", units->items[i])) < 0 ||
            (failed = sd_journal_add_disjunction(journal)) < 0 ||
            (failed = add_pair(journal, "_PID", "1")) < 0 ||
            (failed = add_pair(journal, "UNIT", units->items[i])) < 0)
            return failed;
        failed = sd_journal_add_disjunction(journal);
    }
    return failed < 0 || units->count == 0 ? failed : sd_journal_add_conjunction(journal);
}

int journal_add_matches(sd_journal *journal, const struct journald_config *config)
{
    int failed = match_units(journal, &config->units);

    for (size_t i = 0; i < config->identifiers.count && failed >= 0; i++)
        failed = add_pair(journal, "SYSLOG_IDENTIFIER", config->identifiers.items[i]);
    for (unsigned priority = 0; priority <= config->priority && config->priority < 7 && failed >= 0;
         priority++)
        failed = add_pair(journal, "PRIORITY", (char[]){ (char)('0' + priority), '\0' });
    for (size_t i = 0; i < config->matches.count && failed >= 0; i++)
        failed = sd_journal_add_match(journal, config->matches.items[i], 0);
    return failed;
}

bool journal_is_filtered(const struct journald_config *config)
{
    return config->units.count > 0 || config->identifiers.count > 0 || config->priority < 7 ||
           config->matches.count > 0;
}
