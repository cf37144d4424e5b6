/* SPDX-License-Identifier: Apache-2.0 */
/* books_layout: how the books lie in memory and on disk: see books_file.h. */
#pragma once

#include "ledger/ledger.h"

#define BOOKS_MAGIC UINT64_C(0x534b4f4f424c5053) /* "SPLBOOKS" on a little-endian host */
enum {
    BOOKS_VERSION = 1, /* of the header; other tables need no new one */
    BOOKS_ID = 40,
    BOOKS_PATH = 256,
    BOOKS_ROW_NAME = 32,
    BOOKS_FILE_MAX = 16 * 1024 * 1024, /* larger is not one of ours */
};
/* CRASHED: it died of a fault of its own (SIGSEGV, SIGABRT …); killed or switched off, it is OPEN.
 */
enum books_state { BOOKS_OPEN = 1, BOOKS_CLOSED = 2, BOOKS_CRASHED = 3 };

/* ---- which counters belong to whom, by the compiler ---- */

#define BOOKS_CELLS_OF(is_batch) ((is_batch) ? (int)LEDGER_CELLS : 1)
enum {
#define FLOW(name, from, to, doc)                                                                  \
    CELL_##name,                                                                                   \
        CELL_LAST_##name =                                                                         \
            CELL_##name - 1 +                                                                      \
            BOOKS_CELLS_OF(ACCOUNT_##from == ACCOUNT_batch || ACCOUNT_##to == ACCOUNT_batch),
#include "ledger/flows.def"
    BOOKS_CELLS
};
enum {
#define ACCOUNT(name, held, doc)                                                                   \
    MEASURED_##name,                                                                               \
        MEASURED_LAST_##name =                                                                     \
            MEASURED_##name - 1 + ((held) ? BOOKS_CELLS_OF(ACCOUNT_##name == ACCOUNT_batch) : 0),
#include "ledger/accounts.def"
    BOOKS_MEASURED
};

struct counter_span {
    uint32_t first, count;
};
extern const struct counter_span books_flow_cells[FLOWS];
extern const struct counter_span books_account_measured[ACCOUNTS];

/* ---- the file, all native to the host ---- */

struct books_table {
    uint32_t at, rows, row_bytes, reserved; /* at: bytes from the start of the file */
};
struct books_header {
    uint64_t magic;
    uint32_t version, header_bytes;
    uint64_t file_bytes;
    uint32_t checksum; /* of a saved copy: CRC-32 of the file, this field taken as 0 */
    _Atomic uint32_t state;
    _Atomic uint32_t lanes_used, outputs_used;
    int64_t pid, started_boot_ms, started_real_ns, saved_real_ns;
    char boot_id[BOOKS_ID], start_id[BOOKS_ID], agent_id[BOOKS_ID], agent_version[BOOKS_ID];
    char state_dir[BOOKS_PATH];
    struct books_table accounts, flows, numbers, lanes, outputs, agent;
    /* Inside a lane's row; inside an output's row its name is at 0. */
    uint32_t name_bytes, input_at, output_at, rereadable_at;
    uint32_t cells_at, closing_at, measured_at, numbers_at; /* rows of the structs below */
    uint32_t output_numbers_at;
    uint32_t histograms_at; /* struct books_histograms; 0: of a build that had none */
};
struct books_account_row {
    char name[BOOKS_ROW_NAME];
    uint32_t held, first_measured, measured, reserved;
};
struct books_flow_row {
    char name[BOOKS_ROW_NAME];
    uint32_t from, to, first_cell, cells; /* from, to: rows of the accounts */
};
struct books_number_row {
    char name[BOOKS_ROW_NAME];
    uint32_t scope, kind;
};
struct books_histograms {
    struct books_table rows, bounds; /* bounds: a uint64_t each, in ms, rising */
};

struct cell {
    _Atomic uint64_t events, bytes;
};
struct measured {
    struct cell held;
    _Atomic int64_t differing_events, differing_bytes; /* held less the books */
};
struct numbers {
    _Atomic uint64_t values[NUMBERS];
    struct histogram_cells histograms[HISTOGRAMS];
};
struct books {
    char input[LEDGER_NAME], output[LEDGER_NAME];
    _Atomic uint64_t rereadable;
    struct cell cells[BOOKS_CELLS];
    struct cell closing[FLOWS]; /* entries that closed the books of the start before */
    struct measured measured[BOOKS_MEASURED];
    struct numbers numbers;
};
struct books_output {
    char name[LEDGER_NAME];
    struct numbers numbers;
};
struct books_file {
    struct books_header header;
    struct books_account_row accounts[ACCOUNTS];
    struct books_flow_row flows[FLOWS];
    struct books_number_row numbers[NUMBERS];
    struct books_histograms histograms;
    struct books_histogram_row histogram_rows[HISTOGRAMS];
    uint64_t bounds[HISTOGRAM_BUCKETS];
    struct numbers agent;
    struct books_output outputs[LEDGER_OUTPUTS];
    struct books lanes[LEDGER_SLOTS];
};
