/* SPDX-License-Identifier: Apache-2.0 */
/* sections: a table is a list of columns in the order in which they are shown, each with its rank:
 * where the width does not do for all of them, those of the lowest rank go first. */
#include "view/sections.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    NAME_MIN = 12,
    NAME_WANTED = 24,
    NAMES_MAX = 2 * LEDGER_NAME + 4,
    ATTENTIONS_MAX = 5,
    MEANING_FROM = 60
};

/* ---- tables ---- */

struct column {
    const char *heading;
    unsigned width; /* without the space before it */
    unsigned rank;  /* 0: always there */
};
enum { COLUMNS_MAX = 16 };
struct table {
    const struct column *columns;
    unsigned count, name_width;
    bool is_shown[COLUMNS_MAX];
};

/* The name gets what the columns leave, at least NAME_MIN while it is no longer itself. */
static struct table lay_out(const struct column *columns, unsigned count, unsigned width,
                            unsigned longest_name)
{
    struct table table = { .columns = columns, .count = count };
    unsigned name = longest_name < NAME_MIN ? longest_name : NAME_MIN;
    unsigned used = 0;

    for (unsigned rank = 0; rank < count; rank++) {
        unsigned i = 0;
        while (i < count && columns[i].rank != rank)
            i++;
        if (i == count || name + used + 1 + columns[i].width > width)
            break;
        used += 1 + columns[i].width;
        table.is_shown[i] = true;
        if (rank == 2 && longest_name > NAME_MIN) /* more of the name before more columns */
            name = longest_name < NAME_WANTED ? longest_name : NAME_WANTED;
    }
    table.name_width = width - used < longest_name ? width - used : longest_name;
    return table;
}

static void draw_heading(struct painter *painter, const struct table *table, const char *name)
{
    painter_field(painter, STYLE_HEADING, table->name_width, false, name);
    for (unsigned i = 0; i < table->count; i++) {
        if (!table->is_shown[i])
            continue;
        painter_text(painter, STYLE_HEADING, " ");
        painter_field(painter, STYLE_HEADING, table->columns[i].width, true,
                      table->columns[i].heading);
    }
    painter_end_line(painter);
}

static void draw_cell(struct painter *painter, const struct table *table, unsigned column,
                      enum screen_style style, const char *text)
{
    if (!table->is_shown[column])
        return;
    painter_text(painter, STYLE_PLAIN, " ");
    painter_field(painter, style, table->columns[column].width, true, text);
}

static void name_lane(const struct lane_figures *lane, char ret_name[NAMES_MAX])
{
    (void)snprintf(ret_name, NAMES_MAX, "%s > %s", lane->input, lane->output);
}

/* ---- what is wrong ---- */

static void say(struct painter *painter, enum screen_style style, const char *text, unsigned *said)
{
    painter_wrapped(painter, style, text);
    (*said)++;
}

static void tell_breakers(struct painter *painter, const struct figures *figures, unsigned *said)
{
    char text[SOURCE_TEXT], held[NUMBER_TEXT];

    for (unsigned i = 0; i < figures->output_count && *said < ATTENTIONS_MAX; i++) {
        const struct output_figures *output = &figures->outputs[i];
        if (output->breaker == BREAKER_FIGURE_CLOSED)
            continue;
        (void)snprintf(text, sizeof(text), "%s: its circuit breaker is %s, %s events are held",
                       output->name, output->breaker == BREAKER_FIGURE_OPEN ? "OPEN" : "half-open",
                       number_text((double)output->held.events, held));
        say(painter, output->breaker == BREAKER_FIGURE_OPEN ? STYLE_BAD : STYLE_WARN, text, said);
    }
}

static void tell_drops(struct painter *painter, const struct figures *figures, unsigned *said)
{
    char text[SOURCE_TEXT], name[NAMES_MAX], rate[NUMBER_TEXT];

    for (unsigned i = 0; i < figures->drop_count && *said < ATTENTIONS_MAX; i++) {
        const struct drop_figures *drop = &figures->drops[i];
        const char *flow = figures->reader->flows[drop->flow].name;
        const char *meaning = painter->screen->width >= MEANING_FROM ? figures_meaning(flow) : "";
        if (!(drop->moved.per_s > 0))
            continue;
        name_lane(&figures->lanes[drop->lane], name);
        (void)snprintf(text, sizeof(text), "%s drops %s a second: %s%s%s", name,
                       rate_text(drop->moved.per_s, rate), flow, meaning[0] != '\0' ? ", " : "",
                       meaning);
        say(painter, STYLE_BAD, text, said);
    }
}

