/* SPDX-License-Identifier: Apache-2.0 */
/* framing: each stream is fed whole, byte by byte and in pieces of all sizes between; what comes
 * out must be the same. */
#include "net/framing.h"

#include "test.h"

#include <stdio.h>
#include <stdlib.h>

enum { SHOWN_BYTES = 64 * 1024, STREAM_BYTES = 64 * 1024 };

struct shown {
    char text[SHOWN_BYTES]; /* "data/whole;" for each record, '!' after an unfinished one */
    size_t bytes;
};

static void show(void *context, const struct frame *frame)
{
    struct shown *shown = context;

    assert_true(frame->data.bytes > 0);
    shown->bytes +=
        (size_t)snprintf(shown->text + shown->bytes, SHOWN_BYTES - shown->bytes, "%.*s/%llu%s;",
                         (int)frame->data.bytes, frame->data.data,
                         (unsigned long long)frame->whole_bytes, frame->is_unfinished ? "!" : "");
}

/* As a reader does it: what is held stands before the next piece. */
static void feed(const struct framing *framing, struct slice stream, size_t piece, bool is_closed,
                 struct shown *shown)
{
    char *hold = malloc(framing_hold_bytes(framing));
    struct framer framer = { .skip = 0 };
    size_t held = 0;

    *shown = (struct shown){ .bytes = 0 };
    for (size_t at = 0; at < stream.bytes && !framer.is_broken; at += piece) {
        size_t fresh = stream.bytes - at < piece ? stream.bytes - at : piece;
        char *window = malloc(held + fresh); /* so that ASan sees what is read beyond */
        memcpy(window, hold, held);
        memcpy(window + held, stream.data + at, fresh);
        struct slice data = { window, held + fresh };
        size_t taken = framing_take(framing, &framer, data, show, shown);
        struct slice rest = { window + taken, data.bytes - taken };
        held = framer.is_broken ? 0 : framing_hold(framing, &framer, rest, hold);
        free(window);
    }
    framing_end(framing, &framer, (struct slice){ hold, held }, is_closed, show, shown);
    free(hold);
}

static void assert_frames(const struct framing *framing, struct slice stream, bool is_closed,
                          const char *wanted)
{
    static struct shown shown;

    for (size_t piece = 1; piece <= stream.bytes; piece += piece < 40 ? 1 : piece) {
        feed(framing, stream, piece, is_closed, &shown);
        if (strcmp(shown.text, wanted) != 0)
            fail_msg("in pieces of %zu: got %s wanted %s", piece, shown.text, wanted);
    }
    feed(framing, stream, stream.bytes, is_closed, &shown);
    assert_string_equal(shown.text, wanted);
}

static const struct framing lines = { FRAMING_LINES, '\n', 0, 8 };
static const struct framing nuls = { FRAMING_LINES, '\0', 0, 8 };
static const struct framing syslog = { FRAMING_SYSLOG, '\n', 0, 8 };
static const struct framing prefixed = { FRAMING_LENGTH, 0, 2, 8 };

static void lines_end_at_their_delimiter(void **unused)
{
    (void)unused;
    assert_frames(&lines, SLICE("one\n\ntwo\r\n\r\nthree\n"), true, "one/3;two/3;three/5;");
    assert_frames(&nuls, SLICE("one\0two\r\n\0three"), true, "one/3;two\r\n/5;three/5;");
    assert_frames(&lines, SLICE("end\r"), true, "end/3;");
    assert_frames(&lines, SLICE("end"), false, "end/3!;");
}

static void a_longer_line_is_cut_and_its_length_is_exact(void **unused)
{
    (void)unused;
    assert_frames(&lines, SLICE("12345678\n123456789\n12345678\r\nx\n"), true,
                  "12345678/8;12345678/9;12345678/8;x/1;");
    assert_frames(&lines, SLICE("1234567890123456789012345678901234567890\r\nx\n"), true,
                  "12345678/40;x/1;");
    assert_frames(&lines, SLICE("1234567\xc3\xa4\nx\n"), true, "1234567/9;x/1;");
    assert_frames(&lines, SLICE("12345678901234567890"), true, "12345678/20;");
}

static void syslog_finds_the_kind_of_each_record(void **unused)
{
    (void)unused;
    assert_frames(&syslog, SLICE("5 <1>ab4 <1>c<1>de\n6 <1>fg\nplain\n"), true,
                  "<1>ab/5;<1>c/4;<1>de/5;<1>fg/5;plain/5;");
    assert_frames(&syslog, SLICE("2026 is\n05 <1>\n7x\n123456789 <\n"), true,
                  "2026 is/7;05 <1>/6;7x/2;12345678/11;");
    assert_frames(&syslog, SLICE("19 <1>456789abcdefghij3 <1>"), true, "<1>45678/19;<1>/3;");
    assert_frames(&syslog, SLICE("20 <1>456789abcdefghij\n9 <1>45678\n"), true,
                  "<1>45678/20;<1>45678/8;");
    assert_frames(&syslog, SLICE("9 <1>ab"), true, "<1>ab/9!;");
    assert_frames(&syslog, SLICE("12"), true, "12/2;");
}

