/* SPDX-License-Identifier: Apache-2.0 */
/* sections: the parts of the body of a screen, each with as many of its columns as fit. Pure. */
#pragma once

#include "view/painter.h"

/* What is wrong now, in words, the worst first; or that nothing is. */
void sections_attention(struct painter *painter, const struct figures *figures,
                        const struct source *source);
void sections_outputs(struct painter *painter, const struct figures *figures);
void sections_lanes(struct painter *painter, const struct figures *figures,
                    const struct view *view);
void sections_drops(struct painter *painter, const struct figures *figures);
