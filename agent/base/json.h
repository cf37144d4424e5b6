/* SPDX-License-Identifier: Apache-2.0 */
/* json: writing JSON strings and numbers fast (RFC 8259). Reading is cJSON's work. */
#pragma once

#include "base/slice.h"

#include <stdint.h>

/* Escapes text into to, without the quotes, and returns the bytes written, at most 6 * text.bytes.
 * Control characters, quote and backslash are escaped; each byte that is not part of valid UTF-8
 * becomes U+FFFD (EF BF BD), so the result is always valid JSON. *ret_replaced (may be NULL) is
 * increased by the number of bytes replaced. Whole blocks are stored: `to` needs 32 bytes more than
 * what is returned, so 6 * text.bytes + 32 always do. */
size_t json_escape(char *to, struct slice text, uint64_t *ret_replaced);

/* The shortest decimal that reads back as the same double; NaN and infinities are `null`.
 * `to` needs 32 bytes. */
size_t json_real(char *to, double real);
size_t json_integer(char *to, int64_t integer);
