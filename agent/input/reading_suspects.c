/* SPDX-License-Identifier: Apache-2.0 */
/* reading_suspects: what starts before this one died of, as the books tell, is not offered again:
 * events that were in hand (ledger/suspect.h), and a record that was no event yet
 * (ledger/fatal_record.h). */
#include "input/reading_state.h"

struct numbers *reading_suspect_numbers(const struct reading *reading)
{
    const struct sink *sink = &reading->sink;

    if (!sink->rereadable || sink->lane_count == 0)
        return NULL;
    return ledger_lane_numbers(lane_books(sink->lanes[0]));
}

static void set_record_aside(struct reading *reading, const struct numbers *numbers)
{
    const struct reading_config *config = &reading->config;
    struct fatal *fatal = &reading->sink.fatal;
    uint64_t crashes = numbers_get(numbers, NUMBER_record_crashes);

    if (crashes < SET_ASIDE_AFTER)
        return;
    fatal->place = (struct fatal_place){ numbers_get(numbers, NUMBER_record_source),
                                         numbers_get(numbers, NUMBER_record_from),
                                         numbers_get(numbers, NUMBER_record_to) };
    set_aside_begin(&fatal->aside, config->state_dir, config->input, config->output, UINT64_MAX);
    LOG(LOG_ERROR, "the agent crashed again and again on a record, setting that aside",
        LS("input", config->input), LS("output", config->output), LU("crashes", crashes),
        LU("from", fatal->place.from), LU("to", fatal->place.to), LS("path", fatal->aside.path));
}

static void set_events_aside(struct reading *reading, const struct numbers *numbers)
{
    const struct reading_config *config = &reading->config;
    struct set_aside *aside = &reading->sink.aside;
    uint64_t crashes = numbers_get(numbers, NUMBER_crashes);
    uint64_t events = numbers_get(numbers, NUMBER_suspect_events);

    if (crashes < SET_ASIDE_AFTER || events == 0)
        return;
    set_aside_begin(aside, config->state_dir, config->input, config->output, events);
    LOG(LOG_ERROR, "the agent crashed again and again on what it read, setting that aside",
        LS("input", config->input), LS("output", config->output), LU("crashes", crashes),
        LU("events", events), LS("path", aside->path));
}

void reading_set_suspects_aside(struct reading *reading)
{
    const struct numbers *numbers = reading_suspect_numbers(reading);

    if (numbers == NULL)
        return;
    set_events_aside(reading, numbers);
    set_record_aside(reading, numbers);
}

/* Not before: until then the next start would come to it again. */
void reading_forget_record(struct reading *reading)
{
    static const enum number numbers[] = { NUMBER_record_crashes, NUMBER_record_source,
                                           NUMBER_record_from, NUMBER_record_to };
    struct numbers *lane = reading_suspect_numbers(reading);

    if (lane == NULL || !reading->sink.fatal.is_behind ||
        receipts_count(reading->sink.receipts) > 0)
        return;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        numbers_set(lane, numbers[i], 0);
    reading->sink.fatal.is_done = reading->sink.fatal.is_behind = false;
}
