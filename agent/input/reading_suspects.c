/* SPDX-License-Identifier: Apache-2.0 */
/* reading_suspects: what starts before this one died of, as the books tell, is not offered again:
 * one record or event (ledger/fatal_record.h), or where nobody knows which one, all that was in
 * hand (ledger/suspect.h): that only of what is read from the same place again. */
#include "input/reading_state.h"

struct numbers *reading_suspect_numbers(const struct reading *reading)
{
    const struct sink *sink = &reading->sink;

    return sink->lane_count == 0 ? NULL : ledger_lane_numbers(lane_books(sink->lanes[0]));
}

/* As the books of that lane tell, of which there are several for what cannot be read again. */
static void set_record_aside(struct reading *reading, size_t lane)
{
    const struct reading_config *config = &reading->config;
    const struct numbers *numbers = ledger_lane_numbers(lane_books(reading->sink.lanes[lane]));
    const char *output = reading->sink.lane_outputs[lane];
    struct fatal *fatal = &reading->sink.fatal;
    uint64_t crashes = numbers_get(numbers, NUMBER_record_crashes);

    if (crashes < SET_ASIDE_AFTER || fatal->place.from != fatal->place.to)
        return;
    fatal->place = (struct fatal_place){ numbers_get(numbers, NUMBER_record_source),
                                         numbers_get(numbers, NUMBER_record_from),
                                         numbers_get(numbers, NUMBER_record_to) };
    set_aside_begin(&fatal->aside, config->state_dir, config->input, output, UINT64_MAX);
    LOG(LOG_ERROR, "the agent crashed again and again on a record, setting that aside",
        LS("input", config->input), LS("output", output), LU("crashes", crashes),
        LU("from", fatal->place.from), LU("to", fatal->place.to), LS("path", fatal->aside.path));
}

static void set_events_aside(struct reading *reading)
{
    const struct reading_config *config = &reading->config;
    const struct numbers *numbers = reading_suspect_numbers(reading);
    struct set_aside *aside = &reading->sink.aside;
    uint64_t crashes = numbers_get(numbers, NUMBER_crashes);
    uint64_t events = numbers_get(numbers, NUMBER_suspect_events);

    if (!reading->sink.rereadable || crashes < SET_ASIDE_AFTER || events == 0)
        return;
    set_aside_begin(aside, config->state_dir, config->input, config->output, events);
    LOG(LOG_ERROR, "the agent crashed again and again on what it read, setting that aside",
        LS("input", config->input), LS("output", config->output), LU("crashes", crashes),
        LU("events", events), LS("path", aside->path));
}

void reading_set_suspects_aside(struct reading *reading)
{
    set_events_aside(reading);
    for (size_t i = 0; i < reading->sink.lane_count; i++)
        set_record_aside(reading, i);
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
    reading->sink.fatal.is_behind = false;
}
