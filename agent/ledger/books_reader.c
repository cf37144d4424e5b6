/* SPDX-License-Identifier: Apache-2.0 */
/* books_reader: all bounds are checked once, when it is opened; rows are copied out, since those of
 * another build need not be aligned as ours. */
#include "ledger/books_reader.h"

#include "base/check.h"

#include <stdlib.h>

enum { MEASURED_MAX = 64 };

/* ---- opening ---- */

/* Names go to terminals: what is not printable ASCII becomes '?'. false: it does not end. */
static bool clean_text(char *text, size_t room)
{
    size_t bytes = strnlen(text, room);

    for (size_t i = 0; i < bytes; i++) {
        if (text[i] < ' ' || text[i] > '~')
            text[i] = '?';
    }
    return bytes < room;
}

static bool row_holds(uint32_t row_bytes, uint32_t at, uint64_t bytes)
{
    return at <= row_bytes && bytes <= row_bytes - at;
}

static bool table_fits(const struct books_table *table, uint64_t file_bytes, size_t row_min,
                       uint32_t rows_max)
{
    return table->rows <= rows_max && table->row_bytes >= row_min && table->at <= file_bytes &&
           (uint64_t)table->rows * table->row_bytes <= file_bytes - table->at;
}

static void copy_row(const struct books_reader *reader, const struct books_table *table,
                     unsigned index, void *ret_row, size_t bytes)
{
    memcpy(ret_row, reader->image.bytes.data + table->at + (size_t)index * table->row_bytes, bytes);
}

static bool clean_header(struct books_header *header)
{
    return clean_text(header->boot_id, BOOKS_ID) && clean_text(header->start_id, BOOKS_ID) &&
           clean_text(header->agent_id, BOOKS_ID) && clean_text(header->agent_version, BOOKS_ID) &&
           clean_text(header->state_dir, BOOKS_PATH);
}

/* What books_image_open() has not looked at, since closing books needs none of it. */
static bool layout_fits(const struct books_header *header)
{
    uint64_t bytes = header->file_bytes;
    uint64_t values = (uint64_t)header->numbers.rows * sizeof(uint64_t);
    uint64_t entries = (uint64_t)header->flows.rows * sizeof(struct cell);

    return table_fits(&header->numbers, bytes, sizeof(struct books_number_row), READER_NUMBERS) &&
           table_fits(&header->outputs, bytes, sizeof(uint64_t), READER_OUTPUTS) &&
           table_fits(&header->agent, bytes, values, 1) && header->agent.rows == 1 &&
           atomic_load(&header->outputs_used) <= header->outputs.rows &&
           row_holds(header->outputs.row_bytes, 0, header->name_bytes) &&
           row_holds(header->outputs.row_bytes, header->output_numbers_at, values) &&
           row_holds(header->lanes.row_bytes, header->closing_at, entries) &&
           row_holds(header->lanes.row_bytes, header->numbers_at, values);
}

/* They lie behind the numbers of each row: of a lane, an output, the agent. */
static bool histogram_fits(const struct books_header *header, const struct books_histogram_row *row,
                           uint32_t buckets)
{
    bool is_lane = row->scope == SCOPE_input;
    uint32_t numbers_at = is_lane ? header->numbers_at : header->output_numbers_at;
    uint32_t row_bytes = is_lane ? header->lanes.row_bytes : header->outputs.row_bytes;
    uint64_t bytes = ((uint64_t)buckets + 1) * sizeof(uint64_t);

    return (is_lane || row->scope == SCOPE_output) && row->at <= row_bytes &&
           row_holds(row_bytes, numbers_at, row->at + bytes);
}

static bool copy_histograms(struct books_reader *reader)
{
    const struct books_header *header = &reader->image.header;
    struct books_histograms tables;

    if (header->histograms_at == 0)
        return true;
    if (header->file_bytes < sizeof(tables) ||
        header->histograms_at > header->file_bytes - sizeof(tables))
        return false;
    memcpy(&tables, reader->image.bytes.data + header->histograms_at, sizeof(tables));
    if (!table_fits(&tables.rows, header->file_bytes, sizeof(reader->histograms[0]),
                    READER_HISTOGRAMS) ||
        !table_fits(&tables.bounds, header->file_bytes, sizeof(uint64_t), READER_BUCKETS))
        return false;
    reader->histogram_count = tables.rows.rows;
    reader->bucket_count = tables.bounds.rows;
    for (unsigned i = 0; i < reader->bucket_count; i++)
        copy_row(reader, &tables.bounds, i, &reader->bounds_ms[i], sizeof(uint64_t));
    for (unsigned i = 0; i < reader->histogram_count; i++) {
        struct books_histogram_row *row = &reader->histograms[i];
        copy_row(reader, &tables.rows, i, row, sizeof(*row));
        if (!clean_text(row->name, BOOKS_ROW_NAME) ||
            !histogram_fits(header, row, reader->bucket_count))
            return false;
    }
    return true;
}

