/* SPDX-License-Identifier: Apache-2.0 */
/* top_terminal: the screen on a terminal, by ncurses where it was found at build time.
 * Threads: main only; ncurses has globals. */
#pragma once

#include "cli/top_reading.h"
#include "view/screen.h"

/* Can this be shown on a screen that is painted over? false: why says why not. */
bool top_terminal_is_usable(struct err *why);

/* Shows and asks for keys until `q`, the end of the terminal or a signal; the terminal is as it was
 * then. Returns the exit code; a signal that ends programs ends this one, by itself. */
int top_terminal_run(struct top_reading *reading, struct view *view, int64_t interval_ms);

/* "ncurses 6.4.20221231", or that it is not built in. */
const char *top_terminal_library(void);