static void tell_lanes(struct painter *painter, const struct figures *figures, unsigned *said)
{
    char text[SOURCE_TEXT], name[NAMES_MAX];

    for (unsigned i = 0; i < figures->lane_count && *said < ATTENTIONS_MAX; i++) {
        const struct lane_figures *lane = &figures->lanes[i];
        name_lane(lane, name);
        if (lane->differing > 0) {
            (void)snprintf(text, sizeof(text),
                           "%s: the books differ from what is there by %lld events: a bug", name,
                           (long long)lane->balance);
            say(painter, STYLE_BAD, text, said);
        }
        if (lane->is_shedding) {
            (void)snprintf(text, sizeof(text), "%s sheds", name);
            say(painter, STYLE_WARN, text, said);
        }
    }
}

void sections_attention(struct painter *painter, const struct figures *figures,
                        const struct source *source)
{
    char text[SOURCE_TEXT];
    unsigned said = 0;

    (void)source_caution(source, text);
    if (text[0] != '\0') {
        bool is_bad = source->trouble[0] != '\0' || source->found->holder == HOLDER_GONE;
        painter_wrapped(painter, is_bad ? STYLE_BAD : STYLE_WARN, text);
    }
    tell_breakers(painter, figures, &said);
    tell_drops(painter, figures, &said);
    tell_lanes(painter, figures, &said);
    if (said == 0 && isnan(figures->seconds))
        painter_wrapped(painter, STYLE_PLAIN, "no breaker is open, no lane sheds; no rates");
    else if (said == 0)
        painter_wrapped(painter, STYLE_GOOD, "nothing is being dropped, no breaker is open");
}

/* ---- outputs ---- */

enum {
    OUT_BREAKER,
    OUT_REQUESTS,
    OUT_IN,
    OUT_OUT,
    OUT_DROP,
    OUT_HELD,
    OUT_MEMORY,
    OUT_SPOOL,
    OUT_RATE,
    OUT_FAILURES,
    OUT_RETRIES,
    OUT_SENT,
    OUT_COLUMNS
};
static const struct column output_columns[OUT_COLUMNS] = {
    [OUT_BREAKER] = { "BREAKER", 9, 0 }, [OUT_REQUESTS] = { "REQS", 7, 1 },
    [OUT_IN] = { "IN/s", 6, 5 },         [OUT_OUT] = { "OUT/s", 6, 2 },
    [OUT_DROP] = { "DROP/s", 6, 3 },     [OUT_HELD] = { "HELD", 6, 4 },
    [OUT_MEMORY] = { "MEMORY", 13, 6 },  [OUT_SPOOL] = { "SPOOL", 6, 11 },
    [OUT_RATE] = { "REQ/s", 6, 8 },      [OUT_FAILURES] = { "FAIL/s", 6, 7 },
    [OUT_RETRIES] = { "RETRY/s", 7, 9 }, [OUT_SENT] = { "SENT B/s", 8, 10 },
};

