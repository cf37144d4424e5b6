/* SPDX-License-Identifier: Apache-2.0 */
/* crash: when the agent dies of a fault of its own (SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT), the
 * books say so before it does: after some such starts in a row the next one sets aside what they
 * had in hand. A full stack is such a fault too, in main and in every thread that base/thread
 * started. kill -9, the OOM killer and a power loss say nothing about the data and are not
 * counted. The signal then does what it does without us: a core dump, systemd's restart. */
#pragma once

#include "ledger/ledger.h"

/* Main, before other threads start. false: no memory. */
bool crash_watch(struct ledger *ledger, struct err *err);
void crash_unwatch(void); /* before the ledger is closed */
