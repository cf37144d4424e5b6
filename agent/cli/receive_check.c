/* SPDX-License-Identifier: Apache-2.0 */
/* receive_check: runs are only ever added, so looking one up takes no lock. */
#include "cli/receive_check.h"

#include <sys/mman.h>

enum { BITS = 64, MAP_BYTES = CHECK_NUMBERS / 8 };

void check_init(struct check *check)
{
    lock_init(&check->lock, "receive.check");
}

void check_fini(struct check *check)
{
    for (uint32_t i = 0; i < check->count; i++) {
        if (check->runs[i].bits != NULL)
            (void)munmap(check->runs[i].bits, MAP_BYTES);
    }
    lock_fini(&check->lock);
}

static uint32_t find_run(struct check *check, struct slice name)
{
    uint32_t count = atomic_load_explicit(&check->count, memory_order_acquire);

    for (uint32_t i = 0; i < count; i++) {
        if (strlen(check->runs[i].name) == name.bytes &&
            memcmp(check->runs[i].name, name.data, name.bytes) == 0)
            return i;
    }
    return CHECK_NO_RUN;
}

static uint32_t add_run(struct check *check, struct slice name) NEEDS_LOCK(&check->lock)
{
    uint32_t index = atomic_load_explicit(&check->count, memory_order_relaxed);

    if (index == CHECK_RUNS || name.bytes >= CHECK_NAME_BYTES) {
        atomic_fetch_add_explicit(&check->runs_ignored, 1, memory_order_relaxed);
        return CHECK_NO_RUN;
    }
    struct check_run *run = &check->runs[index];
    void *bits = mmap(NULL, MAP_BYTES, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    run->bits = bits == MAP_FAILED ? NULL : bits;
    memcpy(run->name, name.data, name.bytes);
    atomic_store_explicit(&check->count, index + 1, memory_order_release);
    return index;
}

uint32_t check_run(struct check *check, struct slice name)
{
    uint32_t index = find_run(check, name);

    if (index != CHECK_NO_RUN)
        return index;
    lock_take(&check->lock);
    index = find_run(check, name);
    if (index == CHECK_NO_RUN)
        index = add_run(check, name);
    lock_drop(&check->lock);
    return index;
}

bool check_add(struct check *check, uint32_t index, uint64_t number)
{
    struct check_run *run = &check->runs[index];

    if (run->bits == NULL || number >= CHECK_NUMBERS) {
        run->beyond++;
        return true;
    }
    uint64_t bit = UINT64_C(1) << (number % BITS);
    uint64_t *word = &run->bits[number / BITS];
    if (*word & bit) {
        run->duplicate++;
        return false;
    }
    *word |= bit;
    run->out_of_order += run->unique > 0 && number < run->highest;
    run->lowest = run->unique == 0 || number < run->lowest ? number : run->lowest;
    run->highest = number > run->highest ? number : run->highest;
    run->unique++;
    return true;
}

static uint64_t begin_of(const struct check_run *run, uint64_t first)
{
    return first == 0 || first > run->lowest ? run->lowest : first;
}

uint64_t check_missing(const struct check_run *run, uint64_t first)
{
    return run->unique == 0 ? 0 : run->highest - begin_of(run, first) + 1 - run->unique;
}

uint64_t check_first_hole(const struct check_run *run, uint64_t first)
{
    if (check_missing(run, first) == 0)
        return 0;
    uint64_t number = begin_of(run, first);
    while (number < run->highest && (run->bits[number / BITS] >> (number % BITS) & 1))
        number += run->bits[number / BITS] == UINT64_MAX && number % BITS == 0 ? BITS : 1;
    return number;
}
