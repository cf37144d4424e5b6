/* SPDX-License-Identifier: Apache-2.0 */
/* plain: text of the outside (names of files, values of options) on a terminal. */
#pragma once

#include "base/slice.h"

#include <stdio.h>

/* Writes the text; a control character in it, but for the newline, becomes '?': a file's name must
 * not be able to command a terminal. */
void plain_write(FILE *out, struct slice text);
/* Does the locale of this process take UTF-8? */
bool plain_takes_utf8(void);
