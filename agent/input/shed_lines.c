/* SPDX-License-Identifier: Apache-2.0 */
#include "input/shed_lines.h"

#include "base/log.h"

#include <stdio.h>

/* "debug=120 info=40": of which severities it was. */
static void write_bands(const struct lane_news *news, char *text, size_t room)
{
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < BANDS && used < room; i++) {
        if (news->shed_by_band[i] > 0)
            used += (size_t)snprintf(text + used, room - used, "%s%s=%llu", used == 0 ? "" : " ",
                                     severity_bands[i], (unsigned long long)news->shed_by_band[i]);
    }
}

void shed_lines_write(const char *input, const char *output, struct lane_news *news)
{
    char bands[BANDS * 32];

    write_bands(news, bands, sizeof(bands));
    if (news->shed == SHED_STARTED)
        LOG(LOG_INFO, "shedding started", LS("input", input), LS("output", output),
            LR("fill", news->fill), LU("events", news->depth.events),
            LU("bytes", news->depth.bytes), LR("high", news->high), LR("low", news->low),
            LR("keep", news->keep));
    else if (news->shed == SHED_STOPPED)
        LOG(LOG_INFO, "shedding stopped", LS("input", input), LS("output", output),
            LR("fill", news->fill), LU("events", news->depth.events),
            LU("bytes", news->depth.bytes), LR("high", news->high), LR("low", news->low),
            LU("shed_events", news->shed_amount.events), LU("shed_bytes", news->shed_amount.bytes),
            LS("shed_by_severity", bands), LI("after_ms", news->shed_ms));
    news->shed = SHED_SAME;
}
