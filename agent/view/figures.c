/* SPDX-License-Identifier: Apache-2.0 */
/* figures: all that is known of accounts and numbers by name is at the top; a file that lacks one
 * of them has no such figure. */
#include "view/figures.h"

#include <math.h>
#include <stdlib.h>

/* More reasons in more lanes than any agent has: what a file that lies may cost. */
enum { DROPS_MAX = 16384 };

/* Rows of the file for the names that mean something here; -1: it has none. */
struct known {
    int world, delivered, filtered, dropped, lost;
    int used, capacity, shedding, oldest;
    int attempts, failures, retries, sent, in_flight, limit, breaker, memory, memory_limit;
    int spool, spool_max;
};

static struct known know(const struct books_reader *reader)
{
    return (struct known){
        .world = books_reader_account(reader, "world"),
        .delivered = books_reader_account(reader, "delivered"),
        .filtered = books_reader_account(reader, "filtered"),
        .dropped = books_reader_account(reader, "dropped"),
        .lost = books_reader_account(reader, "lost"),
        .used = books_reader_number(reader, "lane_used_bytes"),
        .capacity = books_reader_number(reader, "lane_capacity_bytes"),
        .shedding = books_reader_number(reader, "lane_shedding"),
        .oldest = books_reader_number(reader, "lane_oldest_seconds"),
        .attempts = books_reader_number(reader, "attempts"),
        .failures = books_reader_number(reader, "failures"),
        .retries = books_reader_number(reader, "retries"),
        .sent = books_reader_number(reader, "sent_bytes"),
        .in_flight = books_reader_number(reader, "requests_in_flight"),
        .limit = books_reader_number(reader, "concurrency_limit"),
        .breaker = books_reader_number(reader, "breaker_state"),
        .memory = books_reader_number(reader, "sealed_memory_bytes"),
        .memory_limit = books_reader_number(reader, "sealed_memory_limit_bytes"),
        .spool = books_reader_number(reader, "spool_bytes"),
        .spool_max = books_reader_number(reader, "spool_max_bytes"),
    };
}

const char *figures_meaning(const char *flow_name)
{
    for (unsigned i = 0; i < FLOWS; i++) {
        if (strcmp(flow_infos[i].name, flow_name) == 0)
            return flow_infos[i].doc;
    }
    return "";
}

double figures_value(const struct books_reader *reader, int number, uint64_t raw)
{
    if (number < 0)
        return NAN;
    return reader->numbers[number].kind == KIND_thousandths ? (double)raw / 1000 : (double)raw;
}

/* ---- rates ---- */

/* The readings, and how the earlier one's rows are found. */
struct pair {
    const struct books_reader *now, *before; /* before NULL: no rates */
    struct known known;
    double seconds;
};

static struct pair make_pair(const struct books_reader *now, const struct books_reader *before,
                             double seconds)
{
    bool is_pair = before != NULL && seconds > 0 &&
                   strcmp(now->image.header.start_id, before->image.header.start_id) == 0 &&
                   now->flow_count == before->flow_count &&
                   now->number_count == before->number_count;

    return (struct pair){ now, is_pair ? before : NULL, know(now), is_pair ? seconds : NAN };
}

/* A counter read while it is counted in may seem to fall by a hair: that is no rate. */
static double rate(const struct pair *pair, uint64_t now, uint64_t before)
{
    return now < before ? 0 : (double)(now - before) / pair->seconds;
}

/* A slot is never used again within a start, so a lane keeps its index. */
static bool had_lane(const struct pair *pair, unsigned lane)
{
    return pair->before != NULL && lane < pair->before->lane_count;
}

static struct moved moved_by(const struct pair *pair, unsigned lane, unsigned flow)
{
    struct moved moved = { books_reader_flow(pair->now, lane, flow), NAN };
    uint64_t before = had_lane(pair, lane) ? books_reader_flow(pair->before, lane, flow).events : 0;

    if (pair->before != NULL)
        moved.per_s = rate(pair, moved.total.events, before);
    return moved;
}

static void add_amount(struct amount *sum, struct amount more)
{
    sum->events += more.events;
    sum->bytes += more.bytes;
}

static void add_moved(struct moved *sum, struct moved more)
{
    add_amount(&sum->total, more.total);
    sum->per_s += more.per_s;
}

