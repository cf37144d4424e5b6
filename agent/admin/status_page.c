/* SPDX-License-Identifier: Apache-2.0 */
/* status_page: a nonce for each answer, because a hash would have to be made when it is built. */
#include "admin/status_page.h"

#include "base/random.h"

#include <stdio.h>
#include <string.h>

enum { NONCE_BYTES = 16, NONCE_TEXT = 2 * NONCE_BYTES + 1 };

extern const unsigned char status_page_text[]; /* generated; ends with a NUL */

static void make_nonce(char ret_nonce[NONCE_TEXT])
{
    unsigned char bytes[NONCE_BYTES];

    random_bytes(bytes, sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++)
        (void)snprintf(ret_nonce + 2 * i, 3, "%02x", bytes[i]);
}

bool status_page_write(struct buf *ret, char ret_policy[STATUS_POLICY_BYTES])
{
    static const char mark[] = "{{nonce}}";
    char nonce[NONCE_TEXT];
    const char *at = (const char *)status_page_text;

    make_nonce(nonce);
    for (const char *found; (found = strstr(at, mark)) != NULL; at = found + sizeof(mark) - 1) {
        (void)buf_add(ret, at, (size_t)(found - at));
        (void)buf_add_text(ret, nonce);
    }
    (void)snprintf(ret_policy, STATUS_POLICY_BYTES,
                   "default-src 'none'; script-src 'nonce-%s'; style-src 'nonce-%s'; "
                   "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
                   "frame-ancestors 'none'",
                   nonce, nonce);
    return buf_add_text(ret, at);
}
