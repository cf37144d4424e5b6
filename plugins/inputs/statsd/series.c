/* SPDX-License-Identifier: Apache-2.0 */
#include "series.h"

enum { KEY_HEAD = 2, TAG_HEAD = 2, SLOTS_LEAST = 16 };
static const struct slice overflow_tag = SLICE("otel.metric.overflow:true");

struct key {
    char text[SERIES_KEY_BYTES];
    size_t bytes;
    uint64_t hash;
};

/* ---- hash ---- */

static uint64_t mix(uint64_t hash)
{
    hash = (hash ^ (hash >> 32)) * UINT64_C(0xd6e8feb86659fd93);
    hash = (hash ^ (hash >> 32)) * UINT64_C(0xd6e8feb86659fd93);
    return hash ^ (hash >> 32);
}

static uint64_t hash_of(uint64_t seed, struct slice text)
{
    uint64_t hash = seed ^ (text.bytes * UINT64_C(0x9e3779b97f4a7c15)), word;

    for (; text.bytes >= sizeof(word); text.bytes -= sizeof(word), text.data += sizeof(word)) {
        memcpy(&word, text.data, sizeof(word));
        hash = mix(hash ^ word) + seed;
    }
    word = 0;
    memcpy(&word, text.data, text.bytes);
    return mix(hash ^ word);
}

/* ---- keys ---- */

static int compare(struct slice a, struct slice b)
{
    int order = memcmp(a.data, b.data, a.bytes < b.bytes ? a.bytes : b.bytes);

    return order != 0 ? order : (a.bytes > b.bytes) - (a.bytes < b.bytes);
}

/* They are few, and mostly in order. */
static void sort_tags(struct statsd_tags *tags)
{
    for (size_t i = 1; i < tags->count; i++) {
        struct slice tag = tags->items[i];
        size_t at = i;
        for (; at > 0 && compare(tags->items[at - 1], tag) > 0; at--)
            tags->items[at] = tags->items[at - 1];
        tags->items[at] = tag;
    }
}

static bool put_tag(struct key *key, struct slice tag)
{
    if (tag.bytes > UINT16_MAX || key->bytes + TAG_HEAD + tag.bytes > sizeof(key->text))
        return false;
    uint16_t length = (uint16_t)tag.bytes;
    memcpy(key->text + key->bytes, &length, sizeof(length));
    memcpy(key->text + key->bytes + TAG_HEAD, tag.data, tag.bytes);
    key->bytes += TAG_HEAD + tag.bytes;
    return true;
}

static void begin_key(struct key *key, const struct statsd_sample *sample)
{
    key->text[0] = (char)sample->kind;
    key->text[1] = (char)(unsigned char)sample->name.bytes;
    memcpy(key->text + KEY_HEAD, sample->name.data, sample->name.bytes);
    key->bytes = KEY_HEAD + sample->name.bytes;
}

/* false: too long to have a series of its own. */
static bool make_key(const struct series_table *table, const struct statsd_sample *sample,
                     struct key *key)
{
    begin_key(key, sample);
    for (size_t i = 0; i < sample->tags.count; i++) {
        if (!put_tag(key, sample->tags.items[i]))
            return false;
    }
    key->hash = hash_of(table->seed, (struct slice){ key->text, key->bytes });
    return true;
}

static void make_overflow_key(const struct series_table *table, const struct statsd_sample *sample,
                              struct key *key)
{
    begin_key(key, sample);
    (void)put_tag(key, overflow_tag);
    key->hash = hash_of(table->seed, (struct slice){ key->text, key->bytes });
}

struct slice series_name(const struct series *series)
{
    return (struct slice){ series->key + KEY_HEAD, (unsigned char)series->key[1] };
}

