/* SPDX-License-Identifier: Apache-2.0 */
#include "sketch.h"

#include <math.h>

#define GAMMA ((1 + SKETCH_ERROR) / (1 - SKETCH_ERROR))
#define LOG_GAMMA 0.020000666706669435 /* ln(GAMMA) */
#define LEAST 1e-9

static int32_t key_of(double magnitude)
{
    return (int32_t)ceil(log(magnitude) / LOG_GAMMA);
}

/* The number in the middle of a bin, by relative distance to its ends. */
static double number_of(int32_t key)
{
    return 2 * exp(key * LOG_GAMMA) / (GAMMA + 1);
}

static void add_to(uint32_t *bin, uint64_t count)
{
    *bin = count > UINT32_MAX - *bin ? UINT32_MAX : *bin + (uint32_t)count;
}

/* Moves the window of bins up, so that `key` is its last. */
static void shift_up(struct sketch_store *store, int32_t key)
{
    int32_t low = key - SKETCH_BINS + 1;
    uint64_t collapsed = 0;
    int64_t by = (int64_t)low - store->low;
    size_t gone = by > SKETCH_BINS ? SKETCH_BINS : (size_t)by;

    for (size_t i = 0; i < gone; i++)
        collapsed += store->bins[i];
    memmove(store->bins, store->bins + gone, (SKETCH_BINS - gone) * sizeof(store->bins[0]));
    memset(store->bins + SKETCH_BINS - gone, 0, gone * sizeof(store->bins[0]));
    store->low = low;
    if (store->low_used < low)
        store->low_used = low;
    add_to(&store->bins[0], collapsed);
}

/* Moves it down as far as what is in use at its top allows. */
static void shift_down(struct sketch_store *store, int32_t key)
{
    int32_t lowest = store->high_used - SKETCH_BINS + 1;
    int32_t low = key > lowest ? key : lowest;
    size_t by = (size_t)(store->low - low);

    if (by == 0)
        return;
    memmove(store->bins + by, store->bins, (SKETCH_BINS - by) * sizeof(store->bins[0]));
    memset(store->bins, 0, by * sizeof(store->bins[0]));
    store->low = low;
}

static void store_add(struct sketch_store *store, int32_t key, uint64_t count)
{
    if (store->count == 0) {
        store->low = key - SKETCH_BINS / 2;
        store->low_used = store->high_used = key;
    }
    if (key >= store->low + SKETCH_BINS)
        shift_up(store, key);
    else if (key < store->low)
        shift_down(store, key);
    if (key < store->low)
        key = store->low;
    add_to(&store->bins[key - store->low], count);
    store->count += count;
    if (key > store->high_used)
        store->high_used = key;
    if (key < store->low_used)
        store->low_used = key;
}

void sketch_add(struct sketch *sketch, double number, double weight)
{
    double whole = floor(weight + sketch->carry);

    if (sketch->count == 0 || number < sketch->min)
        sketch->min = number;
    if (sketch->count == 0 || number > sketch->max)
        sketch->max = number;
    sketch->sum += number * weight;
    if (weight != 1)
        sketch->carry = weight + sketch->carry - whole;
    uint64_t count = (uint64_t)whole;
    sketch->count += count;
    if (fabs(number) < LEAST)
        sketch->zeros += count;
    else
        store_add(number < 0 ? sketch->below : &sketch->above, key_of(fabs(number)), count);
}

/* The key at which `rank` numbers of the store are passed, from its small end or its large one. */
static int32_t key_at(const struct sketch_store *store, double rank, bool from_above)
{
    int32_t key = from_above ? store->high_used : store->low_used;
    int32_t last = from_above ? store->low_used : store->high_used, step = from_above ? -1 : 1;
    double passed = store->bins[key - store->low];

    while (key != last && passed <= rank) {
        key += step;
        passed += store->bins[key - store->low];
    }
    return key;
}

double sketch_quantile(const struct sketch *sketch, double quantile)
{
    uint64_t below = sketch->below == NULL ? 0 : sketch->below->count;
    double rank = quantile * (double)(sketch->count - 1), number = 0;

    if (sketch->below != NULL && rank < (double)below)
        number = -number_of(key_at(sketch->below, rank, true));
    else if (rank >= (double)(below + sketch->zeros) && sketch->above.count > 0)
        number = number_of(key_at(&sketch->above, rank - (double)(below + sketch->zeros), false));
    return number < sketch->min ? sketch->min : number > sketch->max ? sketch->max : number;
}

static void clear_store(struct sketch_store *store)
{
    if (store->count == 0)
        return;
    size_t first = (size_t)(store->low_used - store->low);
    memset(store->bins + first, 0,
           (size_t)(store->high_used - store->low_used + 1) * sizeof(store->bins[0]));
    store->count = 0;
}

void sketch_clear(struct sketch *sketch)
{
    clear_store(&sketch->above);
    if (sketch->below != NULL)
        clear_store(sketch->below);
    sketch->sum = sketch->min = sketch->max = 0;
    sketch->count = sketch->zeros = 0;
}
