/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_add.h"

#include "base/json.h"

#include <inttypes.h>
#include <string.h>

enum { TEXT_BYTES = 4096 };

/* A comma where something stands before it in the same object or list. */
void json_add_key(struct buf *ret, const char *key)
{
    char last = ret->bytes > 0 ? ret->data[ret->bytes - 1] : '{';

    if (last != '{' && last != '[')
        (void)buf_add(ret, ",", 1);
    if (key != NULL)
        (void)buf_printf(ret, "\"%s\":", key);
}

void json_add_text(struct buf *ret, const char *key, const char *text)
{
    char escaped[6 * TEXT_BYTES + 32];
    struct slice slice = { text, strnlen(text, TEXT_BYTES) };

    json_add_key(ret, key);
    size_t bytes = json_escape(escaped, slice, NULL);
    (void)buf_add(ret, "\"", 1);
    (void)buf_add(ret, escaped, bytes);
    (void)buf_add(ret, "\"", 1);
}

void json_add_count(struct buf *ret, const char *key, uint64_t count)
{
    json_add_key(ret, key);
    (void)buf_printf(ret, "%" PRIu64, count);
}

void json_add_integer(struct buf *ret, const char *key, int64_t integer)
{
    json_add_key(ret, key);
    (void)buf_printf(ret, "%" PRId64, integer);
}

void json_add_real(struct buf *ret, const char *key, double real)
{
    char text[32];

    json_add_key(ret, key);
    (void)buf_add(ret, text, json_real(text, real));
}

void json_add_flag(struct buf *ret, const char *key, bool flag)
{
    json_add_key(ret, key);
    (void)buf_add_text(ret, flag ? "true" : "false");
}

void json_open(struct buf *ret, const char *key, char bracket)
{
    json_add_key(ret, key);
    (void)buf_add(ret, &bracket, 1);
}

void json_close(struct buf *ret, char bracket)
{
    (void)buf_add(ret, &bracket, 1);
}