static bool copy_tables(struct books_reader *reader)
{
    const struct books_header *header = &reader->image.header;

    CHECK(header->accounts.rows <= READER_ACCOUNTS && header->flows.rows <= READER_FLOWS);
    reader->account_count = header->accounts.rows;
    reader->flow_count = header->flows.rows;
    reader->number_count = header->numbers.rows;
    reader->lane_count = atomic_load(&header->lanes_used);
    reader->output_count = atomic_load(&header->outputs_used);
    for (unsigned i = 0; i < reader->account_count; i++) {
        struct books_account_row *row = &reader->accounts[i];
        copy_row(reader, &header->accounts, i, row, sizeof(*row));
        uint64_t end = ((uint64_t)row->first_measured + row->measured) * sizeof(struct measured);
        if (!clean_text(row->name, BOOKS_ROW_NAME) || row->measured > MEASURED_MAX ||
            !row_holds(header->lanes.row_bytes, header->measured_at, end))
            return false;
    }
    for (unsigned i = 0; i < reader->flow_count; i++) {
        copy_row(reader, &header->flows, i, &reader->flows[i], sizeof(reader->flows[i]));
        if (!clean_text(reader->flows[i].name, BOOKS_ROW_NAME))
            return false;
    }
    for (unsigned i = 0; i < reader->number_count; i++) {
        copy_row(reader, &header->numbers, i, &reader->numbers[i], sizeof(reader->numbers[i]));
        if (!clean_text(reader->numbers[i].name, BOOKS_ROW_NAME))
            return false;
    }
    return true;
}

/* A saved copy says when it was saved, and only then has a checksum. */
static bool is_saved(const struct buf *bytes)
{
    struct books_header header;

    if (bytes->bytes < sizeof(header))
        return false;
    memcpy(&header, bytes->data, sizeof(header));
    return header.saved_real_ns != 0;
}

struct books_reader *books_reader_new(struct buf *bytes, struct err *err)
{
    struct books_reader *reader = calloc(1, sizeof(*reader));

    if (reader == NULL) {
        (void)err_set(err, "out of memory");
        buf_fini(bytes);
        return NULL;
    }
    reader->bytes = *bytes;
    *bytes = (struct buf){ 0 };
    struct slice all = buf_slice(&reader->bytes);
    if (!books_image_open(&reader->image, all, is_saved(&reader->bytes), err)) {
        books_reader_free(&reader);
        return NULL;
    }
    if (!clean_header(&reader->image.header) || !layout_fits(&reader->image.header) ||
        !copy_tables(reader) || !copy_histograms(reader)) {
        (void)err_set(err, "its description is damaged");
        books_reader_free(&reader);
    }
    return reader;
}

void books_reader_free(struct books_reader **readerp)
{
    struct books_reader *reader = *readerp;

    *readerp = NULL;
    if (reader == NULL)
        return;
    buf_fini(&reader->bytes);
    free(reader);
}

/* ---- reading ---- */

int books_reader_account(const struct books_reader *reader, const char *name)
{
    for (unsigned i = 0; i < reader->account_count; i++) {
        if (strcmp(reader->accounts[i].name, name) == 0)
            return (int)i;
    }
    return -1;
}

int books_reader_number(const struct books_reader *reader, const char *name)
{
    for (unsigned i = 0; i < reader->number_count; i++) {
        if (strcmp(reader->numbers[i].name, name) == 0)
            return (int)i;
    }
    return -1;
}

static const char *row_of(const struct books_reader *reader, const struct books_table *table,
                          unsigned index)
{
    return reader->image.bytes.data + table->at + (size_t)index * table->row_bytes;
}

static const char *lane_of(const struct books_reader *reader, unsigned lane)
{
    CHECK(lane < reader->lane_count);
    return row_of(reader, &reader->image.header.lanes, lane);
}

static uint64_t word_at(const char *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof(word));
    return word;
}

static void copy_name(const struct books_reader *reader, const char *name,
                      char ret_name[LEDGER_NAME])
{
    size_t bytes = strnlen(name, reader->image.header.name_bytes);

    if (bytes > LEDGER_NAME - 1)
        bytes = LEDGER_NAME - 1;
    memcpy(ret_name, name, bytes);
    ret_name[bytes] = '\0';
    (void)clean_text(ret_name, LEDGER_NAME);
}

void books_reader_lane_names(const struct books_reader *reader, unsigned lane,
                             char ret_input[LEDGER_NAME], char ret_output[LEDGER_NAME])
{
    const char *row = lane_of(reader, lane);

    copy_name(reader, row + reader->image.header.input_at, ret_input);
    copy_name(reader, row + reader->image.header.output_at, ret_output);
}

