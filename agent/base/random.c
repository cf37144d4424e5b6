/* SPDX-License-Identifier: Apache-2.0 */
#include "base/random.h"

#include "base/check.h"

#include <errno.h>
#include <sys/random.h>

uint64_t random_next(struct random *random)
{
    uint64_t z = (random->state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t random_below(struct random *random, uint64_t bound)
{
    /* Multiply-shift (Lemire 2019) without the rejection step: the bias is below bound / 2^64. */
    __extension__ typedef unsigned __int128 wide;
    return (uint64_t)(((wide)random_next(random) * bound) >> 64);
}

double random_unit(struct random *random)
{
    return (double)(random_next(random) >> 11) * 0x1.0p-53;
}

void random_bytes(void *ret_bytes, size_t bytes)
{
    unsigned char *next = ret_bytes;
    while (bytes > 0) {
        ssize_t got = getrandom(next, bytes, 0);
        CHECK(got > 0 || (got < 0 && errno == EINTR));
        if (got > 0) {
            next += got;
            bytes -= (size_t)got;
        }
    }
}
