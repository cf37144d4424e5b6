/* SPDX-License-Identifier: Apache-2.0 */
/* known: a key is the name and the attributes, sorted, each text behind its length. */
#include "known.h"

enum { SLOTS_LEAST = 16, BYTES_FOR_A_SLOT = 256, LENGTH_BYTES = 2, OVERHEAD_BYTES = 16 };

struct known_series {
    struct known_series *next_in_slot, *next; /* next: of the set, or of the list that was taken */
    const struct known_set *set;
    uint64_t hash;
    uint32_t round; /* in which it was noted last */
    uint8_t kind;
    size_t key_bytes, unit_bytes;
    char key[]; /* and the unit */
};

/* ---- keys ---- */

static uint64_t mix(uint64_t hash)
{
    hash = (hash ^ (hash >> 32)) * UINT64_C(0xd6e8feb86659fd93);
    return hash ^ (hash >> 29);
}

static uint64_t hash_of(uint64_t seed, const char *text, size_t bytes)
{
    uint64_t hash = mix(seed ^ bytes), word;

    for (; bytes >= sizeof(word); bytes -= sizeof(word), text += sizeof(word)) {
        memcpy(&word, text, sizeof(word));
        hash = mix(hash ^ word) + seed;
    }
    word = 0;
    memcpy(&word, text, bytes);
    return mix(hash ^ word);
}

static int compare(struct slice a, struct slice b)
{
    int order = memcmp(a.data, b.data, a.bytes < b.bytes ? a.bytes : b.bytes);

    return order != 0 ? order : (a.bytes > b.bytes) - (a.bytes < b.bytes);
}

/* They are few, and mostly in order. */
static void sort(const struct attribute **items, const struct event *event)
{
    for (size_t i = 0; i < event->attribute_count; i++) {
        size_t at = i;
        for (; at > 0 && compare(items[at - 1]->key, event->attributes[i].key) > 0; at--)
            items[at] = items[at - 1];
        items[at] = &event->attributes[i];
    }
}

static bool put(struct known *known, size_t *bytes, struct slice text)
{
    uint16_t length = (uint16_t)text.bytes;

    if (text.bytes > UINT16_MAX || text.bytes + LENGTH_BYTES > sizeof(known->key) - *bytes)
        return false;
    memcpy(known->key + *bytes, &length, sizeof(length));
    if (text.bytes > 0)
        memcpy(known->key + *bytes + LENGTH_BYTES, text.data, text.bytes);
    *bytes += LENGTH_BYTES + text.bytes;
    return true;
}

/* Into known->key. 0: it is too long, or not whole. */
static size_t make_key(struct known *known, const struct event *event)
{
    const struct attribute *items[KNOWN_ATTRIBUTES];
    size_t bytes = 0;

    if (event->attribute_count > KNOWN_ATTRIBUTES || event->lost_attributes > 0 ||
        !put(known, &bytes, event->body))
        return 0;
    sort(items, event);
    for (size_t i = 0; i < event->attribute_count; i++) {
        CHECK(items[i]->value.kind == VALUE_TEXT);
        if (!put(known, &bytes, items[i]->key) || !put(known, &bytes, items[i]->value.text))
            return 0;
    }
    return bytes;
}

static struct slice next_text(const struct known_series *series, size_t *at)
{
    uint16_t length;

    memcpy(&length, series->key + *at, sizeof(length));
    struct slice text = { series->key + *at + LENGTH_BYTES, length };
    *at += LENGTH_BYTES + (size_t)length;
    return text;
}

/* ---- the table ---- */

static size_t slots_for(size_t max_bytes)
{
    size_t slots = SLOTS_LEAST;

    while (slots < max_bytes / BYTES_FOR_A_SLOT)
        slots *= 2;
    return slots;
}

size_t known_table_bytes(size_t max_bytes)
{
    return slots_for(max_bytes) * sizeof(struct known_series *);
}

bool known_init(struct known *known, size_t max_bytes, uint64_t seed)
{
    size_t slots = slots_for(max_bytes);

    *known = (struct known){ .slots = calloc(slots, sizeof(struct known_series *)),
                             .slot_count = slots,
                             .max_bytes = max_bytes,
                             .seed = seed };
    return known->slots != NULL;
}

