/* SPDX-License-Identifier: Apache-2.0 */
#include "config/capacity.h"

static struct capacity_store store(uint64_t bytes, double event_bytes, double rate_per_s)
{
    struct capacity_store made = { .bytes = bytes };

    if (event_bytes > 0)
        made.events = (uint64_t)((double)bytes / event_bytes);
    if (rate_per_s > 0)
        made.seconds = (double)made.events / rate_per_s;
    return made;
}

struct lane_capacity capacity_of_lane(const struct settings_part *input,
                                      const struct capacity_load *load)
{
    const struct input_options *options = &input->input;

    return (struct lane_capacity){
        .lane = store(input->lane_bytes, (double)load->record_bytes, (double)load->rate_per_s),
        .waits = options->lane__overflow == OVERFLOW_BLOCK && options->lane__block_for == 0,
    };
}

struct output_capacity capacity_of_output(const struct settings *settings, size_t output,
                                          const struct capacity_load *load)
{
    const struct settings_part *part = &settings->outputs[output];
    bool compresses = part->output.compression != COMPRESSION_NONE;
    double event_bytes = (double)load->encoded_bytes / (compresses ? load->ratio : 1);
    double rate = (double)load->rate_per_s * (double)part->link_count;
    double first_full_s = 0, last_full_s = 0;
    struct output_capacity made = {
        .sealed = store(settings->sealed_bytes[output], event_bytes, rate),
        .spool = store(part->output.spool__max_bytes, event_bytes, rate),
        .dead_letter_bytes =
            part->output.dead_letter__path[0] == '\0' ? 0 : part->output.dead_letter__max_bytes,
    };

    for (size_t i = 0; i < part->link_count; i++) {
        struct lane_capacity lane = capacity_of_lane(&settings->inputs[part->links[i]], load);
        made.lane_bytes += lane.lane.bytes;
        made.waiting += lane.waits ? 1 : 0;
        if (i == 0 || lane.lane.seconds < first_full_s)
            first_full_s = lane.lane.seconds;
        if (lane.lane.seconds > last_full_s)
            last_full_s = lane.lane.seconds;
    }
    made.worst_wait_s = last_full_s + made.sealed.seconds;
    made.outage_s = first_full_s + made.spool.seconds;
    return made;
}
