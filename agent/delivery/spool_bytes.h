/* SPDX-License-Identifier: Apache-2.0 */
/* spool_bytes: numbers and names as bytes, for spool_format.c and spool_sum.c alone. */
#pragma once

#include "base/buf.h"
#include "ledger/ledger.h"

static inline void put_u16(unsigned char *at, uint16_t value)
{
    at[0] = (unsigned char)value;
    at[1] = (unsigned char)(value >> 8);
}

static inline void put_u32(unsigned char *at, uint32_t value)
{
    put_u16(at, (uint16_t)value);
    put_u16(at + 2, (uint16_t)(value >> 16));
}

static inline void put_u64(unsigned char *at, uint64_t value)
{
    put_u32(at, (uint32_t)value);
    put_u32(at + 4, (uint32_t)(value >> 32));
}

static inline uint16_t get_u16(const unsigned char *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

static inline uint32_t get_u32(const unsigned char *at)
{
    return (uint32_t)get_u16(at) | (uint32_t)get_u16(at + 2) << 16;
}

static inline uint64_t get_u64(const unsigned char *at)
{
    return get_u32(at) | (uint64_t)get_u32(at + 4) << 32;
}

/* The name of an input: its length in one byte, then the text. */
static inline bool add_name(struct buf *ret, struct slice name)
{
    unsigned char length = (unsigned char)name.bytes;

    return buf_add(ret, &length, 1) && buf_add(ret, name.data, name.bytes);
}

/* What the configuration takes as a name: it goes into the log and the metrics. */
static inline bool is_in_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
}

static inline bool take_name(struct slice *rest, struct slice *ret)
{
    if (rest->bytes == 0)
        return false;
    size_t bytes = (unsigned char)rest->data[0];
    if (bytes == 0 || bytes >= LEDGER_NAME || bytes >= rest->bytes)
        return false;
    *ret = (struct slice){ rest->data + 1, bytes };
    *rest = (struct slice){ rest->data + 1 + bytes, rest->bytes - 1 - bytes };
    for (size_t i = 0; i < bytes; i++) {
        if (!is_in_name(ret->data[i]))
            return false;
    }
    return true;
}

static inline bool pad_buf(struct buf *ret)
{
    static const char zeros[8];

    return buf_add(ret, zeros, (8 - ret->bytes % 8) % 8);
}
