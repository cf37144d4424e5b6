/* SPDX-License-Identifier: Apache-2.0 */
/* lock: a mutex that knows its owner. No function holds two locks, so there is no order to learn.
 * A function that needs it held says NEEDS_LOCK(&x->lock) and calls lock_check_held(). */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#if defined(__clang__)
#define LOCK_CAPABILITY __attribute__((capability("mutex")))
#define NEEDS_LOCK(...) __attribute__((requires_capability(__VA_ARGS__)))
#define TAKES_LOCK(...) __attribute__((acquire_capability(__VA_ARGS__)))
#define DROPS_LOCK(...) __attribute__((release_capability(__VA_ARGS__)))
#define NO_LOCK_ANALYSIS __attribute__((no_thread_safety_analysis))
#else
#define LOCK_CAPABILITY
#define NEEDS_LOCK(...)
#define TAKES_LOCK(...)
#define DROPS_LOCK(...)
#define NO_LOCK_ANALYSIS
#endif

struct LOCK_CAPABILITY lock {
    pthread_mutex_t mutex;
    const char *name;
    _Atomic uint64_t owner;     /* thread id + 1 of the holder, 0: free */
    _Atomic uint64_t contended; /* how often a caller had to wait */
};

void lock_init(struct lock *lock, const char *name); /* name: a literal, for messages */
void lock_fini(struct lock *lock);
void lock_take(struct lock *lock) TAKES_LOCK(lock);
void lock_drop(struct lock *lock) DROPS_LOCK(lock);
void lock_check_held(const struct lock *lock); /* CHECKs that the caller holds it */
