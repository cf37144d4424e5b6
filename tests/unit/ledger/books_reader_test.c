/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "ledger/books_reader.h"

#include <stdio.h>
#include <stdlib.h>

static struct books_file *make_file(void)
{
    struct books_file *file = calloc(1, sizeof(*file));
    assert_non_null(file);
    books_file_describe(file);
    (void)strcpy(file->lanes[0].input, "in");
    (void)strcpy(file->lanes[0].output, "main");
    (void)strcpy(file->outputs[0].name, "main");
    file->header.lanes_used = 1;
    file->header.outputs_used = 1;
    return file;
}

/* Of exactly that size, so that a read beyond it is seen. */
static struct books_reader *read_bytes(const void *data, size_t bytes, struct err *err)
{
    struct buf copy = { .data = malloc(bytes + 1), .bytes = bytes, .room = bytes + 1 };
    assert_non_null(copy.data);
    memcpy(copy.data, data, bytes);
    return books_reader_new(&copy, err);
}

static struct books_reader *read_file(const struct books_file *file)
{
    struct err err = { "" };
    struct books_reader *reader = read_bytes(file, sizeof(*file), &err);
    if (reader == NULL)
        fail_msg("%s", err.text);
    return reader;
}

static uint64_t read_histograms(const struct books_reader *reader)
{
    struct histogram_reading reading;
    uint64_t sum = 0;
    for (unsigned i = 0; i < reader->histogram_count; i++) {
        bool is_lane = reader->histograms[i].scope == SCOPE_input;
        unsigned count = is_lane ? reader->lane_count : reader->output_count;
        for (unsigned at = 0; at < count; at++) {
            books_reader_histogram(reader, i, at, &reading);
            sum += reading.count + reading.sum_ms;
        }
    }
    return sum;
}

/* Everything that can be asked. Returns a sum, so that nothing is optimised away. */
static uint64_t read_all(const struct books_reader *reader)
{
    char input[LEDGER_NAME], output[LEDGER_NAME];
    uint64_t sum = read_histograms(reader);
    for (unsigned lane = 0; lane < reader->lane_count; lane++) {
        books_reader_lane_names(reader, lane, input, output);
        for (unsigned flow = 0; flow < reader->flow_count; flow++)
            sum += books_reader_flow(reader, lane, flow).events +
                   books_reader_closing(reader, lane, flow).bytes;
        for (unsigned account = 0; account < reader->account_count; account++) {
            int64_t difference;
            unsigned differing;
            sum += books_reader_stock(reader, lane, account, &difference, &differing).events;
        }
        for (unsigned number = 0; number < reader->number_count; number++)
            sum += books_reader_lane_value(reader, lane, number);
    }
    for (unsigned at = 0; at < reader->output_count; at++) {
        books_reader_output_name(reader, at, output);
        for (unsigned number = 0; number < reader->number_count; number++)
            sum += books_reader_output_value(reader, at, number);
    }
    for (unsigned number = 0; number < reader->number_count; number++)
        sum += books_reader_agent_value(reader, number);
    return sum;
}

