/* SPDX-License-Identifier: Apache-2.0 */
/* otlp_metrics: a point of a metric becomes samples, of which each has one number.
 * Gauge: a gauge. Sum: a sum, or updown where it is not monotonic. Histograms and summaries: as
 * Prometheus has them: NAME.count and NAME.sum, NAME.bucket with the attribute `le` (how many were
 * at most that; one for each bucket that adds to it), NAME.min and NAME.max; NAME with `quantile`.
 * Temporality stays as it is. A point without a value (flag no_recorded_value) is NaN and says so.
 */
#include "otlp.h"

#include <math.h>

enum { GAUGE = 5, SUM = 7, HISTOGRAM = 9, EXPONENTIAL = 10, SUMMARY = 11 };
enum { DELTA = 1, NO_RECORDED_VALUE = 1, MOST_BUCKETS = 2048, SUFFIX_BYTES = 16, SHORT_TEXT = 255 };

static const struct otlp_row metric_rows[] = {
    { "name", 1, OTLP_ONE },
    { "unit", 3, OTLP_ONE },
    { "gauge", GAUGE, OTLP_ONE },
    { "sum", SUM, OTLP_ONE },
    { "histogram", HISTOGRAM, OTLP_ONE },
    { "exponentialHistogram", EXPONENTIAL, OTLP_ONE },
    { "summary", SUMMARY, OTLP_ONE },
    { NULL, 0, 0 },
};
static const struct otlp_row data_rows[] = { { "dataPoints", 1, OTLP_ONE },
                                             { "aggregationTemporality", 2, OTLP_ONE },
                                             { "isMonotonic", 3, OTLP_ONE },
                                             { NULL, 0, 0 } };
static const struct otlp_row number_rows[] = { { "startTimeUnixNano", 2, OTLP_ONE },
                                               { "timeUnixNano", 3, OTLP_ONE },
                                               { "asDouble", 4, OTLP_ONE },
                                               { "asInt", 6, OTLP_ONE },
                                               { "attributes", 7, OTLP_ONE },
                                               { "flags", 8, OTLP_ONE },
                                               { NULL, 0, 0 } };
static const struct otlp_row histogram_rows[] = { { "startTimeUnixNano", 2, OTLP_ONE },
                                                  { "timeUnixNano", 3, OTLP_ONE },
                                                  { "count", 4, OTLP_ONE },
                                                  { "sum", 5, OTLP_ONE },
                                                  { "bucketCounts", 6, OTLP_PACKED_FIXED },
                                                  { "explicitBounds", 7, OTLP_PACKED_FIXED },
                                                  { "attributes", 9, OTLP_ONE },
                                                  { "flags", 10, OTLP_ONE },
                                                  { "min", 11, OTLP_ONE },
                                                  { "max", 12, OTLP_ONE },
                                                  { NULL, 0, 0 } };
static const struct otlp_row exponential_rows[] = { { "attributes", 1, OTLP_ONE },
                                                    { "startTimeUnixNano", 2, OTLP_ONE },
                                                    { "timeUnixNano", 3, OTLP_ONE },
                                                    { "count", 4, OTLP_ONE },
                                                    { "sum", 5, OTLP_ONE },
                                                    { "scale", 6, OTLP_ONE },
                                                    { "zeroCount", 7, OTLP_ONE },
                                                    { "positive", 8, OTLP_ONE },
                                                    { "negative", 9, OTLP_ONE },
                                                    { "flags", 10, OTLP_ONE },
                                                    { "min", 12, OTLP_ONE },
                                                    { "max", 13, OTLP_ONE },
                                                    { "zeroThreshold", 14, OTLP_ONE },
                                                    { NULL, 0, 0 } };
static const struct otlp_row buckets_rows[] = { { "offset", 1, OTLP_ONE },
                                                { "bucketCounts", 2, OTLP_PACKED_VARINT },
                                                { NULL, 0, 0 } };
static const struct otlp_row summary_rows[] = { { "startTimeUnixNano", 2, OTLP_ONE },
                                                { "timeUnixNano", 3, OTLP_ONE },
                                                { "count", 4, OTLP_ONE },
                                                { "sum", 5, OTLP_ONE },
                                                { "quantileValues", 6, OTLP_ONE },
                                                { "attributes", 7, OTLP_ONE },
                                                { "flags", 8, OTLP_ONE },
                                                { NULL, 0, 0 } };
static const struct otlp_row quantile_rows[] = { { "quantile", 1, OTLP_ONE },
                                                 { "value", 2, OTLP_ONE },
                                                 { NULL, 0, 0 } };