static struct amount amount_at(const char *at)
{
    return (struct amount){ word_at(at), word_at(at + sizeof(uint64_t)) };
}

struct amount books_reader_flow(const struct books_reader *reader, unsigned lane, unsigned flow)
{
    CHECK(flow < reader->flow_count);
    const struct books_flow_row *row = &reader->flows[flow];
    const char *cells = lane_of(reader, lane) + reader->image.header.cells_at;
    struct amount sum = { 0, 0 };

    for (uint32_t i = 0; i < row->cells; i++) {
        struct amount cell = amount_at(cells + ((size_t)row->first_cell + i) * sizeof(struct cell));
        sum.events += cell.events;
        sum.bytes += cell.bytes;
    }
    return sum;
}

struct amount books_reader_closing(const struct books_reader *reader, unsigned lane, unsigned flow)
{
    CHECK(flow < reader->flow_count);
    return amount_at(lane_of(reader, lane) + reader->image.header.closing_at +
                     (size_t)flow * sizeof(struct cell));
}

static struct amount stock_of_books(const struct books_reader *reader, unsigned lane,
                                    unsigned account)
{
    struct amount stock = { 0, 0 };

    for (unsigned i = 0; i < reader->flow_count; i++) {
        const struct books_flow_row *row = &reader->flows[i];
        if (row->to != account && row->from != account)
            continue;
        struct amount moved = books_reader_flow(reader, lane, i);
        stock.events += (row->to == account) * moved.events;
        stock.bytes += (row->to == account) * moved.bytes;
        stock.events -= (row->from == account) * moved.events;
        stock.bytes -= (row->from == account) * moved.bytes;
    }
    return stock;
}

struct amount books_reader_stock(const struct books_reader *reader, unsigned lane, unsigned account,
                                 int64_t *ret_difference, unsigned *ret_differing)
{
    CHECK(account < reader->account_count);
    const struct books_account_row *row = &reader->accounts[account];
    const char *measured = lane_of(reader, lane) + reader->image.header.measured_at;
    struct amount sum = { 0, 0 };
    uint64_t difference = 0; /* unsigned: a damaged file may overflow it */

    *ret_difference = 0;
    *ret_differing = 0;
    if (row->measured == 0)
        return stock_of_books(reader, lane, account);
    for (uint32_t i = 0; i < row->measured; i++) {
        const char *at = measured + ((size_t)row->first_measured + i) * sizeof(struct measured);
        struct amount held = amount_at(at);
        struct amount differing = amount_at(at + sizeof(struct cell));
        sum.events += held.events;
        sum.bytes += held.bytes;
        difference += differing.events;
        *ret_differing += differing.events != 0 || differing.bytes != 0;
    }
    *ret_difference = (int64_t)difference;
    return sum;
}

uint64_t books_reader_lane_value(const struct books_reader *reader, unsigned lane, unsigned number)
{
    CHECK(number < reader->number_count);
    return word_at(lane_of(reader, lane) + reader->image.header.numbers_at +
                   (size_t)number * sizeof(uint64_t));
}

static const char *output_of(const struct books_reader *reader, unsigned output)
{
    CHECK(output < reader->output_count);
    return row_of(reader, &reader->image.header.outputs, output);
}

void books_reader_output_name(const struct books_reader *reader, unsigned output,
                              char ret_name[LEDGER_NAME])
{
    copy_name(reader, output_of(reader, output), ret_name);
}

uint64_t books_reader_output_value(const struct books_reader *reader, unsigned output,
                                   unsigned number)
{
    CHECK(number < reader->number_count);
    return word_at(output_of(reader, output) + reader->image.header.output_numbers_at +
                   (size_t)number * sizeof(uint64_t));
}

uint64_t books_reader_agent_value(const struct books_reader *reader, unsigned number)
{
    CHECK(number < reader->number_count);
    return word_at(row_of(reader, &reader->image.header.agent, 0) +
                   (size_t)number * sizeof(uint64_t));
}

void books_reader_histogram(const struct books_reader *reader, unsigned histogram, unsigned index,
                            struct histogram_reading *ret)
{
    CHECK(histogram < reader->histogram_count);
    const struct books_header *header = &reader->image.header;
    const struct books_histogram_row *row = &reader->histograms[histogram];
    const char *at = row->at + (row->scope == SCOPE_input
                                    ? lane_of(reader, index) + header->numbers_at
                                    : output_of(reader, index) + header->output_numbers_at);

    ret->count = 0;
    for (unsigned i = 0; i < reader->bucket_count; i++) {
        ret->counts[i] = word_at(at + (size_t)i * sizeof(uint64_t));
        ret->count += ret->counts[i];
    }
    ret->sum_ms = word_at(at + (size_t)reader->bucket_count * sizeof(uint64_t));
}
