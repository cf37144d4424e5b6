/* SPDX-License-Identifier: Apache-2.0 */
/* deep_send: a library for LD_PRELOAD whose send() calls itself until the stack is full, if what is
 * sent has the words "too deep" in it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>
#include <sys/socket.h>

enum { ROOM_BYTES = 4096 };

/* The compiler is not to know that there is no end. */
static unsigned recurse(const volatile unsigned *depth)
{
    volatile char room[ROOM_BYTES];

    room[0] = (char)*depth;
    return *depth == 0 ? 0 : recurse(depth) + (unsigned)room[0];
}

ssize_t send(int socket, const void *bytes, size_t count, int flags)
{
    static const char words[] = "too deep";
    ssize_t (*real)(int, const void *, size_t, int) =
        (ssize_t(*)(int, const void *, size_t, int))dlsym(RTLD_NEXT, "send");
    volatile unsigned depth = 1;

    if (memmem(bytes, count, words, sizeof(words) - 1) != NULL)
        return (ssize_t)recurse(&depth);
    return real(socket, bytes, count, flags);
}