/* Where each kind of point has what all have. */
static const struct layout {
    const struct otlp_row *rows;
    unsigned start, time, count, sum, attributes, flags, min, max;
} layouts[] = {
    [GAUGE] = { number_rows, 2, 3, 0, 0, 7, 8, 0, 0 },
    [SUM] = { number_rows, 2, 3, 0, 0, 7, 8, 0, 0 },
    [HISTOGRAM] = { histogram_rows, 2, 3, 4, 5, 9, 10, 11, 12 },
    [EXPONENTIAL] = { exponential_rows, 2, 3, 4, 5, 1, 10, 12, 13 },
    [SUMMARY] = { summary_rows, 2, 3, 4, 5, 7, 8, 0, 0 },
};

struct metric {
    struct slice name, unit, data;
    unsigned kind; /* GAUGE …; 0: none that we know */
    bool is_delta, is_monotonic;
};

struct point {
    struct otlp *otlp;
    const struct metric *metric;
    struct slice message;
    int64_t start_ns, time_ns;
    double value, count, sum, min, max;
    bool has_sum, has_min, has_max, is_empty;
};

/* ---- samples ---- */

static void add_attributes(struct point *point, struct event *event)
{
    const struct layout *layout = &layouts[point->metric->kind];
    struct otlp_walk walk = otlp_walk(point->otlp, layout->rows, point->message);
    struct otlp_value field;

    for (unsigned number; (number = otlp_next(&walk, &field)) != 0;) {
        if (number == layout->attributes)
            otlp_add_pair(point->otlp, event, otlp_bytes(&field));
    }
    otlp_end_walk(point->otlp, &walk);
}

/* Texts with escapes are read for each sample of a point anew, so those of one that has several
 * stay in the scratch of each. */
static void settle_texts(struct event *event, const char *room, const char *end)
{
    for (size_t i = 0; i < event->attribute_count; i++) {
        struct attribute *attribute = &event->attributes[i];
        if (attribute->key.data >= room && attribute->key.data < end)
            attribute->key = event_keep(event, attribute->key);
        if (attribute->value.kind == VALUE_TEXT && attribute->value.text.data >= room &&
            attribute->value.text.data < end)
            attribute->value.text = event_keep(event, attribute->value.text);
    }
}

static struct event *sample(struct point *point, const char *suffix, enum event_kind kind,
                            double number)
{
    struct otlp *otlp = point->otlp;
    const struct metric *metric = point->metric;
    struct event *event = otlp_event(otlp);
    char *room = otlp->take->room;

    add_attributes(point, event);
    settle_texts(event, room, otlp->take->room);
    otlp->take->room = room;
    if (metric->is_delta && kind != EVENT_GAUGE)
        event->flags |= EVENT_DELTA;
    event->kind = (uint8_t)kind;
    event->time_ns = point->time_ns;
    event->start_ns = kind == EVENT_GAUGE ? 0 : point->start_ns;
    event->number = point->is_empty ? NAN : number;
    event->flags |= point->is_empty ? EVENT_NO_VALUE : 0;
    event->body = metric->name;
    event->unit = metric->unit;
    if (suffix[0] != '\0') {
        char name[SHORT_TEXT + SUFFIX_BYTES + 1];
        int bytes = snprintf(name, sizeof(name), "%.*s%s", (int)metric->name.bytes,
                             metric->name.data, suffix);
        event->body = event_keep(event, (struct slice){ name, (size_t)bytes });
    }
    return event;
}

static void sample_bucket(struct point *point, double bound, double count)
{
    struct event *event = sample(point, ".bucket", EVENT_SUM, count);
    char text[32];

    event->unit = SLICE("1");
    size_t bytes =
        isinf(bound) ? (size_t)snprintf(text, sizeof(text), "+Inf") : json_real(text, bound);
    otlp_add_text(point->otlp, event, "le", event_keep(event, (struct slice){ text, bytes }));
}

static void sample_totals(struct point *point)
{
    sample(point, ".count", EVENT_SUM, point->count)->unit = SLICE("1");
    if (point->has_sum) /* of negative values it may fall */
        (void)sample(point, ".sum", point->has_min && point->min < 0 ? EVENT_UPDOWN : EVENT_SUM,
                     point->sum);
    if (point->has_min)
        (void)sample(point, ".min", EVENT_GAUGE, point->min);
    if (point->has_max)
        (void)sample(point, ".max", EVENT_GAUGE, point->max);
}

/* ---- histograms ---- */

struct numbers_list {
    double items[MOST_BUCKETS];
    size_t count;
    bool is_over;
};

