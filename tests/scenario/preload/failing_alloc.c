/* SPDX-License-Identifier: Apache-2.0 */
/* failing_alloc: a library for LD_PRELOAD that refuses one allocation. FAILING_ALLOC_AT is its
 * number, from 1 on; without it none fails. At the end of the process the number of allocations
 * that were counted is written to the file FAILING_ALLOC_COUNT, if there is that name. Counted are
 * those of the program itself, in whichever of its threads, with strdup and the like; not those
 * that libraries make for themselves, of which some end the process by design. Those of libraries
 * too: FAILING_ALLOC_ALL. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *old, size_t bytes);

static atomic_ulong counted;
static unsigned long fails_at;
static int of_all;
static uintptr_t program_begin, program_end;

__attribute__((constructor)) static void find_program(void)
{
    const char *at = getenv("FAILING_ALLOC_AT");
    char line[512];
    char path[256];
    FILE *maps = fopen("/proc/self/maps", "re");
    ssize_t bytes = readlink("/proc/self/exe", path, sizeof(path) - 1);

    path[bytes < 0 ? 0 : bytes] = '\0';
    while (maps != NULL && fgets(line, sizeof(line), maps) != NULL) {
        unsigned long begin, end;
        if (strstr(line, path) == NULL || sscanf(line, "%lx-%lx", &begin, &end) != 2)
            continue;
        program_begin = program_begin == 0 ? begin : program_begin;
        program_end = end;
    }
    if (maps != NULL)
        (void)fclose(maps);
    of_all = getenv("FAILING_ALLOC_ALL") != NULL;
    fails_at = at == NULL ? 0 : strtoul(at, NULL, 10);
}

static int count_fd = -1;

/* Opened at once: later the agent may have given up the right to write there. */
__attribute__((constructor)) static void open_count(void)
{
    const char *path = getenv("FAILING_ALLOC_COUNT");

    if (path != NULL)
        count_fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
}

static void tell_count(void)
{
    if (count_fd >= 0)
        (void)dprintf(count_fd, "%lu\n", atomic_load(&counted));
}

__attribute__((destructor)) static void end(void)
{
    tell_count();
}

void _exit(int code) /* the agent's way out: without destructors */
{
    tell_count();
    for (;;)
        (void)syscall(SYS_exit_group, code);
}

static int refuses(const void *caller)
{
    uintptr_t at = (uintptr_t)caller;

    bool is_meant = of_all || (at >= program_begin && at < program_end);
    if (program_end == 0 || !is_meant || atomic_fetch_add(&counted, 1) + 1 != fails_at)
        return 0;
    errno = ENOMEM;
    return 1;
}
#define REFUSED refuses(__builtin_return_address(0))

void *malloc(size_t bytes)
{
    return REFUSED ? NULL : __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    return REFUSED ? NULL : __libc_calloc(count, bytes);
}

void *realloc(void *old, size_t bytes)
{
    return REFUSED ? NULL : __libc_realloc(old, bytes);
}

char *strdup(const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = REFUSED ? NULL : __libc_malloc(bytes);
    return copy == NULL ? NULL : memcpy(copy, text, bytes);
}

char *strndup(const char *text, size_t most)
{
    size_t bytes = strnlen(text, most);
    char *copy = REFUSED ? NULL : __libc_malloc(bytes + 1);
    if (copy == NULL)
        return NULL;
    copy[bytes] = '\0';
    return memcpy(copy, text, bytes);
}

void *mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    void *(*next)(void *, size_t, int, int, int, off_t) = dlsym(RTLD_NEXT, "mmap");
    return REFUSED ? MAP_FAILED : next(at, bytes, protection, flags, fd, offset);
}
