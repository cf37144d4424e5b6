/* SPDX-License-Identifier: Apache-2.0 */
#include "base64.h"

void base64_encode(struct slice bytes, char *to)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < bytes.bytes; i += 3) {
        size_t count = bytes.bytes - i < 3 ? bytes.bytes - i : 3;
        uint32_t held = 0;
        for (size_t j = 0; j < 3; j++)
            held = held << 8 | (j < count ? (unsigned char)bytes.data[i + j] : 0);
        for (size_t j = 0; j < 4; j++)
            *to++ = j <= count ? digits[held >> (18 - 6 * j) & 63] : '=';
    }
}
