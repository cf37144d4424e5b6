/* SPDX-License-Identifier: Apache-2.0 */
#include "net/framing.h"

#include "base/check.h"

enum { SYSLOG_DIGITS = 8, SYSLOG_BYTES_MAX = 16 * 1024 * 1024, TAIL_BYTES = 2 };
/* A longer record than this is no record but a length that was never meant as one. */
static const uint64_t longest_prefixed = 256 * 1024 * 1024;

/* What one call of framing_take() works on. */
struct taking {
    const struct framing *framing;
    struct framer *framer;
    const char *at, *end;
    frame_fn *give;
    void *context;
};

static void give_record(const struct framing *framing, const char *data, uint64_t whole_bytes,
                        size_t there, bool is_unfinished, frame_fn *give, void *context)
{
    struct frame frame = { { data, there }, whole_bytes, is_unfinished };

    if (whole_bytes == 0 || there == 0)
        return;
    if (whole_bytes > framing->max_record_bytes)
        frame.data.bytes = slice_cut(frame.data, framing->max_record_bytes);
    else if (there > whole_bytes)
        frame.data.bytes = (size_t)whole_bytes;
    give(context, &frame);
}

/* ---- lines ---- */

/* `data` to `end` is what is there of a line, `end` is where its delimiter stands or would stand.
 */
static void give_line(const struct framing *framing, struct framer *framer, const char *data,
                      const char *end, bool is_unfinished, frame_fn *give, void *context)
{
    uint64_t whole_bytes = (uint64_t)(end - data) + framer->dropped;

    framer->dropped = 0;
    if (framing->delimiter == '\n' && end > data && end[-1] == '\r')
        whole_bytes--;
    give_record(framing, data, whole_bytes, (size_t)(end - data), is_unfinished, give, context);
}

static char delimiter_of(const struct framing *framing)
{
    return framing->kind == FRAMING_SYSLOG ? '\n' : framing->delimiter;
}

/* false: it is not there yet. */
static bool take_line(struct taking *taking)
{
    struct framer *framer = taking->framer;
    const char *look = taking->at + framer->looked;
    const char *found = memchr(look, delimiter_of(taking->framing), (size_t)(taking->end - look));

    if (found == NULL) {
        framer->looked = (size_t)(taking->end - taking->at);
        return false;
    }
    framer->looked = 0;
    give_line(taking->framing, framer, taking->at, found, false, taking->give, taking->context);
    taking->at = found + 1;
    return true;
}

static void take_lines(struct taking *taking)
{
    while (take_line(taking))
        ;
}

/* ---- lengths ---- */

/* A record whose length is known; `prefix` bytes stand before it. false: it is not there yet. */
static bool take_counted(struct taking *taking, size_t prefix, uint64_t whole_bytes)
{
    const char *data = taking->at + prefix;
    size_t there = (size_t)(taking->end - data);
    size_t enough = taking->framing->max_record_bytes + 1; /* one more shows where to cut */

    if (there < whole_bytes && there < enough)
        return false;
    if (there > whole_bytes)
        there = (size_t)whole_bytes;
    uint64_t shown = whole_bytes;
    /* Some senders count a newline in. Of one that is cut the end may not be here yet. */
    if (taking->framing->kind == FRAMING_SYSLOG && whole_bytes <= enough && data[there - 1] == '\n')
        shown--;
    give_record(taking->framing, data, shown, there, false, taking->give, taking->context);
    taking->at = data + there;
    taking->framer->skip = whole_bytes - there;
    return true;
}

enum syslog_head { HEAD_IS_LINE, HEAD_IS_COUNT, HEAD_IS_SHORT };

/* "123 <": only then it is a count. A line may begin with a number, a message only with '<'. */
static enum syslog_head read_count(const char *at, const char *end, size_t *ret_prefix,
                                   uint64_t *ret_bytes)
{
    uint64_t bytes = 0;
    size_t digits = 0;

    for (; at + digits < end && at[digits] >= '0' && at[digits] <= '9'; digits++) {
        if (digits == SYSLOG_DIGITS || (digits == 0 && at[0] == '0'))
            return HEAD_IS_LINE;
        bytes = bytes * 10 + (uint64_t)(at[digits] - '0');
    }
    if (digits == 0 && at < end)
        return HEAD_IS_LINE;
    if (bytes > SYSLOG_BYTES_MAX || (at + digits < end && at[digits] != ' '))
        return HEAD_IS_LINE;
    if (at + digits + 1 >= end)
        return HEAD_IS_SHORT;
    *ret_prefix = digits + 1;
    *ret_bytes = bytes;
    return at[digits + 1] == '<' ? HEAD_IS_COUNT : HEAD_IS_LINE;
}

static bool take_syslog(struct taking *taking)
{
    size_t prefix = 0;
    uint64_t bytes = 0;

    if (taking->framer->dropped > 0 || taking->framer->looked > 0)
        return take_line(taking); /* in the middle of one */
    switch (read_count(taking->at, taking->end, &prefix, &bytes)) {
    case HEAD_IS_COUNT:
        return take_counted(taking, prefix, bytes);
    case HEAD_IS_LINE:
        return take_line(taking);
    case HEAD_IS_SHORT:
        return false;
    }
    return false;
}