static void draw_output(struct painter *painter, const struct table *table,
                        const struct output_figures *output)
{
    static const char *const breakers[] = { "closed", "half-open", "OPEN" };
    static const enum screen_style styles[] = { STYLE_GOOD, STYLE_WARN, STYLE_BAD };
    char text[NUMBER_TEXT], other[NUMBER_TEXT], both[2 * NUMBER_TEXT], bar[BAR_TEXT];

    painter_field(painter, STYLE_PLAIN, table->name_width, false, output->name);
    draw_cell(painter, table, OUT_BREAKER, styles[output->breaker], breakers[output->breaker]);
    (void)snprintf(both, sizeof(both), "%s/%s", number_text(output->in_flight, text),
                   output->limit < 1 ? rate_text(output->limit, other)
                                     : number_text(floor(output->limit), other));
    draw_cell(painter, table, OUT_REQUESTS, STYLE_PLAIN, both);
    draw_cell(painter, table, OUT_IN, STYLE_PLAIN, rate_text(output->received.per_s, text));
    draw_cell(painter, table, OUT_OUT, STYLE_PLAIN, rate_text(output->delivered.per_s, text));
    draw_cell(painter, table, OUT_DROP, output->dropped.per_s > 0 ? STYLE_BAD : STYLE_PLAIN,
              rate_text(output->dropped.per_s, text));
    draw_cell(painter, table, OUT_HELD, STYLE_PLAIN,
              number_text((double)output->held.events, text));
    draw_cell(painter, table, OUT_MEMORY, STYLE_PLAIN, bar_text(output->memory_fill, bar));
    draw_cell(painter, table, OUT_SPOOL, STYLE_PLAIN, bytes_text(output->spool_bytes, text));
    draw_cell(painter, table, OUT_RATE, STYLE_PLAIN, rate_text(output->requests_per_s, text));
    draw_cell(painter, table, OUT_FAILURES, output->failures_per_s > 0 ? STYLE_WARN : STYLE_PLAIN,
              rate_text(output->failures_per_s, text));
    draw_cell(painter, table, OUT_RETRIES, STYLE_PLAIN, rate_text(output->retries_per_s, text));
    draw_cell(painter, table, OUT_SENT, STYLE_PLAIN, bytes_text(output->sent_bytes_per_s, text));
    painter_end_line(painter);
}

void sections_outputs(struct painter *painter, const struct figures *figures)
{
    unsigned longest = (unsigned)strlen("OUTPUT");

    for (unsigned i = 0; i < figures->output_count; i++) {
        unsigned bytes = (unsigned)strlen(figures->outputs[i].name);
        longest = bytes > longest ? bytes : longest;
    }
    struct table table = lay_out(output_columns, OUT_COLUMNS, painter->screen->width, longest);
    painter_end_line(painter);
    draw_heading(painter, &table, "OUTPUT");
    for (unsigned i = 0; i < figures->output_count; i++)
        draw_output(painter, &table, &figures->outputs[i]);
}

/* ---- lanes ---- */

enum {
    LANE_IN,
    LANE_OUT,
    LANE_DROP,
    LANE_HELD,
    LANE_FILL,
    LANE_OLDEST,
    LANE_RECEIVED,
    LANE_DELIVERED,
    LANE_DROPPED,
    LANE_LOST,
    LANE_COLUMNS
};
static const struct column lane_columns[LANE_COLUMNS] = {
    [LANE_IN] = { "IN/s", 6, 1 },           [LANE_OUT] = { "OUT/s", 6, 2 },
    [LANE_DROP] = { "DROP/s", 6, 0 },       [LANE_HELD] = { "HELD", 6, 3 },
    [LANE_FILL] = { "FILL", 14, 4 },        [LANE_OLDEST] = { "OLDEST", 6, 5 },
    [LANE_RECEIVED] = { "RECEIVED", 8, 7 }, [LANE_DELIVERED] = { "DELIVERED", 9, 8 },
    [LANE_DROPPED] = { "DROPPED", 7, 6 },   [LANE_LOST] = { "LOST", 6, 9 },
};

static void draw_lane(struct painter *painter, const struct table *table,
                      const struct lane_figures *lane)
{
    char name[NAMES_MAX], text[NUMBER_TEXT], age[AGE_TEXT], bar[BAR_TEXT], fill[BAR_TEXT + 1];
    enum screen_style drop = lane->dropped.per_s > 0 ? STYLE_BAD : STYLE_PLAIN;

    name_lane(lane, name);
    painter_field(painter, STYLE_PLAIN, table->name_width, false, name);
    draw_cell(painter, table, LANE_IN, STYLE_PLAIN, rate_text(lane->received.per_s, text));
    draw_cell(painter, table, LANE_OUT, STYLE_PLAIN, rate_text(lane->delivered.per_s, text));
    draw_cell(painter, table, LANE_DROP, drop, rate_text(lane->dropped.per_s, text));
    draw_cell(painter, table, LANE_HELD, STYLE_PLAIN, number_text((double)lane->held.events, text));
    (void)snprintf(fill, sizeof(fill), "%c%s", lane->is_shedding ? '!' : ' ',
                   bar_text(lane->fill, bar));
    draw_cell(painter, table, LANE_FILL, lane->is_shedding ? STYLE_WARN : STYLE_PLAIN, fill);
    draw_cell(painter, table, LANE_OLDEST, STYLE_PLAIN,
              isnan(lane->oldest_s) ? "-" : source_age(lane->oldest_s, age));
    draw_cell(painter, table, LANE_RECEIVED, STYLE_PLAIN,
              number_text((double)lane->received.total.events, text));
    draw_cell(painter, table, LANE_DELIVERED, STYLE_PLAIN,
              number_text((double)lane->delivered.total.events, text));
    draw_cell(painter, table, LANE_DROPPED, drop,
              number_text((double)lane->dropped.total.events, text));
    draw_cell(painter, table, LANE_LOST, lane->lost.events > 0 ? STYLE_WARN : STYLE_PLAIN,
              number_text((double)lane->lost.events, text));
    painter_end_line(painter);
}

