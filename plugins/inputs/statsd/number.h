/* SPDX-License-Identifier: Apache-2.0 */
/* number: a decimal number, all of the text: -1.5e3. Finite; no blanks, no hexadecimal. Pure. */
#pragma once

#include "plugin.h"

bool statsd_number(struct slice text, double *ret);