void known_fini(struct known *known)
{
    CHECK(known->count == 0);
    free(known->slots);
    known->slots = NULL;
}

static struct known_series **slot_of(struct known *known, uint64_t hash)
{
    return &known->slots[hash & (known->slot_count - 1)];
}

static struct known_series *find(struct known *known, const struct known_set *set, uint64_t hash,
                                 size_t key_bytes)
{
    struct known_series *series = *slot_of(known, hash);

    while (series != NULL &&
           (series->hash != hash || series->set != set || series->key_bytes != key_bytes ||
            memcmp(series->key, known->key, key_bytes) != 0))
        series = series->next_in_slot;
    return series;
}

static size_t bytes_of(size_t key_bytes, size_t unit_bytes)
{
    return sizeof(struct known_series) + key_bytes + unit_bytes + OVERHEAD_BYTES;
}

static struct known_series *add(struct known *known, struct known_set *set, uint64_t hash,
                                size_t key_bytes, const struct event *event)
{
    size_t bytes = bytes_of(key_bytes, event->unit.bytes);

    if (bytes > known->max_bytes || known->bytes > known->max_bytes - bytes)
        return NULL;
    struct known_series *series = malloc(sizeof(*series) + key_bytes + event->unit.bytes);
    if (series == NULL)
        return NULL;
    struct known_series **slot = slot_of(known, hash);
    *series = (struct known_series){ .next_in_slot = *slot,
                                     .next = set->first,
                                     .set = set,
                                     .hash = hash,
                                     .kind = event->kind,
                                     .key_bytes = key_bytes,
                                     .unit_bytes = event->unit.bytes };
    memcpy(series->key, known->key, key_bytes);
    if (event->unit.bytes > 0)
        memcpy(series->key + key_bytes, event->unit.data, event->unit.bytes);
    *slot = set->first = series;
    known->bytes += bytes;
    known->count++;
    return series;
}

static void take_out(struct known *known, const struct known_series *series)
{
    struct known_series **at = slot_of(known, series->hash);

    while (*at != series)
        at = &(*at)->next_in_slot;
    *at = series->next_in_slot;
    known->bytes -= bytes_of(series->key_bytes, series->unit_bytes);
    known->count--;
}

/* ---- scrapes ---- */

void known_begin(struct known_set *set)
{
    set->round++;
}

bool known_note(struct known *known, struct known_set *set, const struct event *event)
{
    size_t key_bytes = make_key(known, event);

    if (key_bytes == 0)
        return false;
    uint64_t hash = hash_of(known->seed, known->key, key_bytes);
    struct known_series *series = find(known, set, hash, key_bytes);
    if (series == NULL)
        series = add(known, set, hash, key_bytes, event);
    if (series == NULL)
        return false;
    series->round = set->round;
    return true;
}

/* The set has the latest first, so each goes before those that were taken already. */
struct known_series *known_take_gone(struct known *known, struct known_set *set, size_t most)
{
    struct known_series *taken = NULL;

    for (struct known_series **at = &set->first; *at != NULL && most > 0;) {
        struct known_series *series = *at;
        if (series->round == set->round) {
            at = &series->next;
            continue;
        }
        *at = series->next;
        take_out(known, series);
        series->next = taken;
        taken = series;
        most--;
    }
    return taken;
}

struct known_series *known_fill(struct known_series *series, struct event *event)
{
    size_t at = 0;

    event->body = next_text(series, &at);
    event->kind = series->kind;
    event->unit = (struct slice){ series->key + series->key_bytes, series->unit_bytes };
    while (at < series->key_bytes) {
        struct slice key = next_text(series, &at);
        struct value value = { .kind = VALUE_TEXT, .text = next_text(series, &at) };
        event_add(event, key, value);
    }
    return series->next;
}

void known_free(struct known_series **listp)
{
    while (*listp != NULL) {
        struct known_series *series = *listp;
        *listp = series->next;
        free(series);
    }
}