static void add_number(struct numbers_list *list, double number)
{
    if (list->count < MOST_BUCKETS)
        list->items[list->count++] = number;
    else
        list->is_over = true;
}

static void take_histogram(struct point *point)
{
    struct numbers_list counts, bounds;
    struct otlp_walk walk = otlp_walk(point->otlp, histogram_rows, point->message);
    char *room = point->otlp->take->room;
    struct otlp_value field;
    double total = 0;

    counts.count = bounds.count = 0;
    counts.is_over = bounds.is_over = false;
    for (unsigned number; (number = otlp_next(&walk, &field)) != 0;) {
        if (number == 6)
            add_number(&counts, (double)otlp_number(&field));
        else if (number == 7)
            add_number(&bounds, otlp_real(&field));
    }
    point->otlp->take->room = room;
    otlp_end_walk(point->otlp, &walk);
    /* More than that, or a bound too many or too few: nothing to make sense of. */
    if (counts.is_over || bounds.is_over ||
        (counts.count > 0 && counts.count != bounds.count + 1)) {
        point->otlp->take->refused++;
        return;
    }
    sample_totals(point);
    for (size_t i = 0; i < counts.count; i++) {
        total += counts.items[i];
        if (counts.items[i] > 0 || i + 1 == counts.count)
            sample_bucket(point, i < bounds.count ? bounds.items[i] : INFINITY, total);
    }
}

struct exponential {
    int64_t scale, offset;
    double zero_count, zero_threshold;
    struct slice positive, negative;
};

static struct exponential read_exponential(struct point *point)
{
    struct otlp_walk walk = otlp_walk(point->otlp, exponential_rows, point->message);
    struct exponential read = { .positive = { "", 0 }, .negative = { "", 0 } };
    struct otlp_value field;

    for (unsigned number; (number = otlp_next(&walk, &field)) != 0;) {
        if (number == 6)
            read.scale = otlp_zigzag(&field);
        else if (number == 7)
            read.zero_count = (double)otlp_number(&field);
        else if (number == 8)
            read.positive = otlp_bytes(&field);
        else if (number == 9)
            read.negative = otlp_bytes(&field);
        else if (number == 14)
            read.zero_threshold = otlp_real(&field);
    }
    otlp_end_walk(point->otlp, &walk);
    return read;
}

static void read_buckets(struct point *point, struct slice message, int64_t *ret_offset,
                         struct numbers_list *ret)
{
    struct otlp_value field;

    ret->count = 0;
    ret->is_over = false;
    *ret_offset = 0;
    if (message.bytes == 0)
        return;
    struct otlp_walk walk = otlp_walk(point->otlp, buckets_rows, message);
    for (unsigned number; (number = otlp_next(&walk, &field)) != 0;) {
        if (number == 1)
            *ret_offset = otlp_zigzag(&field);
        else
            add_number(ret, (double)otlp_number(&field));
    }
    otlp_end_walk(point->otlp, &walk);
    point->otlp->take->refused += ret->is_over;
}

/* base ** index, base = 2 ** (2 ** -scale). */
static double bound_of(int64_t scale, int64_t index)
{
    return exp2(ldexp((double)index, (int)-scale));
}

static void take_exponential(struct point *point)
{
    struct numbers_list counts;
    char *room = point->otlp->take->room;
    struct exponential read = read_exponential(point);
    int64_t offset;
    double total = 0;

    if (read.scale < -32 || read.scale > 32) {
        point->otlp->take->refused++;
        return;
    }
    sample_totals(point);
    read_buckets(point, read.negative, &offset, &counts);
    for (size_t i = counts.count; i-- > 0;) { /* from the lowest */
        total += counts.items[i];
        if (counts.items[i] > 0)
            sample_bucket(point, -bound_of(read.scale, offset + (int64_t)i), total);
    }
    total += read.zero_count;
    if (read.zero_count > 0)
        sample_bucket(point, read.zero_threshold, total);
    read_buckets(point, read.positive, &offset, &counts);
    for (size_t i = 0; i < counts.count; i++) {
        total += counts.items[i];
        if (counts.items[i] > 0)
            sample_bucket(point, bound_of(read.scale, offset + (int64_t)i + 1), total);
    }
    sample_bucket(point, INFINITY, point->count);
    point->otlp->take->room = room;
}

/* ---- summaries ---- */

