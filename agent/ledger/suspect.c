/* SPDX-License-Identifier: Apache-2.0 */
/* suspect: the flows of the dead start tell whether anything left, its gauges what was in hand. */
#include "ledger/suspect.h"

/* More than this is no count of ours. */
#define COUNT_MAX (UINT64_C(1) << 48)

static const struct suspect none = { 0, 0 };

static bool has_crashed(const struct books_image *image)
{
    return atomic_load(&image->header.state) == BOOKS_CRASHED;
}

/* Is the row of a table, with its numbers in it, within the file? */
static bool holds_numbers(const struct books_image *image, const struct books_table *table,
                          uint32_t numbers_at)
{
    const struct books_table *names = &image->header.numbers;
    uint64_t all = image->header.file_bytes;

    return names->row_bytes >= sizeof(struct books_number_row) && names->at <= all &&
           (uint64_t)names->rows * names->row_bytes <= all - names->at && table->at <= all &&
           (uint64_t)table->rows * table->row_bytes <= all - table->at &&
           numbers_at + (uint64_t)names->rows * sizeof(uint64_t) <= table->row_bytes;
}

/* numbers: where those of the lane or output begin. */
static uint64_t number_named(const struct books_image *image, const char *numbers, const char *name)
{
    uint64_t value = 0;

    for (uint32_t i = 0; i < image->header.numbers.rows; i++) {
        struct books_number_row row;
        books_image_row(image, &image->header.numbers, i, &row, sizeof(row));
        if (strncmp(row.name, name, sizeof(row.name)) == 0)
            memcpy(&value, numbers + (size_t)i * sizeof(value), sizeof(value));
    }
    return value < COUNT_MAX ? value : 0;
}

static const char *row_of(const struct books_image *image, const struct books_table *table,
                          unsigned index)
{
    return image->bytes.data + table->at + (size_t)index * table->row_bytes;
}

/* A flow of the file, and the accounts between which it moves. */
struct move {
    struct books_flow_row flow;
    struct books_account_row from, to;
    uint64_t events;
};

static struct move read_move(const struct books_image *image, const char *lane, uint32_t index)
{
    struct move move;

    books_image_row(image, &image->header.flows, index, &move.flow, sizeof(move.flow));
    books_image_row(image, &image->header.accounts, move.flow.from, &move.from, sizeof(move.from));
    books_image_row(image, &image->header.accounts, move.flow.to, &move.to, sizeof(move.to));
    move.events = books_image_moved(image, lane, &move.flow).events;
    return move;
}

static bool is_account(const struct books_account_row *row, enum account account)
{
    return strcmp(row->name, account_infos[account].name) == 0;
}

struct suspect suspect_lane(const struct books_image *image, unsigned lane)
{
    const struct books_header *header = &image->header;
    const char *row = row_of(image, &header->lanes, lane);
    const char *numbers = row + header->numbers_at;
    uint64_t taken;

    if (!has_crashed(image) || !holds_numbers(image, &header->lanes, header->numbers_at))
        return none;
    taken = number_named(image, numbers, number_infos[NUMBER_run_events].name);
    for (uint32_t i = 0; i < header->flows.rows; i++) {
        struct move move = read_move(image, row, i);
        bool left = move.from.held && (!move.to.held || is_account(&move.to, ACCOUNT_spool));
        if (left && move.events > 0)
            return none;
        /* What was carried over in the spool was not read. */
        if (is_account(&move.from, ACCOUNT_world) && !is_account(&move.to, ACCOUNT_spool) &&
            strcmp(move.flow.name, flow_infos[FLOW_upstream_loss].name) != 0)
            taken += move.events;
    }
    if (taken == 0 || taken >= COUNT_MAX)
        return none;
    return (struct suspect){ number_named(image, numbers, number_infos[NUMBER_crashes].name) + 1,
                             taken };
}

/* What is set aside was not done: a start that dies while it does that gets nowhere. */
static bool has_left_spool(const struct books_image *image, const char *lane)
{
    for (uint32_t i = 0; i < image->header.flows.rows; i++) {
        struct move move = read_move(image, lane, i);
        if (is_account(&move.from, ACCOUNT_spool) && move.events > 0 &&
            strcmp(move.flow.name, flow_infos[FLOW_quarantine_spool].name) != 0)
            return true;
    }
    return false;
}

static bool has_progress(const struct books_image *image, const char *output)
{
    const struct books_header *header = &image->header;

    for (unsigned i = 0; i < atomic_load(&header->lanes_used); i++) {
        const char *lane = row_of(image, &header->lanes, i);
        if (strncmp(lane + header->output_at, output, header->name_bytes) == 0 &&
            has_left_spool(image, lane))
            return true;
    }
    return false;
}

struct suspect suspect_spool(const struct books_image *image, const char *output)
{
    const struct books_header *header = &image->header;
    const struct books_table *outputs = &header->outputs;

    if (!has_crashed(image) || outputs->row_bytes < header->name_bytes ||
        !holds_numbers(image, outputs, header->output_numbers_at))
        return none;
    for (unsigned i = 0; i < outputs->rows && i < atomic_load(&header->outputs_used); i++) {
        const char *row = row_of(image, outputs, i);
        const char *numbers = row + header->output_numbers_at;
        uint64_t in_hand = number_named(image, numbers, number_infos[NUMBER_spool_in_hand].name);
        if (strncmp(row, output, header->name_bytes) != 0)
            continue;
        if (in_hand == 0 || has_progress(image, output))
            return none;
        return (struct suspect){
            number_named(image, numbers, number_infos[NUMBER_spool_crashes].name) + 1, in_hand
        };
    }
    return none;
}
