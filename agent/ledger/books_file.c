/* SPDX-License-Identifier: Apache-2.0 */
/* books_file: writing the description from the tables of this build, and reading that of any.
 * Reading copies each row out: rows of another build need not be aligned as ours. */
#include "ledger/books_file.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

/* More than these is no file of ours; they bound the work on a file that lies. */
enum { FLOWS_MAX = 256, FLOW_CELLS_MAX = 64, LANES_MAX = 4096 };

_Static_assert(sizeof(struct cell) == 16 && sizeof(struct measured) == 32,
               "counters are plain words");
_Static_assert(sizeof(struct histogram_cells) == (HISTOGRAM_BUCKETS + 1) * sizeof(uint64_t),
               "counters are plain words");
_Static_assert(sizeof(struct books_file) % sizeof(uint64_t) == 0, "copied in words");
_Static_assert(offsetof(struct books_file, lanes) % sizeof(uint64_t) == 0, "copied in words");
_Static_assert(sizeof(struct books_file) <= BOOKS_FILE_MAX, "we read our own files");
_Static_assert((int)ACCOUNTS <= (int)BOOKS_ACCOUNTS_MAX && (int)FLOWS <= (int)FLOWS_MAX &&
                   (int)LEDGER_CELLS <= (int)FLOW_CELLS_MAX && (int)LEDGER_SLOTS <= (int)LANES_MAX,
               "we read our own files");
#define ACCOUNT(name, ...) _Static_assert(sizeof(#name) <= BOOKS_ROW_NAME, "account: " #name);
#include "ledger/accounts.def"
#define FLOW(name, ...) _Static_assert(sizeof(#name) <= BOOKS_ROW_NAME, "flow: " #name);
#include "ledger/flows.def"
#define NUMBER(name, ...) _Static_assert(sizeof(#name) <= BOOKS_ROW_NAME, "number: " #name);
#include "ledger/numbers.def"
#define HISTOGRAM(name, ...) _Static_assert(sizeof(#name) <= BOOKS_ROW_NAME, "histogram: " #name);
#include "ledger/histograms.def"

const struct counter_span books_flow_cells[FLOWS] = {
#define FLOW(name, ...) [FLOW_##name] = { CELL_##name, CELL_LAST_##name - CELL_##name + 1 },
#include "ledger/flows.def"
};
const struct counter_span books_account_measured[ACCOUNTS] = {
#define ACCOUNT(name, ...)                                                                         \
    [ACCOUNT_##name] = { MEASURED_##name, MEASURED_LAST_##name - MEASURED_##name + 1 },
#include "ledger/accounts.def"
};

/* ---- writing ---- */

static void describe_tables(struct books_file *file)
{
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        struct books_account_row *row = &file->accounts[i];
        (void)snprintf(row->name, sizeof(row->name), "%s", account_infos[i].name);
        row->held = account_infos[i].held;
        row->first_measured = books_account_measured[i].first;
        row->measured = books_account_measured[i].count;
    }
    for (unsigned i = 0; i < FLOWS; i++) {
        struct books_flow_row *row = &file->flows[i];
        (void)snprintf(row->name, sizeof(row->name), "%s", flow_infos[i].name);
        row->from = flow_infos[i].from;
        row->to = flow_infos[i].to;
        row->first_cell = books_flow_cells[i].first;
        row->cells = books_flow_cells[i].count;
    }
    for (unsigned i = 0; i < NUMBERS; i++) {
        struct books_number_row *row = &file->numbers[i];
        (void)snprintf(row->name, sizeof(row->name), "%s", number_infos[i].name);
        row->scope = number_infos[i].scope;
        row->kind = number_infos[i].kind;
    }
}

#define TABLE(field, count)                                                                        \
    ((struct books_table){ .at = offsetof(struct books_file, field),                               \
                           .rows = (count),                                                        \
                           .row_bytes = sizeof(((struct books_file *)NULL)->field) / (count) })

