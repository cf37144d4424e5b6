/* SPDX-License-Identifier: Apache-2.0 */
/* man: text as parts of a man page, in troff with the man macros. Pure. */
#pragma once

#include "base/buf.h"

/* One line, or the rest of one, so that it is shown as it is: no newline in it. */
void man_add(struct buf *ret, struct slice text);
/* What a command says to --help, in the form that all commands have: "usage: …" first, paragraphs
 * with a blank line between them, options as lines that begin with blanks and '-', their meaning
 * two blanks further on or in the column of the others. Other indented lines are shown as they are.
 */
void man_add_help(struct buf *ret, struct slice help);
