/* SPDX-License-Identifier: Apache-2.0 */
/* books_sign: whose books they are: of which agent, start and boot of the host. Threads: main. */
#pragma once

#include "ledger/books_layout.h"

/* The agent's id is kept in the state directory; where that cannot be, it is a new one. */
void books_sign(struct books_header *header, const char *state_dir);