static void describe_histograms(struct books_file *file)
{
    file->header.histograms_at = offsetof(struct books_file, histograms);
    file->histograms.rows = TABLE(histogram_rows, HISTOGRAMS);
    file->histograms.bounds = TABLE(bounds, HISTOGRAM_BUCKETS);
    memcpy(file->bounds, histogram_bounds_ms, sizeof(file->bounds));
    for (unsigned i = 0; i < HISTOGRAMS; i++) {
        struct books_histogram_row *row = &file->histogram_rows[i];
        (void)snprintf(row->name, sizeof(row->name), "%s", histogram_infos[i].name);
        row->scope = histogram_infos[i].scope;
        row->at =
            (uint32_t)(offsetof(struct numbers, histograms) + i * sizeof(struct histogram_cells));
    }
}

void books_file_describe(struct books_file *file)
{
    struct books_header *header = &file->header;

    header->magic = BOOKS_MAGIC;
    header->version = BOOKS_VERSION;
    header->header_bytes = sizeof(*header);
    header->file_bytes = sizeof(*file);
    atomic_store(&header->state, BOOKS_OPEN);
    header->accounts = TABLE(accounts, ACCOUNTS);
    header->flows = TABLE(flows, FLOWS);
    header->numbers = TABLE(numbers, NUMBERS);
    header->agent = TABLE(agent, 1);
    header->outputs = TABLE(outputs, LEDGER_OUTPUTS);
    header->lanes = TABLE(lanes, LEDGER_SLOTS);
    header->name_bytes = LEDGER_NAME;
    header->input_at = offsetof(struct books, input);
    header->output_at = offsetof(struct books, output);
    header->rereadable_at = offsetof(struct books, rereadable);
    header->cells_at = offsetof(struct books, cells);
    header->closing_at = offsetof(struct books, closing);
    header->measured_at = offsetof(struct books, measured);
    header->numbers_at = offsetof(struct books, numbers);
    header->output_numbers_at = offsetof(struct books_output, numbers);
    describe_tables(file);
    describe_histograms(file);
}

static uint32_t checksum_of(struct slice bytes)
{
    static const unsigned char zeros[sizeof(uint32_t)];
    size_t before = offsetof(struct books_header, checksum);
    size_t after = before + sizeof(zeros);
    const unsigned char *data = (const unsigned char *)bytes.data;

    uLong sum = crc32_z(crc32_z(0, NULL, 0), data, before);
    sum = crc32_z(sum, zeros, sizeof(zeros));
    return (uint32_t)crc32_z(sum, data + after, bytes.bytes - after);
}

bool books_file_copy(const struct books_file *file, int64_t now_real_ns, struct buf *ret)
{
    uint32_t lanes = atomic_load_explicit(&file->header.lanes_used, memory_order_acquire);
    size_t bytes = offsetof(struct books_file, lanes) + lanes * sizeof(struct books);
    const _Atomic uint64_t *words = (const _Atomic uint64_t *)(const void *)file;
    struct books_header header;
    size_t start = ret->bytes;

    /* Word by word: others count meanwhile, and each counter is one word. */
    for (size_t i = 0; i < bytes / sizeof(uint64_t); i++) {
        uint64_t word = atomic_load_explicit(&words[i], memory_order_relaxed);
        if (!buf_add(ret, &word, sizeof(word)))
            return false;
    }
    memcpy(&header, ret->data + start, sizeof(header));
    header.file_bytes = bytes;
    header.lanes.rows = lanes;
    atomic_store(&header.lanes_used, lanes);
    header.saved_real_ns = now_real_ns;
    memcpy(ret->data + start, &header, sizeof(header));
    header.checksum = checksum_of((struct slice){ ret->data + start, bytes });
    memcpy(ret->data + start, &header, sizeof(header));
    return true;
}

/* ---- reading: the bytes ---- */

bool books_file_read(int fd, struct buf *ret, struct err *err)
{
    char chunk[16384];
    struct stat info;

    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
        return err_set(err, "it is not a file");
    ret->limit = BOOKS_FILE_MAX;
    for (;;) {
        ssize_t got = read(fd, chunk, sizeof(chunk));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_set(err, "%s", strerror(errno));
        if (got == 0)
            return true;
        if (!buf_add(ret, chunk, (size_t)got))
            return err_set(err, "it is too large");
    }
}

/* ---- reading: the description ---- */

static bool table_fits(const struct books_table *table, uint64_t file_bytes, size_t row_min,
                       uint32_t rows_max)
{
    return table->rows <= rows_max && table->row_bytes >= row_min && table->at <= file_bytes &&
           (uint64_t)table->rows * table->row_bytes <= file_bytes - table->at;
}

