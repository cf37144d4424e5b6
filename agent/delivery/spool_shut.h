/* SPDX-License-Identifier: Apache-2.0 */
/* spool_shut: stands for a folder that could not be opened: every call fails. A spool on it finds
 * nothing, writes nothing and keeps in the books what they have on disk, for a start that can open
 * it. Threads: as spool_disk. */
#pragma once

#include "delivery/spool_disk.h"

struct spool_disk *spool_shut(void); /* never NULL; to be freed like any other */
