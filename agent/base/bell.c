/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bell.h"

#include "base/check.h"

#include <limits.h>
#include <sys/eventfd.h>
#include <unistd.h>

bool bell_open(int *ret_fd)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        return false;
    *ret_fd = fd;
    return true;
}

void bell_ring(int fd)
{
    uint64_t one = 1;
    (void)!write(fd, &one, sizeof(one)); /* fails only when it rings already */
}

void bell_silence(int fd)
{
    uint64_t rings;
    (void)!read(fd, &rings, sizeof(rings));
}

void bell_wait(int fd, const int *others, unsigned count, int64_t timeout_ms)
{
    struct pollfd fds[BELL_OTHERS + 1] = { { .fd = fd, .events = POLLIN } };

    CHECK(count <= BELL_OTHERS);
    for (unsigned i = 0; i < count; i++)
        fds[i + 1] = (struct pollfd){ .fd = others[i], .events = POLLIN };
    int timeout = timeout_ms < 0 ? -1 : timeout_ms > INT_MAX ? INT_MAX : (int)timeout_ms;
    if (poll(fds, count + 1, timeout) > 0 && (fds[0].revents & POLLIN))
        bell_silence(fd);
}
