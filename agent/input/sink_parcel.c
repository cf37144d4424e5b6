/* SPDX-License-Identifier: Apache-2.0 */
/* sink_parcel: one request of a sender, admitted by all lanes of the reading or by none. Each lane
 * is asked run by run, and all are told at the end, in turn: no two locks are held, and telling
 * cannot fail. What processors drop is counted at the end too: of a parcel that is not taken
 * nothing is counted, its sender has it still. */
#include "base/check.h"
#include "input/shed_lines.h"
#include "input/sink.h"

bool sink_parcel_begin(struct sink *sink, uint64_t id)
{
    struct sink_parcel *parcel = &sink->parcel;
    int64_t boot_ms = clock_boot_ms();

    CHECK(sink->magic == SINK_MAGIC && !parcel->is_open && sink->count == 0);
    *parcel = (struct sink_parcel){ .id = id, .verdict = PARCEL_TAKEN };
    if (id != 0) {
        CHECK(sink->receipts != NULL);
        parcel->receipt = receipts_open(sink->receipts);
        if (parcel->receipt == NULL)
            return false;
    }
    parcel->is_open = true;
    for (size_t i = 0; i < sink->lane_count; i++)
        lane_parcel_open(sink->lanes[i], boot_ms);
    return true;
}

/* Into all lanes, while none has said no. */
static void add_part(struct sink *sink)
{
    struct sink_parcel *parcel = &sink->parcel;

    sink_show(sink, TAP_PROCESSED);
    struct run_info run = { parcel->receipt, sink->resource, clock_boot_ms() };
    for (size_t i = 0; i < sink->lane_count && parcel->verdict == PARCEL_TAKEN; i++) {
        switch (lane_parcel_add(sink->lanes[i], sink->events, sink->count, &run)) {
        case LANE_FITS:
            break;
        case LANE_FULL:
            parcel->verdict = PARCEL_FULL;
            break;
        case LANE_NEVER:
            parcel->verdict = PARCEL_TOO_LARGE;
            break;
        }
    }
}

void sink_parcel_put(struct sink *sink)
{
    struct sink_parcel *parcel = &sink->parcel;

    if (parcel->verdict != PARCEL_TAKEN)
        return;
    struct amount aside = sink_take_fatal(sink);
    parcel->aside.events += aside.events;
    parcel->aside.bytes += aside.bytes;
    if (sink->count > 0)
        sink_process(sink, &parcel->filtered, &parcel->malformed, add_part);
}

bool sink_parcel_fails(const struct sink *sink)
{
    return sink->parcel.verdict != PARCEL_TAKEN;
}

static void end_receipt(struct sink *sink, bool keep)
{
    struct sink_parcel *parcel = &sink->parcel;

    if (parcel->receipt == NULL)
        return;
    if (keep)
        receipts_hold_done(sink->receipts, parcel->receipt, &parcel->id, sizeof(parcel->id));
    else
        receipts_cancel(sink->receipts, parcel->receipt);
    parcel->receipt = NULL;
}

enum parcel sink_parcel_end(struct sink *sink, bool keep, uint64_t *ret_refused)
{
    struct sink_parcel *parcel = &sink->parcel;
    uint64_t oversize = 0;

    CHECK(parcel->is_open);
    (void)sink_flush(sink);
    keep = keep && parcel->verdict == PARCEL_TAKEN;
    for (size_t i = 0; i < sink->lane_count; i++) {
        struct lane_news news = { .shed = SHED_SAME };
        uint64_t in_lane = lane_parcel_close(sink->lanes[i], parcel->receipt, keep,
                                             parcel->verdict == PARCEL_FULL, &news);
        oversize = in_lane > oversize ? in_lane : oversize;
        shed_lines_write(sink->input, sink->lane_outputs[i], &news);
    }
    if (keep) {
        sink_count(sink, FLOW_filter, parcel->filtered);
        sink_count(sink, FLOW_malformed, parcel->malformed);
        sink_count(sink, FLOW_quarantine_read, parcel->aside);
        *ret_refused = parcel->malformed.events + parcel->aside.events + oversize;
    }
    end_receipt(sink, keep);
    parcel->is_open = false;
    return parcel->verdict;
}
