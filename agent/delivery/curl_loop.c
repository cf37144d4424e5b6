/* SPDX-License-Identifier: Apache-2.0 */
/* curl_loop: sockets are watched as curl asks for; its timers are asked for before each wait, which
 * needs no state of our own. */
#include "delivery/curl_loop.h"

#include "base/bell.h"

#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { EVENTS_AT_ONCE = 64 };

static bool watch(int epoll, int fd, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.fd = fd };

    if (epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event) == 0)
        return true;
    return errno == ENOENT && epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

/* curl's callback; -1 makes its transfers fail. */
static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *unused)
{
    const struct curl_loop *loop = context;
    uint32_t events = 0;

    (void)easy;
    (void)unused;
    if (what == CURL_POLL_REMOVE) {
        (void)epoll_ctl(loop->epoll, EPOLL_CTL_DEL, fd, NULL); /* it may be closed already */
        return 0;
    }
    if (what & CURL_POLL_IN)
        events |= EPOLLIN;
    if (what & CURL_POLL_OUT)
        events |= EPOLLOUT;
    return watch(loop->epoll, fd, events) ? 0 : -1;
}

bool curl_loop_open(struct curl_loop *loop, CURLM *multi)
{
    *loop = (struct curl_loop){ .multi = multi, .bell = -1 };
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll < 0)
        return false;
    if (bell_open(&loop->bell) && watch(loop->epoll, loop->bell, EPOLLIN) &&
        curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, watch_socket) == CURLM_OK &&
        curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, loop) == CURLM_OK)
        return true;
    curl_loop_close(loop);
    return false;
}

void curl_loop_close(struct curl_loop *loop)
{
    if (loop->epoll >= 0)
        (void)close(loop->epoll);
    if (loop->bell >= 0)
        (void)close(loop->bell);
    loop->epoll = loop->bell = -1;
}

static int wait_ms(const struct curl_loop *loop, int64_t timeout_ms)
{
    long timer_ms = -1;

    (void)curl_multi_timeout(loop->multi, &timer_ms);
    if (timer_ms >= 0 && timer_ms < timeout_ms)
        timeout_ms = timer_ms;
    return timeout_ms > INT_MAX ? INT_MAX : (int)timeout_ms;
}

/* After an error or a hang-up curl finds out by itself: 0 means that. */
static int bits_of(uint32_t events)
{
    int bits = 0;

    if (events & (EPOLLERR | EPOLLHUP))
        return 0;
    if (events & EPOLLIN)
        bits |= CURL_CSELECT_IN;
    if (events & EPOLLOUT)
        bits |= CURL_CSELECT_OUT;
    return bits;
}

void curl_loop_step(struct curl_loop *loop, int64_t timeout_ms)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    long timer_ms = -1;
    int running;

    int count = epoll_wait(loop->epoll, events, EVENTS_AT_ONCE, wait_ms(loop, timeout_ms));
    for (int i = 0; i < count; i++) {
        int fd = events[i].data.fd;
        if (fd == loop->bell)
            bell_silence(loop->bell);
        else
            (void)curl_multi_socket_action(loop->multi, fd, bits_of(events[i].events), &running);
    }
    (void)curl_multi_timeout(loop->multi, &timer_ms);
    if (timer_ms == 0)
        (void)curl_multi_socket_action(loop->multi, CURL_SOCKET_TIMEOUT, 0, &running);
}

void curl_loop_wake(const struct curl_loop *loop)
{
    bell_ring(loop->bell);
}
