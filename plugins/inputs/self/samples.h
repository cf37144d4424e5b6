/* SPDX-License-Identifier: Apache-2.0 */
/* samples: the text that a Prometheus scrapes, as events: one for each sample, with its name,
 * labels and value. So nothing is named twice, and what a scraper sees is what is shipped. */
#pragma once

#include "plugin.h"

/* Takes the text apart in place: events point into it. boot_ns: when the counters began. Returns
 * how many samples could not be understood. */
size_t self_samples(struct sink *sink, char *text, int64_t now_ns, int64_t begin_ns);