/* A rate, or the total where there are no rates. */
static double either(const struct moved *moved)
{
    return isnan(moved->per_s) ? (double)moved->total.events : moved->per_s;
}

static double sort_key(const struct lane_figures *lane, enum screen_sort sort)
{
    switch (sort) {
    case SORT_DROPPED:
        return either(&lane->dropped);
    case SORT_RECEIVED:
        return either(&lane->received);
    case SORT_DELIVERED:
        return either(&lane->delivered);
    case SORT_HELD:
        return (double)lane->held.events;
    case SORT_FILL:
        return isnan(lane->fill) ? -1 : lane->fill;
    case SORT_NAME:
    case SORTS:
        break;
    }
    return 0;
}

struct order {
    const struct figures *figures;
    const struct view *view;
};

static int compare_lanes(const void *left, const void *right, void *context)
{
    const struct order *order = context;
    const struct lane_figures *a = &order->figures->lanes[*(const unsigned *)left];
    const struct lane_figures *b = &order->figures->lanes[*(const unsigned *)right];
    double a_key = sort_key(a, order->view->sort), b_key = sort_key(b, order->view->sort);
    int result = (a_key < b_key) - (a_key > b_key);

    if (result == 0)
        result = strcmp(a->input, b->input);
    if (result == 0)
        result = strcmp(a->output, b->output);
    return order->view->is_reversed ? -result : result;
}

void sections_lanes(struct painter *painter, const struct figures *figures, const struct view *view)
{
    unsigned *lanes = calloc(figures->lane_count + 1U, sizeof(*lanes));
    struct order order = { figures, view };
    unsigned longest = (unsigned)strlen("LANE");
    char name[NAMES_MAX];

    if (lanes == NULL)
        return;
    for (unsigned i = 0; i < figures->lane_count; i++) {
        lanes[i] = i;
        name_lane(&figures->lanes[i], name);
        longest = strlen(name) > longest ? (unsigned)strlen(name) : longest;
    }
    qsort_r(lanes, figures->lane_count, sizeof(*lanes), compare_lanes, &order);
    struct table table = lay_out(lane_columns, LANE_COLUMNS, painter->screen->width, longest);
    painter_end_line(painter);
    draw_heading(painter, &table, "LANE");
    for (unsigned i = 0; i < figures->lane_count; i++)
        draw_lane(painter, &table, &figures->lanes[lanes[i]]);
    free(lanes);
}

/* ---- reasons ---- */

void sections_drops(struct painter *painter, const struct figures *figures)
{
    char name[NAMES_MAX], rate[NUMBER_TEXT], total[NUMBER_TEXT];

    if (figures->drop_count == 0)
        return;
    painter_end_line(painter);
    painter_text(painter, STYLE_HEADING, "DROP/s  TOTAL REASON AND LANE");
    painter_end_line(painter);
    for (unsigned i = 0; i < figures->drop_count; i++) {
        const struct drop_figures *drop = &figures->drops[i];
        const char *flow = figures->reader->flows[drop->flow].name;
        name_lane(&figures->lanes[drop->lane], name);
        painter_text(painter, drop->moved.per_s > 0 ? STYLE_BAD : STYLE_PLAIN, "%6s %6s %s",
                     rate_text(drop->moved.per_s, rate),
                     number_text((double)drop->moved.total.events, total), flow);
        painter_text(painter, STYLE_PLAIN, "  %s", name);
        painter_end_line(painter);
    }
}