static void take_moved(struct moved *sum, struct moved less)
{
    sum->total.events -= less.total.events;
    sum->total.bytes -= less.total.bytes;
    sum->per_s = less.per_s > sum->per_s ? 0 : sum->per_s - less.per_s;
}

/* ---- lanes ---- */

static void sum_flows(const struct pair *pair, unsigned lane, struct lane_figures *ret)
{
    const struct known *known = &pair->known;
    struct moved none = { .per_s = pair->before == NULL ? NAN : 0 };
    struct moved returned = none;

    ret->received = ret->delivered = ret->filtered = ret->dropped = none;
    for (unsigned i = 0; i < pair->now->flow_count; i++) {
        const struct books_flow_row *row = &pair->now->flows[i];
        int from = (int)row->from, to = (int)row->to;
        struct moved moved = moved_by(pair, lane, i);
        struct amount closing = books_reader_closing(pair->now, lane, i);
        if (from == known->world)
            add_moved(&ret->received, moved);
        if (to == known->delivered)
            add_moved(&ret->delivered, moved);
        if (to == known->filtered)
            add_moved(&ret->filtered, moved);
        if (to == known->dropped)
            add_moved(&ret->dropped, moved);
        if (to == known->lost) {
            add_amount(&ret->lost, moved.total);
            add_amount(&ret->lost, closing);
        }
        if (to == known->world) {
            add_moved(&returned, moved);
            add_amount(&ret->replayed, moved.total);
            add_amount(&ret->replayed, closing);
        }
    }
    take_moved(&ret->received, returned);
}

static void sum_stocks(const struct books_reader *reader, unsigned lane, struct lane_figures *ret)
{
    uint64_t balance = 0;

    for (unsigned i = 0; i < reader->account_count; i++) {
        int64_t difference;
        unsigned differing;
        if (!reader->accounts[i].held)
            continue;
        add_amount(&ret->held, books_reader_stock(reader, lane, i, &difference, &differing));
        balance += (uint64_t)difference;
        ret->differing += differing;
    }
    ret->balance = (int64_t)balance;
}

static double lane_value(const struct books_reader *reader, unsigned lane, int number)
{
    return number < 0 ? NAN
                      : figures_value(reader, number,
                                      books_reader_lane_value(reader, lane, (unsigned)number));
}

/* NAN where the whole is not known or nothing. */
static double share_of(double part, double whole)
{
    if (!(whole > 0) || isnan(part))
        return NAN;
    return part > whole ? 1 : part / whole;
}

static void fill_lane(const struct pair *pair, unsigned lane, struct lane_figures *ret)
{
    const struct books_reader *reader = pair->now;
    const struct known *known = &pair->known;

    memset(ret, 0, sizeof(*ret));
    books_reader_lane_names(reader, lane, ret->input, ret->output);
    sum_flows(pair, lane, ret);
    sum_stocks(reader, lane, ret);
    ret->fill =
        share_of(lane_value(reader, lane, known->used), lane_value(reader, lane, known->capacity));
    ret->oldest_s = lane_value(reader, lane, known->oldest);
    ret->is_shedding = lane_value(reader, lane, known->shedding) > 0;
}

/* ---- outputs ---- */

static double output_value(const struct books_reader *reader, unsigned output, int number)
{
    return number < 0 ? NAN
                      : figures_value(reader, number,
                                      books_reader_output_value(reader, output, (unsigned)number));
}

static double output_rate(const struct pair *pair, unsigned output, int number)
{
    if (pair->before == NULL || number < 0)
        return NAN;
    uint64_t before = output < pair->before->output_count
                          ? books_reader_output_value(pair->before, output, (unsigned)number)
                          : 0;
    return rate(pair, books_reader_output_value(pair->now, output, (unsigned)number), before);
}

static void fill_output(const struct pair *pair, unsigned output, const struct figures *figures,
                        struct output_figures *ret)
{
    const struct books_reader *reader = pair->now;
    const struct known *known = &pair->known;
    double none = pair->before == NULL ? NAN : 0;

