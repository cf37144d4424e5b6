/* SPDX-License-Identifier: Apache-2.0 */
/* text_hash: FNV-1a, 64 bits, over one text after the other: tells texts apart, guards against
 * nothing. */
#pragma once

#include "base/slice.h"

#include <stdint.h>

static const uint64_t text_hash_of_nothing = UINT64_C(14695981039346656037);

static inline uint64_t text_hash_add(uint64_t hash, struct slice text)
{
    for (size_t i = 0; i < text.bytes; i++)
        hash = (hash ^ (unsigned char)text.data[i]) * UINT64_C(1099511628211);
    return hash;
}
