/* SPDX-License-Identifier: Apache-2.0 */
/* suspect: the flows of the dead start tell whether anything left, its gauges what was in hand. */
#include "ledger/suspect.h"

#include "ledger/books_numbers.h"
#include "ledger/fatal_record.h"

#define COUNT_MAX BOOKS_NUMBER_MAX

static const struct suspect none = { 0, 0 };

static bool has_crashed(const struct books_image *image)
{
    return atomic_load(&image->header.state) == BOOKS_CRASHED;
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
    const char *row = books_image_lane(image, lane);
    uint64_t taken;

    if (!has_crashed(image) || !books_image_has_lane_numbers(image) ||
        books_image_lane_number(image, lane, NUMBER_positions_moved) > 0)
        return none;
    taken = books_image_lane_number(image, lane, NUMBER_run_events);
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
    if (taken == 0 || taken >= COUNT_MAX || fatal_record_was(image))
        return none;
    return (struct suspect){ books_image_lane_number(image, lane, NUMBER_crashes) + 1, taken };
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
        const char *lane = books_image_lane(image, i);
        if (strncmp(lane + header->output_at, output, header->name_bytes) == 0 &&
            has_left_spool(image, lane))
            return true;
    }
    return false;
}

struct suspect suspect_spool(const struct books_image *image, const char *output)
{
    uint64_t in_hand = books_image_output_number(image, output, NUMBER_spool_in_hand);

    if (!has_crashed(image) || in_hand == 0 || has_progress(image, output) ||
        fatal_record_was(image))
        return none;
    return (struct suspect){ books_image_output_number(image, output, NUMBER_spool_crashes) + 1,
                             in_hand };
}

void suspect_note_spools(const struct books_image *dead, struct ledger *ledger)
{
    for (size_t i = 0; i < dead->found_count; i++) {
        const char *output = dead->found[i].output;
        struct suspect suspect = suspect_spool(dead, output);
        struct numbers *numbers =
            suspect.crashes > 0 ? ledger_output_numbers(ledger, output) : NULL;
        if (numbers == NULL)
            continue;
        numbers_set(numbers, NUMBER_spool_crashes, suspect.crashes);
        numbers_set(numbers, NUMBER_spool_in_hand, suspect.in_hand);
    }
}