static bool take_prefixed(struct taking *taking)
{
    unsigned prefix = taking->framing->prefix_bytes;
    uint64_t bytes = 0;

    if ((size_t)(taking->end - taking->at) < prefix)
        return false;
    for (unsigned i = 0; i < prefix; i++)
        bytes = bytes << 8 | (unsigned char)taking->at[i];
    if (bytes > longest_prefixed) {
        taking->framer->is_broken = true;
        return false;
    }
    return take_counted(taking, prefix, bytes);
}

/* ---- all of them ---- */

static void pass_over(struct taking *taking)
{
    struct framer *framer = taking->framer;
    uint64_t there = (uint64_t)(taking->end - taking->at);
    uint64_t skip = framer->skip < there ? framer->skip : there;

    taking->at += skip;
    framer->skip -= skip;
    if (!framer->skips_line)
        return;
    const char *found =
        memchr(taking->at, delimiter_of(taking->framing), (size_t)(taking->end - taking->at));
    framer->skips_line = found == NULL;
    framer->skipped += (uint64_t)((found == NULL ? taking->end : found) - taking->at);
    taking->at = found == NULL ? taking->end : found + 1;
}

static bool take_one(struct taking *taking)
{
    switch (taking->framing->kind) {
    case FRAMING_LINES:
        return take_line(taking);
    case FRAMING_SYSLOG:
        return take_syslog(taking);
    case FRAMING_LENGTH:
        return take_prefixed(taking);
    }
    return false;
}

size_t framing_take(const struct framing *framing, struct framer *framer, struct slice data,
                    frame_fn *give, void *context)
{
    struct taking taking = { framing, framer, data.data, data.data + data.bytes, give, context };

    CHECK(!framer->is_broken);
    if (framer->skip > 0 || framer->skips_line)
        pass_over(&taking);
    if (framing->kind == FRAMING_LINES)
        take_lines(&taking);
    while (framer->skip == 0 && taking.at < taking.end && take_one(&taking))
        ;
    if (framer->skip > 0)
        pass_over(&taking);
    return (size_t)(taking.at - data.data);
}

size_t framing_hold(const struct framing *framing, struct framer *framer, struct slice rest,
                    char *hold)
{
    /* The head, one byte to see where to cut it, and the last: it may be the '\r' of a line's end.
     */
    size_t head = framing->max_record_bytes + TAIL_BYTES;

    if (rest.bytes <= head || framing->kind == FRAMING_LENGTH || framer->looked == 0) {
        CHECK(rest.bytes <= framing_hold_bytes(framing));
        memmove(hold, rest.data, rest.bytes);
        return rest.bytes;
    }
    char last = rest.data[rest.bytes - 1];
    memmove(hold, rest.data, head - 1);
    hold[head - 1] = last;
    framer->dropped += rest.bytes - head;
    framer->looked = head;
    return head;
}

/* How much of what is there belongs to a prefix, and how long the record is to be. */
static bool find_counted(const struct framing *framing, const struct framer *framer,
                         struct slice rest, size_t *ret_prefix, uint64_t *ret_bytes)
{
    const char *end = rest.data + rest.bytes;

    if (framing->kind == FRAMING_SYSLOG)
        return framer->looked == 0 &&
               read_count(rest.data, end, ret_prefix, ret_bytes) == HEAD_IS_COUNT;
    if (framing->kind != FRAMING_LENGTH)
        return false;
    *ret_prefix = rest.bytes < framing->prefix_bytes ? rest.bytes : framing->prefix_bytes;
    *ret_bytes = 0;
    for (size_t i = 0; i < *ret_prefix; i++)
        *ret_bytes = *ret_bytes << 8 | (unsigned char)rest.data[i];
    return true;
}

/* Returns how many bytes of the record are still to come. */
static uint64_t give_head(const struct framing *framing, struct framer *framer, struct slice rest,
                          bool is_closed, frame_fn *give, void *context)
{
    size_t prefix = 0;
    uint64_t bytes = 0;
    const char *end = rest.data + rest.bytes;

    if (!find_counted(framing, framer, rest, &prefix, &bytes)) {
        give_line(framing, framer, rest.data, end, !is_closed, give, context);
        return 0;
    }
    give_record(framing, rest.data + prefix, bytes, rest.bytes - prefix, true, give, context);
    return bytes - (rest.bytes - prefix);
}

void framing_spill(const struct framing *framing, struct framer *framer, struct slice rest,
                   frame_fn *give, void *context)
{
    bool is_counted = framing->kind == FRAMING_LENGTH;

    CHECK(rest.bytes > FRAMING_HELD_LEAST);
    if (framing->kind == FRAMING_SYSLOG) {
        size_t prefix;
        uint64_t bytes;
        is_counted = find_counted(framing, framer, rest, &prefix, &bytes);
    }
    framer->skip = give_head(framing, framer, rest, false, give, context);
    framer->skips_line = !is_counted;
    framer->looked = 0;
}

uint64_t framing_count_skipped(struct framer *framer, bool is_end)
{
    uint64_t skipped = framer->skips_line && !is_end ? 0 : framer->skipped;

    framer->skipped -= skipped;
    return skipped;
}

void framing_end(const struct framing *framing, struct framer *framer, struct slice rest,
                 bool is_closed, frame_fn *give, void *context)
{
    if (rest.bytes > 0 && !framer->is_broken)
        (void)give_head(framing, framer, rest, is_closed, give, context);
    *framer = (struct framer){ .skip = 0 };
}
