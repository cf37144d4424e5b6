/* SPDX-License-Identifier: Apache-2.0 */
/* books_file: writing the description from the tables of this build, and reading that of any.
 * Reading copies each row out: rows of another build need not be aligned as ours. */
#include "ledger/books_file.h"

#include "base/json.h"
#include "ledger/books_numbers.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

/* More than these is no file of ours; they bound the work on a file that lies. */
enum { ACCOUNTS_MAX = 64, FLOWS_MAX = 256, FLOW_CELLS_MAX = 64, LANES_MAX = 4096 };
/* No agent ever held as many events or bytes: the counters are damaged. */
#define STOCK_MAX (INT64_C(1) << 48)

_Static_assert(sizeof(struct cell) == 16 && sizeof(struct measured) == 32,
               "counters are plain words");
_Static_assert(sizeof(struct histogram_cells) == (HISTOGRAM_BUCKETS + 1) * sizeof(uint64_t),
               "counters are plain words");
_Static_assert(sizeof(struct books_file) % sizeof(uint64_t) == 0, "copied in words");
_Static_assert(offsetof(struct books_file, lanes) % sizeof(uint64_t) == 0, "copied in words");
_Static_assert(sizeof(struct books_file) <= BOOKS_FILE_MAX, "we read our own files");
_Static_assert((int)ACCOUNTS <= (int)ACCOUNTS_MAX && (int)FLOWS <= (int)FLOWS_MAX &&
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
           table_fits(&header->accounts, bytes, sizeof(struct books_account_row), ACCOUNTS_MAX) &&
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

/* ---- reading: what was left ---- */

static bool read_name(const struct books_image *image, const char *lane, uint32_t at,
                      char ret_name[LEDGER_NAME])
{
    char escaped[6 * LEDGER_NAME + 32];
    size_t bytes = strnlen(lane + at, image->header.name_bytes);
    uint64_t replaced = 0;

    if (bytes == 0 || bytes >= LEDGER_NAME || bytes == image->header.name_bytes)
        return false;
    /* Names go into the log and the metrics, so they are text: the escaper knows what UTF-8 is. */
    (void)json_escape(escaped, (struct slice){ lane + at, bytes }, &replaced);
    if (replaced > 0)
        return false;
    memcpy(ret_name, lane + at, bytes);
    ret_name[bytes] = '\0';
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

/* The stock of each account of the file. Unsigned: wraps back where outflow was added first. */
static void sum_stocks(const struct books_image *image, const char *lane,
                       struct amount stocks[ACCOUNTS_MAX])
{
    memset(stocks, 0, ACCOUNTS_MAX * sizeof(*stocks));
    for (uint32_t i = 0; i < image->header.flows.rows; i++) {
        struct books_flow_row flow;
        books_image_row(image, &image->header.flows, i, &flow, sizeof(flow));
        struct amount moved = books_image_moved(image, lane, &flow);
        stocks[flow.to].events += moved.events;
        stocks[flow.to].bytes += moved.bytes;
        stocks[flow.from].events -= moved.events;
        stocks[flow.from].bytes -= moved.bytes;
    }
}

/* A copy taken while others counted may be below 0 by what moved meanwhile: then nothing is left.
 */
static bool settle(uint64_t *stock)
{
    int64_t value = (int64_t)*stock;

    if (value < 0)
        *stock = 0;
    return value < STOCK_MAX && value > -STOCK_MAX;
}

/* The account of that name. What this build does not know was held too: it was in memory. */
static enum account account_named(const char *name)
{
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        if (strcmp(account_infos[i].name, name) == 0)
            return (enum account)i;
    }
    return ACCOUNT_ring;
}

static enum flow closing_flow(enum account from, bool rereadable)
{
    enum flow crash = FLOWS;

    for (unsigned i = 0; i < FLOWS; i++) {
        if (flow_infos[i].from != from)
            continue;
        if (rereadable && flow_infos[i].to == ACCOUNT_world)
            return (enum flow)i;
        if (flow_infos[i].to == ACCOUNT_lost)
            crash = (enum flow)i;
    }
    return crash;
}

/* What was found on disk (R) against the stock of the spool (S): the lesser of both is handed over,
 * and R over S was written and not yet counted, out of ready, if that start had the spool at all.
 * What remains is closed like all else. R is without the batches that were done, but for their
 * marks: those are in no account any more. */
static void hand_over(uint64_t found, uint64_t *spool, uint64_t *ready, uint64_t *ret_from_spool,
                      uint64_t *ret_from_ready)
{
    *ret_from_spool = found < *spool ? found : *spool;
    *spool -= *ret_from_spool;
    found -= *ret_from_spool;
    *ret_from_ready = found < *ready ? found : *ready;
    *ready -= *ret_from_ready;
}

/* is_partial: what is missing may lie where nothing can be read now, which is no reason to call it
 * lost. */
static void hand_over_found(struct amount found, bool is_partial, struct amount *spool,
                            struct amount *ready, struct books_left *left)
{
    struct amount *from_spool = &left->closing[FLOW_hand_over];
    struct amount *from_ready = &left->closing[FLOW_hand_over_ready];

    hand_over(found.events, &spool->events, &ready->events, &from_spool->events,
              &from_ready->events);
    hand_over(found.bytes, &spool->bytes, &ready->bytes, &from_spool->bytes, &from_ready->bytes);
    if (!is_partial)
        return;
    left->unread = *spool;
    from_spool->events += spool->events;
    from_spool->bytes += spool->bytes;
    *spool = (struct amount){ 0, 0 };
}

/* Of books that were closed: what was left had its entries then. But a spool lives on. */
static bool is_closed_already(const struct books_image *image, const struct books_account_row *row)
{
    return atomic_load(&image->header.state) == BOOKS_CLOSED &&
           account_named(row->name) != ACCOUNT_spool;
}

/* Settles the stocks of what was held; found is taken out of those of spool and ready. */
static bool settle_stocks(const struct books_image *image, struct amount found, bool is_partial,
                          struct amount stocks[ACCOUNTS_MAX], struct books_left *left)
{
    struct amount none = { 0, 0 }, *spool = &none, *ready = &none;
    bool has_spool = books_image_output_number(image, left->output, NUMBER_spool_max_bytes) > 0;

    for (uint32_t i = 0; i < image->header.accounts.rows; i++) {
        struct books_account_row row;
        books_image_row(image, &image->header.accounts, i, &row, sizeof(row));
        if (row.held && (!settle(&stocks[i].events) || !settle(&stocks[i].bytes)))
            return false;
        if (row.held && account_named(row.name) == ACCOUNT_spool)
            spool = &stocks[i];
        if (row.held && account_named(row.name) == ACCOUNT_ready && has_spool &&
            !is_closed_already(image, &row))
            ready = &stocks[i];
    }
    hand_over_found(found, is_partial, spool, ready, left);
    return true;
}

static bool is_partial(const struct books_image *image, const char *output)
{
    for (size_t i = 0; i < image->found_count; i++) {
        if (image->found[i].input[0] == '\0' && strcmp(image->found[i].output, output) == 0)
            return true;
    }
    return false;
}

static uint64_t less(uint64_t from, uint64_t amount)
{
    return from > amount ? from - amount : 0;
}

/* Returns whether anything was left. */
static bool close_accounts(const struct books_image *image, const char *lane, struct amount on_disk,
                           struct books_left *left)
{
    struct amount stocks[ACCOUNTS_MAX];
    bool found;

    sum_stocks(image, lane, stocks);
    if (!settle_stocks(image, on_disk, is_partial(image, left->output), stocks, left)) {
        left->damaged = true;
        return true;
    }
    found = left->closing[FLOW_hand_over].events + left->closing[FLOW_hand_over].bytes +
                left->closing[FLOW_hand_over_ready].events >
            0;
    for (uint32_t i = 0; i < image->header.accounts.rows; i++) {
        struct books_account_row row;
        struct amount *stock = &stocks[i];
        books_image_row(image, &image->header.accounts, i, &row, sizeof(row));
        if (!row.held || is_closed_already(image, &row))
            continue;
        enum flow flow = closing_flow(account_named(row.name), left->rereadable);
        if (flow == FLOWS)
            continue;
        left->closing[flow].events += stock->events;
        left->closing[flow].bytes += stock->bytes;
        found = found || stock->events > 0 || stock->bytes > 0;
    }
    return found;
}

static struct amount find_found(const struct books_image *image, unsigned lane,
                                const struct books_left *left)
{
    struct amount found = { 0, 0 };

    for (size_t i = 0; i < image->found_count; i++) {
        const struct ledger_found *item = &image->found[i];
        if (strcmp(item->input, left->input) == 0 && strcmp(item->output, left->output) == 0)
            found = item->amount;
    }
    found.events =
        less(found.events, books_image_lane_number(image, lane, NUMBER_spool_unmarked_events));
    found.bytes =
        less(found.bytes, books_image_lane_number(image, lane, NUMBER_spool_unmarked_bytes));
    return found;
}

bool books_image_left(const struct books_image *image, unsigned lane, struct books_left *ret)
{
    const struct books_header *header = &image->header;
    const char *row = books_image_lane(image, lane);
    uint64_t rereadable;

    memset(ret, 0, sizeof(*ret));
    memcpy(&rereadable, row + header->rereadable_at, sizeof(rereadable));
    ret->rereadable = rereadable != 0;
    if (!read_name(image, row, header->input_at, ret->input) ||
        !read_name(image, row, header->output_at, ret->output)) {
        ret->damaged = true;
        return true;
    }
    bool has_left = close_accounts(image, row, find_found(image, lane, ret), ret);
    if (ret->damaged)
        memset(ret->closing, 0, sizeof(ret->closing));
    return has_left;
}
