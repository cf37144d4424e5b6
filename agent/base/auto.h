/* SPDX-License-Identifier: Apache-2.0 */
/* auto: frees a local when its scope ends.
 * The free function takes a `T **`, accepts NULL inside, and leaves NULL: so ownership given away
 * (the callee nulls it) is not freed twice. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define AUTO(free_fn) __attribute__((cleanup(free_fn)))

static inline void auto_free(void *ptrp)
{
    void **memory = (void **)ptrp;
    free(*memory);
    *memory = NULL;
}

static inline void auto_close(int *fdp)
{
    if (*fdp >= 0)
        (void)close(*fdp);
    *fdp = -1;
}

/* Out of the hands of auto_close(): now it is the caller's. */
static inline int auto_keep_fd(int *fdp)
{
    int fd = *fdp;
    *fdp = -1;
    return fd;
}

static inline void auto_fclose(FILE **filep)
{
    if (*filep != NULL)
        (void)fclose(*filep);
    *filep = NULL;
}
