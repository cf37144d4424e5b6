/* SPDX-License-Identifier: Apache-2.0 */
/* figures_json: figures as JSON for programs: every flow, stock and number of the file, by the
 * names that the file gives them. Pure. */
#pragma once

#include "view/figures.h"
#include "view/source.h"

/* Of the shape: a field may be added without a new one, none is renamed or changes its meaning. */
enum { FIGURES_JSON_FORMAT = 1 };

/* One object and a newline. false: out of memory. */
bool figures_json(const struct figures *figures, const struct source *source, struct buf *ret);
