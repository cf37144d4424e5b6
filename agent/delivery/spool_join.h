/* SPDX-License-Identifier: Apache-2.0 */
/* spool_join: two folders of one spool that moved: what is new is written to the first, what the
 * second still has is read, marked and removed there. Segments of both have numbers of one count,
 * so no name is in both; should one be, the first has it. Threads: as of a spool_disk. */
#pragma once

#include "delivery/spool_disk.h"

/* Takes both. NULL: no memory, and both are left. */
struct spool_disk *spool_join(struct spool_disk **firstp, struct spool_disk **secondp);
/* Is there a segment in it? */
bool spool_has_segments(struct spool_disk *disk);
