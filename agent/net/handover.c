/* SPDX-License-Identifier: Apache-2.0 */
#include "net/handover.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIRST_FD = 3, FDS_MAX = 1024 };

static long number_of(const char *variable)
{
    const char *text = getenv(variable);
    char *end;

    if (text == NULL || text[0] == '\0')
        return -1;
    long number = strtol(text, &end, 10);
    return *end == '\0' ? number : -1;
}

static int count_fds(void)
{
    long count = number_of("LISTEN_FDS");

    if (number_of("LISTEN_PID") != (long)getpid() || count < 0)
        return 0;
    return count > FDS_MAX ? FDS_MAX : (int)count;
}

static bool has_name(int index, const char *name)
{
    const char *names = getenv("LISTEN_FDNAMES");

    for (; names != NULL && index > 0; index--) {
        names = strchr(names, ':');
        names = names == NULL ? NULL : names + 1;
    }
    if (names == NULL)
        return strcmp(name, "unknown") == 0;
    size_t bytes = strcspn(names, ":");
    return strlen(name) == bytes && memcmp(names, name, bytes) == 0;
}

int handover_next(const char *name, int before)
{
    int count = count_fds();

    for (int fd = before < FIRST_FD ? FIRST_FD : before + 1; fd < FIRST_FD + count; fd++) {
        if (!has_name(fd - FIRST_FD, name))
            continue;
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
        return fd;
    }
    return -1;
}