bool series_tag(const struct series *series, size_t *at, struct slice *ret)
{
    uint16_t length;

    if (*at == 0)
        *at = KEY_HEAD + series_name(series).bytes;
    if (*at >= series->key_bytes)
        return false;
    memcpy(&length, series->key + *at, sizeof(length));
    *ret = (struct slice){ series->key + *at + TAG_HEAD, length };
    *at += TAG_HEAD + (size_t)length;
    return true;
}

/* ---- the table ---- */

static size_t slots_for(size_t max_series)
{
    size_t slots = SLOTS_LEAST;

    while (slots < max_series * 2)
        slots *= 2;
    return slots;
}

size_t series_table_bytes(size_t max_series)
{
    return slots_for(max_series) * sizeof(struct series *);
}

bool series_table_init(struct series_table *table, size_t max_series, size_t max_bytes,
                       uint64_t seed)
{
    size_t slots = slots_for(max_series);

    *table = (struct series_table){ .slots = calloc(slots, sizeof(struct series *)),
                                    .slot_count = slots,
                                    .max_series = max_series,
                                    .max_bytes = max_bytes,
                                    .seed = seed };
    return table->slots != NULL;
}

static void free_series(struct series *series)
{
    if (series->sketch != NULL)
        free(series->sketch->below);
    free(series->sketch);
    free(series->distinct);
    free(series);
}

void series_table_fini(struct series_table *table)
{
    for (size_t i = 0; i < table->slot_count && table->slots != NULL; i++) {
        if (table->slots[i] != NULL)
            free_series(table->slots[i]);
    }
    free(table->slots);
    *table = (struct series_table){ 0 };
}

/* Its slot, or the free one that is to be its. There is one: half of them are free. */
static struct series **find_slot(const struct series_table *table, const char *key,
                                 size_t key_bytes, uint64_t hash)
{
    size_t at = hash & (table->slot_count - 1);

    for (;; at = (at + 1) & (table->slot_count - 1)) {
        struct series *series = table->slots[at];
        if (series == NULL || (series->hash == hash && series->key_bytes == key_bytes &&
                               memcmp(series->key, key, key_bytes) == 0))
            return &table->slots[at];
    }
}

bool series_table_reserve(struct series_table *table, size_t max_series)
{
    size_t slots = slots_for(max_series);
    struct series_table larger = *table;

    if (slots <= table->slot_count)
        return true;
    larger.slot_count = slots;
    larger.slots = calloc(slots, sizeof(struct series *));
    if (larger.slots == NULL)
        return false;
    for (size_t i = 0; i < table->slot_count; i++) {
        struct series *series = table->slots[i];
        if (series != NULL)
            *find_slot(&larger, series->key, series->key_bytes, series->hash) = series;
    }
    free(table->slots);
    *table = larger;
    return true;
}

static bool has_sketch(enum statsd_kind kind)
{
    return kind == STATSD_TIMER || kind == STATSD_HISTOGRAM || kind == STATSD_DISTRIBUTION;
}

static bool may_take(const struct series_table *table, size_t bytes, bool is_overflow)
{
    size_t most = table->max_series, most_bytes = table->max_bytes;

    if (!is_overflow) {
        most -= most / 8;
        most_bytes -= most_bytes / 8;
    }
    return table->count < most && bytes <= most_bytes && table->bytes <= most_bytes - bytes;
}

static struct series *make_series(enum statsd_kind kind, const struct key *key)
{
    struct series *series = calloc(1, sizeof(*series) + key->bytes);

    if (series == NULL)
        return NULL;
    series->kind = kind;
    series->hash = key->hash;
    series->key_bytes = key->bytes;
    memcpy(series->key, key->text, key->bytes);
    if (has_sketch(kind))
        series->sketch = calloc(1, sizeof(*series->sketch));
    else if (kind == STATSD_SET)
        series->distinct = calloc(1, sizeof(*series->distinct));
    if ((has_sketch(kind) && series->sketch == NULL) ||
        (kind == STATSD_SET && series->distinct == NULL)) {
        free_series(series);
        return NULL;
    }
    return series;
}

