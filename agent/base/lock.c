/* SPDX-License-Identifier: Apache-2.0 */
/* lock: every thread gets a number on first use; a second lock taken by the same thread is a bug.
 */
#include "base/lock.h"

#include "base/check.h"

static _Atomic uint64_t last_thread;
static _Thread_local uint64_t this_thread;
static _Thread_local unsigned held;

static uint64_t number_thread(void)
{
    if (this_thread == 0)
        this_thread = atomic_fetch_add_explicit(&last_thread, 1, memory_order_relaxed) + 1;
    return this_thread;
}

void lock_init(struct lock *lock, const char *name)
{
    CHECK(pthread_mutex_init(&lock->mutex, NULL) == 0);
    lock->name = name;
    atomic_init(&lock->owner, 0);
    atomic_init(&lock->contended, 0);
}

void lock_fini(struct lock *lock)
{
    CHECK(pthread_mutex_destroy(&lock->mutex) == 0);
}

void lock_take(struct lock *lock) NO_LOCK_ANALYSIS
{
    CHECK(held == 0); /* no function holds two locks */
    if (pthread_mutex_trylock(&lock->mutex) != 0) {
        atomic_fetch_add_explicit(&lock->contended, 1, memory_order_relaxed);
        CHECK(pthread_mutex_lock(&lock->mutex) == 0);
    }
    held = 1;
    atomic_store_explicit(&lock->owner, number_thread(), memory_order_relaxed);
}

void lock_drop(struct lock *lock) NO_LOCK_ANALYSIS
{
    lock_check_held(lock);
    atomic_store_explicit(&lock->owner, 0, memory_order_relaxed);
    held = 0;
    CHECK(pthread_mutex_unlock(&lock->mutex) == 0);
}

void lock_check_held(const struct lock *lock)
{
    CHECK(atomic_load_explicit(&lock->owner, memory_order_relaxed) == number_thread());
}
