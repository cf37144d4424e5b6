/* SPDX-License-Identifier: Apache-2.0 */
/* otlp_reply: an answer is a message of the form of its request (opentelemetry.io/docs/specs/otlp):
 * ExportLogsServiceResponse and its like, or google.rpc.Status. */
#include "state.h"

enum { TAG_PARTIAL = 1 << 3 | 2, TAG_REJECTED = 1 << 3, TAG_TEXT = 2 << 3 | 2, VARINT_BYTES = 10 };

static const char partial_text[] = "what cannot be kept was left out and is counted";

static char *put_varint(char *to, uint64_t number)
{
    for (; number >= 0x80; number >>= 7)
        *to++ = (char)(number | 0x80);
    *to++ = (char)number;
    return to;
}

/* Field 2, a text. */
static char *put_text(char *to, struct slice text)
{
    *to++ = TAG_TEXT;
    to = put_varint(to, text.bytes);
    memcpy(to, text.data, text.bytes);
    return to + text.bytes;
}

static size_t write_partial(const struct exchange *exchange, char to[OTLP_REPLY_BYTES])
{
    static const char *const items[] = {
        [OTLP_LOGS] = "LogRecords", [OTLP_METRICS] = "DataPoints", [OTLP_TRACES] = "Spans"
    };
    char inner[sizeof(partial_text) + 2 * VARINT_BYTES];
    char *end = inner;

    if (exchange->is_json)
        return (size_t)snprintf(
            to, OTLP_REPLY_BYTES,
            "{\"partialSuccess\":{\"rejected%s\":\"%llu\",\"errorMessage\":\"%s\"}}",
            items[exchange->signal], (unsigned long long)exchange->refused, partial_text);
    *end++ = TAG_REJECTED;
    end = put_varint(end, exchange->refused);
    end = put_text(end, SLICE(partial_text));
    to[0] = TAG_PARTIAL;
    char *begin = put_varint(to + 1, (uint64_t)(end - inner));
    memcpy(begin, inner, (size_t)(end - inner));
    return (size_t)(begin - to) + (size_t)(end - inner);
}

/* What our own reply says in `error`. */
static struct slice find_error(const char *reply)
{
    static const char key[] = "\"error\":\"";
    const char *begin = strstr(reply, key);

    if (begin == NULL)
        return slice_of(reply);
    begin += sizeof(key) - 1;
    return (struct slice){ begin, strcspn(begin, "\"") };
}

size_t otlp_reply(const struct exchange *exchange, char to[OTLP_REPLY_BYTES])
{
    struct slice error = find_error(exchange->reply);

    if (exchange->status < 300 && exchange->refused > 0)
        return write_partial(exchange, to);
    if (exchange->status < 300)
        return exchange->is_json ? (size_t)snprintf(to, OTLP_REPLY_BYTES, "{}") : 0;
    if (exchange->is_json)
        return (size_t)snprintf(to, OTLP_REPLY_BYTES, "{\"message\":\"%.*s\"}", (int)error.bytes,
                                error.data);
    return (size_t)(put_text(to, error) - to);
}
