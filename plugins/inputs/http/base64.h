/* SPDX-License-Identifier: Apache-2.0 */
/* base64: RFC 4648, with its padding. Pure. */
#pragma once

#include "plugin.h"

/* Writes as many as base64_bytes() says, and no NUL. */
void base64_encode(struct slice bytes, char *to);
static inline size_t base64_bytes(size_t bytes)
{
    return (bytes + 2) / 3 * 4;
}
