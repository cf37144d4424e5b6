/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a stream: in pieces of any size it gives the same records as whole, no record is
 * empty or too long, and all of it is memory safe, also where what is held is given up. The first
 * four bytes say how: framing, size of records, size of pieces, whether to give up. */
#include "net/framing.h"

#include "base/check.h"

#include <stdlib.h>

enum { HEAD = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

struct seen {
    const struct framing *framing;
    uint64_t sum, records, bytes;
};

static uint64_t mix(uint64_t sum, const void *data, size_t bytes)
{
    const unsigned char *at = data;

    for (size_t i = 0; i < bytes; i++)
        sum = (sum ^ at[i]) * UINT64_C(1099511628211);
    return sum;
}

static void see(void *context, const struct frame *frame)
{
    struct seen *seen = context;

    CHECK(frame->data.bytes > 0 && frame->data.bytes <= seen->framing->max_record_bytes);
    CHECK(frame->whole_bytes >= frame->data.bytes);
    seen->sum = mix(seen->sum, frame->data.data, frame->data.bytes);
    seen->sum = mix(seen->sum, &frame->whole_bytes, sizeof(frame->whole_bytes));
    seen->sum = mix(seen->sum, &frame->is_unfinished, sizeof(frame->is_unfinished));
    seen->records++;
    seen->bytes += frame->data.bytes;
}

/* Each piece in memory of its own, so that what is read beyond it is found. */
static struct seen feed(const struct framing *framing, const uint8_t *data, size_t bytes,
                        size_t piece, uint8_t spill)
{
    struct seen seen = { framing, UINT64_C(14695981039346656037), 0, 0 };
    struct framer framer = { .skip = 0 };
    char *hold = malloc(framing_hold_bytes(framing));
    size_t held = 0, pieces = 0;

    CHECK(hold != NULL);
    for (size_t at = 0; at < bytes && !framer.is_broken; at += piece, pieces++) {
        size_t fresh = bytes - at < piece ? bytes - at : piece;
        char *window = malloc(held + fresh);
        CHECK(window != NULL);
        memcpy(window, hold, held);
        memcpy(window + held, data + at, fresh);
        size_t taken =
            framing_take(framing, &framer, (struct slice){ window, held + fresh }, see, &seen);
        CHECK(taken <= held + fresh);
        struct slice rest = { window + taken, held + fresh - taken };
        held = 0;
        if (spill > 0 && pieces % spill == spill - 1U && rest.bytes > FRAMING_HELD_LEAST &&
            !framer.is_broken)
            framing_spill(framing, &framer, rest, see, &seen);
        else if (!framer.is_broken)
            held = framing_hold(framing, &framer, rest, hold);
        CHECK(held <= framing_hold_bytes(framing));
        free(window);
    }
    framing_end(framing, &framer, (struct slice){ hold, held }, true, see, &seen);
    free(hold);
    CHECK(seen.bytes <= bytes);
    return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const struct framing kinds[] = {
        { FRAMING_LINES, '\n', 0, 0 },  { FRAMING_LINES, '\0', 0, 0 }, { FRAMING_SYSLOG, 0, 0, 0 },
        { FRAMING_LENGTH, '\n', 2, 0 }, { FRAMING_LENGTH, 0, 4, 0 },
    };

    if (bytes <= HEAD)
        return 0;
    struct framing framing = kinds[data[0] % (sizeof(kinds) / sizeof(kinds[0]))];
    framing.max_record_bytes = 16 + data[1];
    size_t piece = 1U + data[2];
    struct seen whole = feed(&framing, data + HEAD, bytes - HEAD, bytes, 0);
    struct seen pieces = feed(&framing, data + HEAD, bytes - HEAD, piece, 0);
    CHECK(whole.sum == pieces.sum && whole.records == pieces.records);
    (void)feed(&framing, data + HEAD, bytes - HEAD, piece, data[3]);
    return 0;
}
