/* SPDX-License-Identifier: Apache-2.0 */
/* variants: turns one mechanism of the real delivery off, for all agents of this program. The
 * linker puts the functions of variants.c before the real ones (--wrap), so the program that is
 * shipped knows nothing of it. */
#pragma once

enum variant {
    VARIANT_ALL_ON,
    VARIANT_NO_JITTER,  /* every chance falls on its longest wait */
    VARIANT_NO_BREAKER, /* never opens */
    VARIANT_NO_BUDGET,  /* a retry never waits for a token */
    VARIANT_NO_AIMD,    /* as many requests in flight as are configured, from the start */
    VARIANTS,
};
extern const char *const variant_names[VARIANTS];
extern enum variant variant;