static size_t series_bytes(enum statsd_kind kind, const struct key *key)
{
    return sizeof(struct series) + key->bytes + (has_sketch(kind) ? sizeof(struct sketch) : 0) +
           (kind == STATSD_SET ? sizeof(struct distinct) : 0);
}

/* NULL: there is none, and no room for it. */
static struct series *find_or_make(struct series_table *table, enum statsd_kind kind,
                                   const struct key *key, bool is_overflow, int64_t now_ns)
{
    struct series **slot = find_slot(table, key->text, key->bytes, key->hash);
    size_t bytes = series_bytes(kind, key);

    if (*slot != NULL || !may_take(table, bytes, is_overflow))
        return *slot;
    *slot = make_series(kind, key);
    if (*slot == NULL)
        return NULL;
    (*slot)->born_ns = now_ns;
    (*slot)->bytes = bytes;
    table->bytes += bytes;
    table->count++;
    return *slot;
}

void series_expire(struct series_table *table, int64_t before_ms)
{
    for (size_t i = 0; i < table->slot_count; i++) {
        struct series *series = table->slots[i];
        if (series == NULL || series->used_ms >= before_ms)
            continue;
        table->bytes -= series->bytes;
        table->count--;
        free_series(series);
        table->slots[i] = NULL;
        /* Those that had to make way for it move up, so that they are found. */
        for (size_t at = (i + 1) & (table->slot_count - 1); table->slots[at] != NULL;
             at = (at + 1) & (table->slot_count - 1)) {
            struct series *moved = table->slots[at];
            table->slots[at] = NULL;
            *find_slot(table, moved->key, moved->key_bytes, moved->hash) = moved;
        }
        i--; /* another one may be there now */
    }
}

/* ---- samples ---- */

/* false: no memory for what it needs. */
static bool add_to_sketch(struct series_table *table, struct series *series,
                          const struct statsd_sample *sample, double number)
{
    const size_t bytes = sizeof(struct sketch_store);

    if (number < 0 && series->sketch->below == NULL) {
        if (table->bytes + bytes > table->max_bytes)
            return false;
        series->sketch->below = calloc(1, bytes);
        if (series->sketch->below == NULL)
            return false;
        series->bytes += bytes;
        table->bytes += bytes;
    }
    sketch_add(series->sketch, number, sample->weight);
    return true;
}

static bool add_value(struct series_table *table, struct series *series,
                      const struct statsd_sample *sample, const struct statsd_value *value)
{
    if (has_sketch(series->kind) && !add_to_sketch(table, series, sample, value->number))
        return false;
    series->has_negative = series->has_negative || value->number < 0;
    if (series->kind == STATSD_COUNTER)
        series->value += value->number * sample->weight;
    else if (series->kind == STATSD_GAUGE)
        series->value = value->number + (value->is_change ? series->value : 0);
    else if (series->kind == STATSD_SET)
        distinct_add(series->distinct, hash_of(table->seed, value->text));
    return true;
}

static bool add_under(struct series_table *table, const struct key *key, bool is_overflow,
                      const struct statsd_sample *sample, const struct statsd_value *value,
                      int64_t now_ns, int64_t now_ms)
{
    struct series *series = find_or_make(table, sample->kind, key, is_overflow, now_ns);

    if (series == NULL || !add_value(table, series, sample, value))
        return false;
    series->used_ms = now_ms;
    series->is_fresh = true;
    return true;
}

enum series_place series_add(struct series_table *table, struct statsd_sample *sample,
                             const struct statsd_value *value, int64_t now_ns, int64_t now_ms)
{
    struct key key;

    sort_tags(&sample->tags);
    if (make_key(table, sample, &key) &&
        add_under(table, &key, false, sample, value, now_ns, now_ms))
        return SERIES_OWN;
    make_overflow_key(table, sample, &key);
    return add_under(table, &key, true, sample, value, now_ns, now_ms) ? SERIES_OVERFLOW
                                                                       : SERIES_NONE;
}
