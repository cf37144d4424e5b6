/* SPDX-License-Identifier: Apache-2.0 */
#include "base/in_hand.h"

_Thread_local struct in_hand in_hand_now;

/* FNV-1a, 64 bits (draft-eastlake-fnv), folded. */
uint64_t in_hand_name(const void *bytes, uint64_t count)
{
    const unsigned char *at = bytes;
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (uint64_t i = 0; i < count; i++)
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    return (hash ^ hash >> 48) & ((UINT64_C(1) << 48) - 1);
}