static void take_quantile(struct point *point, struct slice message)
{
    struct otlp_walk walk = otlp_walk(point->otlp, quantile_rows, message);
    double quantile = 0, value = 0;
    char text[32];
    struct otlp_value field;

    for (unsigned number; (number = otlp_next(&walk, &field)) != 0;)
        *(number == 1 ? &quantile : &value) = otlp_real(&field);
    otlp_end_walk(point->otlp, &walk);
    struct event *event = sample(point, "", EVENT_GAUGE, value);
    struct slice shown = { text, json_real(text, quantile) };
    otlp_add_text(point->otlp, event, "quantile", event_keep(event, shown));
}

static void take_summary(struct point *point)
{
    struct otlp_walk walk = otlp_walk(point->otlp, summary_rows, point->message);
    struct otlp_value field;

    sample_totals(point);
    for (unsigned number; (number = otlp_next(&walk, &field)) != 0;) {
        if (number == 6)
            take_quantile(point, otlp_bytes(&field));
    }
    otlp_end_walk(point->otlp, &walk);
}

/* ---- points ---- */

static void read_common(struct point *point)
{
    const struct layout *layout = &layouts[point->metric->kind];
    bool is_number = layout->rows == number_rows;
    struct otlp_walk walk = otlp_walk(point->otlp, layout->rows, point->message);
    char *room = point->otlp->take->room;
    struct otlp_value field;

    for (unsigned number; (number = otlp_next(&walk, &field)) != 0;) {
        if (number == layout->start)
            point->start_ns = otlp_time(&field);
        else if (number == layout->time)
            point->time_ns = otlp_time(&field);
        else if (number == layout->flags)
            point->is_empty = (otlp_number(&field) & NO_RECORDED_VALUE) != 0;
        else if (is_number && number == 4)
            point->value = otlp_real(&field);
        else if (is_number && number == 6)
            point->value = (double)(int64_t)otlp_number(&field);
        else if (number == layout->count)
            point->count = (double)otlp_number(&field);
        else if (number == layout->sum) {
            point->sum = otlp_real(&field);
            point->has_sum = true;
        } else if (number == layout->min) {
            point->min = otlp_real(&field);
            point->has_min = true;
        } else if (number == layout->max) {
            point->max = otlp_real(&field);
            point->has_max = true;
        }
    }
    otlp_end_walk(point->otlp, &walk);
    point->otlp->take->room = room;
}

static void take_point(struct otlp *otlp, const struct metric *metric, struct slice message)
{
    struct point point = { .otlp = otlp, .metric = metric, .message = message };

    read_common(&point);
    switch (metric->kind) {
    case GAUGE:
        (void)sample(&point, "", EVENT_GAUGE, point.value);
        break;
    case SUM:
        (void)sample(&point, "", metric->is_monotonic ? EVENT_SUM : EVENT_UPDOWN, point.value);
        break;
    case HISTOGRAM:
        take_histogram(&point);
        break;
    case EXPONENTIAL:
        take_exponential(&point);
        break;
    default:
        take_summary(&point);
        break;
    }
}

static void read_data(struct otlp *otlp, struct metric *metric)
{
    struct otlp_walk walk = otlp_walk(otlp, data_rows, metric->data);
    struct otlp_value field;

    for (unsigned number; (number = otlp_next(&walk, &field)) != 0;) {
        if (number == 2)
            metric->is_delta = otlp_number(&field) == DELTA;
        else if (number == 3)
            metric->is_monotonic = otlp_flag(&field);
    }
    otlp_end_walk(otlp, &walk);
}

void otlp_metric(struct otlp *otlp, struct slice message)
{
    struct otlp_walk walk = otlp_walk(otlp, metric_rows, message);
    struct metric metric = { .name = { "", 0 }, .unit = { "", 0 } };
    struct otlp_value field;

    for (unsigned number; (number = otlp_next(&walk, &field)) != 0;) {
        if (number == 1)
            metric.name = otlp_bytes(&field);
        else if (number == 3)
            metric.unit = otlp_bytes(&field);
        else {
            metric.kind = number;
            metric.data = otlp_bytes(&field);
        }
    }
    otlp_end_walk(otlp, &walk);
    /* A kind that came after us; or a name of more than the 255 characters that one may have. */
    if (metric.kind == 0 || metric.name.bytes > SHORT_TEXT || metric.unit.bytes > SHORT_TEXT) {
        otlp->take->refused++;
        return;
    }
    read_data(otlp, &metric);
    walk = otlp_walk(otlp, data_rows, metric.data);
    for (unsigned number; !otlp->is_broken && (number = otlp_next(&walk, &field)) != 0;) {
        if (number == 1)
            take_point(otlp, &metric, otlp_bytes(&field));
    }
    otlp_end_walk(otlp, &walk);
}