static void what_was_counted_is_read_back(void **unused)
{
    (void)unused;
    struct books_file *file = make_file();
    struct books *lane = &file->lanes[0];
    ledger_move(lane, FLOW_admit, 10, 1000);
    ledger_move_cell(lane, FLOW_gather, 0, 3, 300);
    ledger_move_cell(lane, FLOW_gather, 2, 4, 400);
    assert_true(ledger_audit(lane, ACCOUNT_ring, 0, (struct amount){ 3, 300 }));
    assert_true(ledger_audit(lane, ACCOUNT_batch, 0, (struct amount){ 3, 300 }));
    assert_false(ledger_audit(lane, ACCOUNT_batch, 2, (struct amount){ 5, 400 }));
    lane->closing[FLOW_crash_ring] = (struct cell){ 7, 70 };
    numbers_set(&lane->numbers, NUMBER_lag_bytes, 42);
    numbers_set(&file->outputs[0].numbers, NUMBER_concurrency_limit, 8);
    numbers_set(&file->agent, NUMBER_reports, 9);

    struct books_reader *reader = read_file(file);
    char input[LEDGER_NAME], output[LEDGER_NAME];
    int64_t difference;
    unsigned differing;
    books_reader_lane_names(reader, 0, input, output);
    assert_string_equal(input, "in");
    assert_string_equal(output, "main");
    assert_int_equal(books_reader_flow(reader, 0, FLOW_gather).events, 7);
    assert_int_equal(books_reader_flow(reader, 0, FLOW_gather).bytes, 700);
    assert_int_equal(books_reader_closing(reader, 0, FLOW_crash_ring).events, 7);
    int batch = books_reader_account(reader, "batch");
    assert_int_equal(batch, ACCOUNT_batch);
    assert_int_equal(books_reader_stock(reader, 0, (unsigned)batch, &difference, &differing).events,
                     8);
    assert_int_equal(difference, 1);
    assert_int_equal(differing, 1);
    /* Nobody audits `delivered`: from the books. */
    assert_int_equal(
        books_reader_stock(reader, 0, ACCOUNT_delivered, &difference, &differing).events, 0);
    assert_int_equal(books_reader_number(reader, "lag_bytes"), NUMBER_lag_bytes);
    assert_int_equal(books_reader_number(reader, "no_such_number"), -1);
    assert_int_equal(books_reader_lane_value(reader, 0, NUMBER_lag_bytes), 42);
    assert_int_equal(books_reader_output_value(reader, 0, NUMBER_concurrency_limit), 8);
    assert_int_equal(books_reader_agent_value(reader, NUMBER_reports), 9);
    books_reader_free(&reader);
    free(file);
}

/* Another build: rows longer than ours, at odd places, fewer flows, another name for one of them.
 */
static void a_file_of_another_build_is_read_by_its_own_description(void **unused)
{
    (void)unused;
    struct books_file *file = make_file();
    ledger_move(&file->lanes[0], FLOW_admit, 11, 110);
    numbers_set(&file->lanes[0].numbers, NUMBER_lines, 12);
    size_t bytes = sizeof(*file) + 4096;
    char *other = calloc(1, bytes);
    assert_non_null(other);
    memcpy(other, file, sizeof(*file));
    struct books_header *header = (struct books_header *)(void *)other;
    header->file_bytes = bytes;
    /* The flows lie behind all else, not aligned, in rows of 77 bytes; there are two of them. */
    header->flows = (struct books_table){ (uint32_t)sizeof(*file) + 3, 2, 77, 0 };
    for (unsigned i = 0; i < 2; i++) {
        struct books_flow_row row = file->flows[i == 0 ? FLOW_admit : FLOW_deliver];
        (void)strcpy(row.name, i == 0 ? "take_in" : "hand_out");
        memcpy(other + header->flows.at + (size_t)i * 77, &row, sizeof(row));
    }
    struct err err = { "" };
    struct books_reader *reader = read_bytes(other, bytes, &err);
    if (reader == NULL)
        fail_msg("%s", err.text);
    assert_int_equal(reader->flow_count, 2);
    assert_string_equal(reader->flows[0].name, "take_in");
    assert_int_equal(books_reader_flow(reader, 0, 0).events, 11);
    assert_int_equal(books_reader_flow(reader, 0, 1).events, 0);
    assert_int_equal(books_reader_lane_value(reader, 0, NUMBER_lines), 12);
    books_reader_free(&reader);
    free(other);
    free(file);
}

