/* SPDX-License-Identifier: Apache-2.0 */
/* curl_loop: waits for the sockets of a curl multi handle with epoll, and tells curl which of them
 * are ready. With curl's own waiting each step costs a poll for every request in flight: with a
 * hundred to a far endpoint that was a quarter of the agent's CPU. Threads: the one that uses the
 * multi handle, but for curl_loop_wake(). */
#pragma once

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

struct curl_loop {
    CURLM *multi;
    int epoll;
    int bell;
};

/* false: errno says why. The multi handle is borrowed, and calls back until it is cleaned up: clean
 * it up first, then close the loop. */
bool curl_loop_open(struct curl_loop *loop, CURLM *multi);
void curl_loop_close(struct curl_loop *loop);
/* Waits until something is ready or due or the loop is woken, and lets curl do what can be done. */
void curl_loop_step(struct curl_loop *loop, int64_t timeout_ms);
void curl_loop_wake(const struct curl_loop *loop); /* from any thread */
