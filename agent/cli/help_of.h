/* SPDX-License-Identifier: Apache-2.0 */
/* help_of: what a command says to --help, as text: the man page and the completions are made of it.
 * Threads: main only; standard output is pointed elsewhere meanwhile. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "commands.h"

bool help_of(const struct command *command, struct buf *ret, struct err *err);