static void histograms_are_read_by_their_own_description(void **unused)
{
    (void)unused;
    struct books_file *file = make_file();
    struct histogram_reading reading;
    numbers_observe(&file->lanes[0].numbers, HISTOGRAM_ring_wait, 3, 7);
    numbers_observe(&file->lanes[0].numbers, HISTOGRAM_ring_wait, 10 * 3600 * 1000, 1);
    numbers_observe(&file->outputs[0].numbers, HISTOGRAM_request_time, 1000, 2);
    struct books_reader *reader = read_file(file);
    assert_int_equal(reader->histogram_count, HISTOGRAMS);
    assert_string_equal(reader->histograms[HISTOGRAM_ring_wait].name, "ring_wait");
    assert_int_equal(reader->bounds_ms[1], 5);
    books_reader_histogram(reader, HISTOGRAM_ring_wait, 0, &reading);
    assert_int_equal(reading.counts[1], 7);
    assert_int_equal(reading.counts[HISTOGRAM_BUCKETS - 1], 1);
    assert_int_equal(reading.count, 8);
    assert_int_equal(reading.sum_ms, 21 + 10 * 3600 * 1000);
    books_reader_histogram(reader, HISTOGRAM_request_time, 0, &reading);
    assert_int_equal(reading.count, 2);
    books_reader_free(&reader);
    file->header.histograms_at = 0; /* as a build before them left it */
    reader = read_file(file);
    assert_int_equal(reader->histogram_count, 0);
    assert_int_equal(reader->bucket_count, 0);
    books_reader_free(&reader);
    free(file);
}

static void what_is_not_printable_never_gets_out(void **unused)
{
    (void)unused;
    struct books_file *file = make_file();
    char input[LEDGER_NAME], output[LEDGER_NAME];
    (void)strcpy(file->lanes[0].input, "a\033[2Jb\n");
    memset(file->lanes[0].output, 0xff, LEDGER_NAME); /* and it does not end */
    (void)strcpy(file->flows[0].name, "x\x07y");
    (void)strcpy(file->header.state_dir, "/a\rb");
    struct books_reader *reader = read_file(file);
    books_reader_lane_names(reader, 0, input, output);
    assert_string_equal(input, "a?[2Jb?");
    assert_int_equal(strlen(output), LEDGER_NAME - 1);
    assert_int_equal(strspn(output, "?"), LEDGER_NAME - 1);
    assert_string_equal(reader->flows[0].name, "x?y");
    assert_string_equal(reader->image.header.state_dir, "/a?b");
    books_reader_free(&reader);
    free(file);
}

static void a_file_that_lies_is_refused_or_harmless(void **unused)
{
    (void)unused;
    static const uint32_t lies[] = { 0, 1, 63, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffff8 };
    struct books_file *file = make_file();
    size_t bytes = offsetof(struct books_file, lanes) + sizeof(struct books);
    unsigned refused = 0, read = 0;
    file->header.lanes.rows = 1;
    file->header.file_bytes = bytes;
    char *lying = malloc(bytes);
    assert_non_null(lying);
    for (size_t at = 0; at + 4 <= offsetof(struct books_file, agent); at += 4) {
        for (size_t lie = 0; lie < sizeof(lies) / sizeof(lies[0]); lie++) {
            struct err err = { "" };
            memcpy(lying, file, bytes);
            memcpy(lying + at, &lies[lie], sizeof(lies[lie]));
            struct books_reader *reader = read_bytes(lying, bytes, &err);
            assert_true(reader != NULL || err.text[0] != '\0');
            refused += reader == NULL;
            if (reader == NULL)
                continue;
            (void)read_all(reader);
            read++;
            books_reader_free(&reader);
        }
    }
    assert_true(refused > 100 && read > 1000);
    free(lying);
    free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_counted_is_read_back),
        cmocka_unit_test(a_file_of_another_build_is_read_by_its_own_description),
        cmocka_unit_test(histograms_are_read_by_their_own_description),
        cmocka_unit_test(what_is_not_printable_never_gets_out),
        cmocka_unit_test(a_file_that_lies_is_refused_or_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
