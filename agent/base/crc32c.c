/* SPDX-License-Identifier: Apache-2.0 */
/* crc32c: by ISA-L, which uses the processor's own instructions: some ten times as fast. Without it
 * eight bytes a step by eight tables, made at the first use; table[k][b] is the checksum of byte b
 * followed by k zero bytes. */
#include "base/crc32c.h"

#include "built_with.h"

#include <pthread.h>

#if HAVE_ISAL
#include <isa-l/crc.h>
#endif

#define POLYNOMIAL UINT32_C(0x82F63B78) /* 0x1EDC6F41, its bits reversed */

enum { STEP = 8 };

static uint32_t table[STEP][256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fill_tables(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? POLYNOMIAL : 0);
        table[0][byte] = crc;
    }
    for (uint32_t byte = 0; byte < 256; byte++) {
        for (int k = 1; k < STEP; k++)
            table[k][byte] = (table[k - 1][byte] >> 8) ^ table[0][table[k - 1][byte] & 0xff];
    }
}

static uint32_t add_byte(uint32_t crc, unsigned char byte)
{
    return (crc >> 8) ^ table[0][(crc ^ byte) & 0xff];
}

uint32_t crc32c_by_tables(uint32_t of, const void *data, size_t bytes)
{
    const unsigned char *at = data;
    uint32_t crc = ~of;

    (void)pthread_once(&once, fill_tables);
    for (; bytes >= STEP; bytes -= STEP, at += STEP) {
        uint32_t low = crc ^ ((uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
                              (uint32_t)at[3] << 24);
        crc = table[7][low & 0xff] ^ table[6][low >> 8 & 0xff] ^ table[5][low >> 16 & 0xff] ^
              table[4][low >> 24] ^ table[3][at[4]] ^ table[2][at[5]] ^ table[1][at[6]] ^
              table[0][at[7]];
    }
    while (bytes-- > 0)
        crc = add_byte(crc, *at++);
    return ~crc;
}

uint32_t crc32c(uint32_t of, const void *data, size_t bytes)
{
#if HAVE_ISAL
    enum { PART_BYTES = 1 << 30 }; /* it takes an int */
    unsigned char *at = (unsigned char *)(uintptr_t)data;
    uint32_t crc = ~of;

    for (; bytes > PART_BYTES; bytes -= PART_BYTES, at += PART_BYTES)
        crc = crc32_iscsi(at, PART_BYTES, crc);
    return ~crc32_iscsi(at, (int)bytes, crc);
#else
    return crc32c_by_tables(of, data, bytes);
#endif
}
