/* SPDX-License-Identifier: Apache-2.0 */
/* crc32c: the Castagnoli checksum, as in iSCSI (RFC 3720, appendix B.4): polynomial 0x1EDC6F41,
 * reflected, all ones before and after. Finds all errors of up to 32 bits in a row.
 * Threads: any. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* of: what came before, 0: nothing. crc32c(crc32c(0, a), b) is that of a and b together. */
uint32_t crc32c(uint32_t of, const void *data, size_t bytes);
/* The same without ISA-L: what crc32c() is where that was not found. */
uint32_t crc32c_by_tables(uint32_t of, const void *data, size_t bytes);
