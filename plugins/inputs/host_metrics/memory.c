/* SPDX-License-Identifier: Apache-2.0 */
/* memory: /proc/meminfo, see proc(5). "used" is what cannot be had without swapping, total less
 * available, as the conventions say; so the states overlap and do not add up to the limit. */
#include "groups.h"

enum {
    MEMORY_TOTAL,
    MEMORY_FREE,
    MEMORY_AVAILABLE,
    MEMORY_BUFFERS,
    MEMORY_CACHED,
    MEMORY_RECLAIMABLE,
    MEMORY_ROWS
};

struct memory {
    uint64_t bytes[MEMORY_ROWS];
    bool has[MEMORY_ROWS];
};

static void read_line(struct memory *memory, struct slice line)
{
    static const struct slice names[MEMORY_ROWS] = {
        [MEMORY_TOTAL] = SLICE("MemTotal:"),         [MEMORY_FREE] = SLICE("MemFree:"),
        [MEMORY_AVAILABLE] = SLICE("MemAvailable:"), [MEMORY_BUFFERS] = SLICE("Buffers:"),
        [MEMORY_CACHED] = SLICE("Cached:"),          [MEMORY_RECLAIMABLE] = SLICE("SReclaimable:"),
    };
    struct slice word;
    uint64_t kib;

    if (!proc_take_word(&line, &word))
        return;
    for (unsigned i = 0; i < MEMORY_ROWS; i++) {
        if (slice_equals(word, names[i]) && proc_take_number(&line, &kib) &&
            !__builtin_mul_overflow(kib, UINT64_C(1024), &memory->bytes[i]))
            memory->has[i] = true;
    }
}

static void sample_state(struct round *round, const char *state, uint64_t bytes, uint64_t total)
{
    struct event *event =
        round_sample(round, "system.memory.usage", EVENT_UPDOWN, "By", (double)bytes);
    event_text(event, "system.memory.state", slice_of(state));
    event = round_sample(round, "system.memory.utilization", EVENT_GAUGE, "1",
                         (double)bytes / (double)total);
    event_text(event, "system.memory.state", slice_of(state));
}

static uint64_t less(uint64_t from, uint64_t bytes)
{
    return from > bytes ? from - bytes : 0;
}

bool group_memory(struct round *round, struct err *err)
{
    struct memory memory = { .has = { false } };
    const uint64_t *bytes = memory.bytes;
    struct slice text, line;

    if (!round_read(round, HOST_MEMINFO, &text, err))
        return false;
    while (proc_take_line(&text, &line))
        read_line(&memory, line);
    if (!memory.has[MEMORY_TOTAL] || !memory.has[MEMORY_FREE] || bytes[MEMORY_TOTAL] == 0)
        return err_set(err, "no MemTotal and MemFree in proc/meminfo");
    uint64_t total = bytes[MEMORY_TOTAL];
    uint64_t cached = bytes[MEMORY_CACHED] + bytes[MEMORY_RECLAIMABLE];
    uint64_t available = memory.has[MEMORY_AVAILABLE] /* Linux 3.14 */
                             ? bytes[MEMORY_AVAILABLE]
                             : bytes[MEMORY_FREE] + bytes[MEMORY_BUFFERS] + cached;
    sample_state(round, "used", less(total, available), total);
    sample_state(round, "free", bytes[MEMORY_FREE], total);
    sample_state(round, "buffers", bytes[MEMORY_BUFFERS], total);
    sample_state(round, "cached", cached, total);
    (void)round_sample(round, "system.memory.limit", EVENT_UPDOWN, "By", (double)total);
    (void)round_sample(round, "system.memory.linux.available", EVENT_UPDOWN, "By",
                       (double)available);
    return true;
}
