/* SPDX-License-Identifier: Apache-2.0 */
/* man_commands: the man page spillway(1), from what each command says to --help. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

/* Runs each command with --help and reads its standard output: of a process without other threads.
 */
bool man_commands(struct buf *ret, struct err *err);
