/* SPDX-License-Identifier: Apache-2.0 */
/* status_page: the page for people at `/`. It is built in from the files in admin/page/, asks for
 * nothing outside of this endpoint, and runs under a policy that allows nothing else. */
#pragma once

#include "base/buf.h"

enum { STATUS_POLICY_BYTES = 384 };

/* A fresh nonce marks its own style and script. ret_policy: for Content-Security-Policy. */
bool status_page_write(struct buf *ret, char ret_policy[STATUS_POLICY_BYTES]);