static void a_length_before_the_record_is_kept_to(void **unused)
{
    (void)unused;
    assert_frames(&prefixed, SLICE("\0\3abc\0\0\0\1d"), true, "abc/3;d/1;");
    assert_frames(&prefixed, SLICE("\0\24abcdefghijklmnopqrst\0\1z"), true, "abcdefgh/20;z/1;");
    assert_frames(&prefixed, SLICE("\0\5ab"), true, "ab/5!;");
    assert_frames(&prefixed, SLICE("\0"), true, "");
}

static void a_length_that_cannot_be_ends_the_stream(void **unused)
{
    const struct framing wide = { FRAMING_LENGTH, 0, 4, 8 };
    struct framer framer = { .skip = 0 };
    static struct shown shown;

    (void)unused;
    (void)framing_take(&wide, &framer, SLICE("\0\0\0\1aGET / HTTP/1.1"), show, &shown);
    assert_true(framer.is_broken);
    assert_string_equal(shown.text, "a/1;");
}

#define FORTY "1234567890123456789012345678901234567890" /* is more than is always held */
/* Half of a record is there and cannot be held: its head comes now, and no byte of it later.
 * Returns the bytes that no record tells of. */
static uint64_t assert_spilled(const struct framing *framing, struct slice first,
                               struct slice second, const char *wanted)
{
    static struct shown shown;
    struct framer framer = { .skip = 0 };

    shown = (struct shown){ .bytes = 0 };
    size_t taken = framing_take(framing, &framer, first, show, &shown);
    struct slice rest = { first.data + taken, first.bytes - taken };
    framing_spill(framing, &framer, rest, show, &shown);
    assert_int_equal(framing_take(framing, &framer, second, show, &shown), second.bytes);
    assert_string_equal(shown.text, wanted);
    return framing_count_skipped(&framer, false);
}

static void what_cannot_be_held_comes_cut_and_the_rest_of_it_is_skipped(void **unused)
{
    (void)unused;
    const struct framing counted = { FRAMING_SYSLOG, '\n', 0, 64 };
    const struct framing wide = { FRAMING_LENGTH, 0, 2, 64 };
    assert_int_equal(
        assert_spilled(&lines, SLICE("a\n" FORTY), SLICE("de\nf\n"), "a/1;12345678/40!;f/1;"), 2);
    assert_int_equal(assert_spilled(&counted, SLICE("45 <1>" FORTY), SLICE("bc3 <1>"),
                                    "<1>" FORTY "/45!;<1>/3;"),
                     0);
    assert_int_equal(
        assert_spilled(&wide, SLICE("\0\52" FORTY), SLICE("cd\0\1e"), FORTY "/42!;e/1;"), 0);
}

static void bytes_of_a_line_that_are_skipped_are_counted_at_its_end(void **unused)
{
    static struct shown shown;
    struct framer framer = { .skip = 0 };

    (void)unused;
    framing_spill(&lines, &framer, SLICE(FORTY), show, &shown);
    for (int i = 0; i < 3; i++) {
        (void)framing_take(&lines, &framer, SLICE("more"), show, &shown);
        assert_int_equal(framing_count_skipped(&framer, false), 0);
    }
    (void)framing_take(&lines, &framer, SLICE("\nx\n"), show, &shown);
    assert_int_equal(framing_count_skipped(&framer, false), 12);
    assert_int_equal(framing_count_skipped(&framer, true), 0);
    framing_spill(&lines, &framer, SLICE(FORTY), show, &shown);
    (void)framing_take(&lines, &framer, SLICE("more"), show, &shown);
    assert_int_equal(framing_count_skipped(&framer, true), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_end_at_their_delimiter),
        cmocka_unit_test(a_longer_line_is_cut_and_its_length_is_exact),
        cmocka_unit_test(syslog_finds_the_kind_of_each_record),
        cmocka_unit_test(a_length_before_the_record_is_kept_to),
        cmocka_unit_test(a_length_that_cannot_be_ends_the_stream),
        cmocka_unit_test(what_cannot_be_held_comes_cut_and_the_rest_of_it_is_skipped),
        cmocka_unit_test(bytes_of_a_line_that_are_skipped_are_counted_at_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
