/* SPDX-License-Identifier: Apache-2.0 */
/* credentials: certificates, key, authorities and token of an output, which lie in files and are
 * exchanged while the agent runs, in place or by a link.
 * When a request begins the files are looked at, once a second at most. What changed is read whole
 * and kept in memory; that is what requests are given, so none sees a half of a file. New ones are
 * on trial: if the first request cannot use them (key and certificate do not fit, say), the old
 * ones are back, until the files change again or the old ones fail too. Threads: the sender's. */
#pragma once

#include "plugins/plugin.h"

struct credentials;

enum credentials_news { CREDENTIALS_SAME, CREDENTIALS_TAKEN, CREDENTIALS_REFUSED };

struct credentials *credentials_new(void); /* NULL: out of memory */
void credentials_free(struct credentials **credentialsp);

/* Puts what is to be used into the request; borrowed until the next call. Returns the number of
 * this set, for credentials_judge(). */
unsigned credentials_apply(struct credentials *credentials, struct http_request *request,
                           int64_t now_ms);

enum credentials_use { CREDENTIALS_UNTOLD, CREDENTIALS_WORK, CREDENTIALS_FAIL };
/* What a request with that set has shown. true: others are in place again, try at once. */
bool credentials_judge(struct credentials *credentials, unsigned set, enum credentials_use use);

/* What happened since the last call; of a refusal ret_why, a text of at most `room` bytes. */
enum credentials_news credentials_take_news(struct credentials *credentials, char *ret_why,
                                            size_t room);