    memset(ret, 0, sizeof(*ret));
    books_reader_output_name(reader, output, ret->name);
    ret->received.per_s = ret->delivered.per_s = ret->dropped.per_s = none;
    for (unsigned i = 0; i < figures->lane_count; i++) {
        const struct lane_figures *lane = &figures->lanes[i];
        if (strcmp(lane->output, ret->name) != 0)
            continue;
        add_moved(&ret->received, lane->received);
        add_moved(&ret->delivered, lane->delivered);
        add_moved(&ret->dropped, lane->dropped);
        add_amount(&ret->held, lane->held);
    }
    ret->requests_per_s = output_rate(pair, output, known->attempts);
    ret->failures_per_s = output_rate(pair, output, known->failures);
    ret->retries_per_s = output_rate(pair, output, known->retries);
    ret->sent_bytes_per_s = output_rate(pair, output, known->sent);
    ret->in_flight = output_value(reader, output, known->in_flight);
    ret->limit = output_value(reader, output, known->limit);
    ret->memory_fill = share_of(output_value(reader, output, known->memory),
                                output_value(reader, output, known->memory_limit));
    ret->spool_max = output_value(reader, output, known->spool_max);
    ret->spool_bytes = ret->spool_max > 0 ? output_value(reader, output, known->spool) : NAN;
    double breaker = output_value(reader, output, known->breaker);
    ret->breaker = breaker >= 2   ? BREAKER_FIGURE_OPEN
                   : breaker >= 1 ? BREAKER_FIGURE_HALF_OPEN
                                  : BREAKER_FIGURE_CLOSED;
}

/* ---- reasons ---- */

static int compare_drops(const void *left, const void *right)
{
    const struct drop_figures *a = left, *b = right;

    if (!isnan(a->moved.per_s) && a->moved.per_s != b->moved.per_s)
        return a->moved.per_s < b->moved.per_s ? 1 : -1;
    if (a->moved.total.events != b->moved.total.events)
        return a->moved.total.events < b->moved.total.events ? 1 : -1;
    if (a->lane != b->lane)
        return a->lane > b->lane ? 1 : -1;
    return a->flow > b->flow ? 1 : -1;
}

static bool list_drops(const struct pair *pair, struct figures *figures)
{
    struct drop_figures *drops = calloc(DROPS_MAX, sizeof(*drops));
    unsigned count = 0;

    if (drops == NULL)
        return false;
    for (unsigned lane = 0; lane < figures->lane_count; lane++) {
        if (figures->lanes[lane].dropped.total.events == 0 &&
            figures->lanes[lane].dropped.total.bytes == 0)
            continue;
        for (unsigned flow = 0; flow < pair->now->flow_count && count < DROPS_MAX; flow++) {
            if ((int)pair->now->flows[flow].to != pair->known.dropped)
                continue;
            struct moved moved = moved_by(pair, lane, flow);
            if (moved.total.events > 0 || moved.total.bytes > 0)
                drops[count++] = (struct drop_figures){ lane, flow, moved };
        }
    }
    if (count > 0)
        qsort(drops, count, sizeof(*drops), compare_drops);
    figures->drops = drops;
    figures->drop_count = count;
    return true;
}

struct figures *figures_new(const struct books_reader *now, const struct books_reader *before,
                            double seconds)
{
    struct pair pair = make_pair(now, before, seconds);
    struct figures *figures = calloc(1, sizeof(*figures));

    if (figures == NULL)
        return NULL;
    figures->reader = now;
    figures->seconds = pair.seconds;
    figures->lanes = calloc(now->lane_count + 1U, sizeof(*figures->lanes));
    figures->outputs = calloc(now->output_count + 1U, sizeof(*figures->outputs));
    if (figures->lanes == NULL || figures->outputs == NULL) {
        figures_free(&figures);
        return NULL;
    }
    figures->lane_count = now->lane_count;
    figures->output_count = now->output_count;
    for (unsigned i = 0; i < now->lane_count; i++)
        fill_lane(&pair, i, &figures->lanes[i]);
    for (unsigned i = 0; i < now->output_count; i++)
        fill_output(&pair, i, figures, &figures->outputs[i]);
    if (!list_drops(&pair, figures))
        figures_free(&figures);
    return figures;
}

void figures_free(struct figures **figuresp)
{
    struct figures *figures = *figuresp;

    *figuresp = NULL;
    if (figures == NULL)
        return;
    free(figures->lanes);
    free(figures->outputs);
    free(figures->drops);
    free(figures);
}
