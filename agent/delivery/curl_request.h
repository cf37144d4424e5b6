/* SPDX-License-Identifier: Apache-2.0 */
/* curl_request: what a curl handle is told of a request: where to, with which credentials and TLS,
 * for how long, and the batch with its headers. Sends nothing. `easy` is a CURL handle that was
 * just made or reset. */
#pragma once

#include "delivery/batch.h"
#include "plugins/plugin.h"

struct curl_slist;

/* What all requests of an output have in common: credentials, TLS, proxy, time. request and its
 * texts are copied. false: out of memory. */
bool curl_request_prepare(void *easy, const struct http_request *request, int64_t timeout_ms);

/* The batch and what is said of it. Its body is borrowed, and so is *headers, to which is added:
 * until the request is over. is_one_of_few: larger buffers. false: out of memory. */
bool curl_request_set_batch(void *easy, const struct http_request *request,
                            const struct batch *batch, const char *agent_id, bool is_one_of_few,
                            struct curl_slist **headers);
