/* SPDX-License-Identifier: Apache-2.0 */
/* thread: starts a thread that has a name, and a stack of its own for signals: without one the
 * handler of a fault has nothing to run on when the fault is that the stack is full (crash.c).
 * Only address space until such a fault; given back at the thread's end. Threads that have one
 * already, as sanitizers give them, keep theirs. */
#pragma once

#include "base/err.h"

#include <pthread.h>

/* false: it does not run. The name is a literal, of at most 15 bytes. */
bool thread_start(pthread_t *ret_thread, const char *name, void *(*run)(void *context),
                  void *context, struct err *err);

/* For the thread that was not started here: main. Kept until the process ends. */
bool thread_take_signal_stack(struct err *err);