static bool lane_holds(const struct books_header *header, uint32_t at, uint64_t bytes)
{
    return at <= header->lanes.row_bytes && bytes <= header->lanes.row_bytes - at;
}

static bool layout_fits(const struct books_header *header)
{
    uint64_t bytes = header->file_bytes;

    return header->accounts.rows > 0 &&
           table_fits(&header->accounts, bytes, sizeof(struct books_account_row),
                      BOOKS_ACCOUNTS_MAX) &&
           table_fits(&header->flows, bytes, sizeof(struct books_flow_row), FLOWS_MAX) &&
           table_fits(&header->lanes, bytes, sizeof(uint64_t), LANES_MAX) &&
           atomic_load(&header->lanes_used) <= header->lanes.rows &&
           lane_holds(header, header->input_at, header->name_bytes) &&
           lane_holds(header, header->output_at, header->name_bytes) &&
           lane_holds(header, header->rereadable_at, sizeof(uint64_t));
}

void books_image_row(const struct books_image *image, const struct books_table *table,
                     uint32_t index, void *ret_row, size_t bytes)
{
    memcpy(ret_row, image->bytes.data + table->at + (size_t)index * table->row_bytes, bytes);
}

static bool rows_fit(const struct books_image *image)
{
    const struct books_header *header = &image->header;

    for (uint32_t i = 0; i < header->accounts.rows; i++) {
        struct books_account_row row;
        books_image_row(image, &header->accounts, i, &row, sizeof(row));
        if (memchr(row.name, '\0', sizeof(row.name)) == NULL)
            return false;
    }
    for (uint32_t i = 0; i < header->flows.rows; i++) {
        struct books_flow_row row;
        books_image_row(image, &header->flows, i, &row, sizeof(row));
        uint64_t end = ((uint64_t)row.first_cell + row.cells) * sizeof(struct cell);
        if (row.from >= header->accounts.rows || row.to >= header->accounts.rows ||
            row.cells > FLOW_CELLS_MAX || !lane_holds(header, header->cells_at, end))
            return false;
    }
    return true;
}

static bool texts_are_terminated(const struct books_header *header)
{
    return memchr(header->boot_id, '\0', BOOKS_ID) != NULL &&
           memchr(header->start_id, '\0', BOOKS_ID) != NULL;
}

bool books_image_open(struct books_image *ret, struct slice bytes, bool has_checksum,
                      struct err *err)
{
    struct books_image image = { .bytes = bytes };
    struct books_header *header = &image.header;

    if (bytes.bytes < sizeof(*header))
        return err_set(err, "it has only %zu bytes", bytes.bytes);
    memcpy(header, bytes.data, sizeof(*header));
    if (header->magic != BOOKS_MAGIC)
        return err_set(err, "it is not a file of books");
    if (header->version != BOOKS_VERSION || header->header_bytes != sizeof(*header))
        return err_set(err, "its version is %u, this build reads %d", header->version,
                       (int)BOOKS_VERSION);
    if (header->file_bytes != bytes.bytes)
        return err_set(err, "it has %zu bytes instead of %llu", bytes.bytes,
                       (unsigned long long)header->file_bytes);
    if (has_checksum && header->checksum != checksum_of(bytes))
        return err_set(err, "its checksum is wrong");
    uint32_t state = atomic_load(&header->state);
    if (state < BOOKS_OPEN || state > BOOKS_CRASHED || !texts_are_terminated(header) ||
        !layout_fits(header) || !rows_fit(&image))
        return err_set(err, "its description is damaged");
    memcpy(ret, &image, sizeof(image));
    return true;
}

struct amount books_image_moved(const struct books_image *image, const char *lane,
                                const struct books_flow_row *flow)
{
    struct amount sum = { 0, 0 };
    for (uint32_t i = 0; i < flow->cells; i++) {
        struct amount cell;
        size_t at = image->header.cells_at + ((size_t)flow->first_cell + i) * sizeof(struct cell);
        memcpy(&cell, lane + at, sizeof(cell));
        sum.events += cell.events;
        sum.bytes += cell.bytes;
    }
    return sum;
}
