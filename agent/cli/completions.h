/* SPDX-License-Identifier: Apache-2.0 */
/* completions: what bash, zsh and fish may offer after `spillway`: the commands of the table, and
 * the options that each tells in its --help. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

enum completion_shell { COMPLETE_BASH, COMPLETE_ZSH, COMPLETE_FISH };

bool completions(enum completion_shell shell, struct buf *ret, struct err *err);
