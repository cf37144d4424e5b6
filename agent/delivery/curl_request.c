/* SPDX-License-Identifier: Apache-2.0 */
/* curl_request: all options are set anew for each request: it costs nothing beside a batch, and
 * nothing of one request can leak into another. */
#include "delivery/curl_request.h"

#include <curl/curl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum {
    IDLE_CONNECTION_S = 30,
    CONNECTION_LIFE_S = 300, /* then the name is resolved anew */
    NAME_LIFE_S = 2,         /* an endpoint that moved is found soon; few connections are opened */
    HEADER_LINE_BYTES = 4096,
    /* Of each request: with curl's own sizes a hundred would take 8 MB beside the batches. */
    SEND_BUFFER_BYTES = 16 * 1024,
    FEW_SEND_BUFFER_BYTES = 64 * 1024,
    RECEIVE_BUFFER_BYTES = 4 * 1024,
};

static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)context;
    (void)purpose;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static bool add_header(struct curl_slist **headers, const char *name, const char *value)
{
    char line[HEADER_LINE_BYTES];
    /* curl's notation: "Name;" sends an empty value, "Name:" would suppress the header. */
    int length = value[0] == '\0' ? snprintf(line, sizeof(line), "%s;", name)
                                  : snprintf(line, sizeof(line), "%s: %s", name, value);
    struct curl_slist *longer;

    if (length < 0 || length >= (int)sizeof(line))
        return false;
    longer = curl_slist_append(*headers, line);
    if (longer == NULL)
        return false;
    *headers = longer;
    return true;
}

static bool add_number(struct curl_slist **headers, const char *name, uint64_t number)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
    return add_header(headers, name, text);
}

static bool add_headers(struct curl_slist **headers, const struct http_request *request,
                        const struct batch *batch, const char *agent_id)
{
    static const char *const codings[] = { [COMPRESS_GZIP] = "gzip", [COMPRESS_ZSTD] = "zstd" };
    bool is_array = batch->encoding == ENCODE_JSON_ARRAY;
    bool ok =
        add_header(headers, "Content-Type", is_array ? "application/json" : "application/x-ndjson");

    ok = ok && add_header(headers, "Idempotency-Key", batch->key);
    ok = ok && add_header(headers, "Spillway-Agent", agent_id);
    ok = ok && add_number(headers, "Spillway-Sequence", batch->sequence);
    ok = ok && add_number(headers, "Spillway-Events", batch->events);
    if (batch->compression != COMPRESS_NONE)
        ok = ok && add_header(headers, "Content-Encoding", codings[batch->compression]);
    for (size_t i = 0; i < request->header_count; i++)
        ok = ok && add_header(headers, request->headers[i].name, request->headers[i].value);
    return ok;
}

static bool set_text(CURL *easy, CURLoption option, const char *text)
{
    return text == NULL || text[0] == '\0' || curl_easy_setopt(easy, option, text) == CURLE_OK;
}

static bool set_long(CURL *easy, CURLoption option, int64_t number)
{
    return curl_easy_setopt(easy, option, number > LONG_MAX ? LONG_MAX : (long)number) == CURLE_OK;
}

static bool set_security(CURL *easy, const struct http_request *request)
{
    bool ok = set_long(easy, CURLOPT_SSL_VERIFYPEER, request->verify ? 1 : 0) &&
              set_long(easy, CURLOPT_SSL_VERIFYHOST, request->verify ? 2 : 0) &&
              set_text(easy, CURLOPT_SSLCERT, request->cert_file) &&
              set_text(easy, CURLOPT_SSLKEY, request->key_file) &&
              set_text(easy, CURLOPT_KEYPASSWD, request->key_password);

    if (request->ca_file != NULL && request->ca_file[0] != '\0') /* it alone, not the folder too */
        ok = ok && curl_easy_setopt(easy, CURLOPT_CAINFO, request->ca_file) == CURLE_OK &&
             curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) == CURLE_OK;
    if (request->user != NULL && request->user[0] != '\0') {
        ok = ok && set_long(easy, CURLOPT_HTTPAUTH, (int64_t)CURLAUTH_BASIC) &&
             set_text(easy, CURLOPT_USERNAME, request->user) &&
             set_text(easy, CURLOPT_PASSWORD, request->password);
    } else if (request->bearer_token != NULL && request->bearer_token[0] != '\0') {
        ok = ok && set_long(easy, CURLOPT_HTTPAUTH, (int64_t)CURLAUTH_BEARER) &&
             set_text(easy, CURLOPT_XOAUTH2_BEARER, request->bearer_token);
    }
    return ok;
}

static bool set_connection(CURL *easy, const struct http_request *request, int64_t timeout_ms)
{
    /* The proxy is the configured one, or none: the environment is not asked. */
    const char *proxy = request->proxy == NULL ? "" : request->proxy;
    bool ok = curl_easy_setopt(easy, CURLOPT_PROXY, proxy) == CURLE_OK;

    ok = ok && curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket) == CURLE_OK;
    ok = ok && set_text(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    ok = ok && set_long(easy, CURLOPT_BUFFERSIZE, RECEIVE_BUFFER_BYTES);
    ok = ok && set_long(easy, CURLOPT_UPLOAD_BUFFERSIZE, 4 * RECEIVE_BUFFER_BYTES);
    ok = ok && set_long(easy, CURLOPT_NOSIGNAL, 1);
    ok = ok && set_long(easy, CURLOPT_QUICK_EXIT, 1);
    ok = ok && set_long(easy, CURLOPT_TCP_KEEPALIVE, 1);
    ok = ok && set_long(easy, CURLOPT_MAXAGE_CONN, IDLE_CONNECTION_S);
    ok = ok && set_long(easy, CURLOPT_MAXLIFETIME_CONN, CONNECTION_LIFE_S);
    ok = ok && set_long(easy, CURLOPT_DNS_CACHE_TIMEOUT, NAME_LIFE_S);
    ok = ok && set_long(easy, CURLOPT_TIMEOUT_MS, timeout_ms);
    if (request->connect_timeout_ms > 0)
        ok = ok && set_long(easy, CURLOPT_CONNECTTIMEOUT_MS, request->connect_timeout_ms);
    return ok;
}

bool curl_request_prepare(void *easy, const struct http_request *request, int64_t timeout_ms)
{
    return set_connection(easy, request, timeout_ms) && set_security(easy, request);
}

bool curl_request_set_batch(void *easy, const struct http_request *request,
                            const struct batch *batch, const char *agent_id, bool is_one_of_few,
                            struct curl_slist **headers)
{
    bool ok = set_text(easy, CURLOPT_USERAGENT, "spillway/" SPILLWAY_VERSION);

    ok = ok && set_long(easy, CURLOPT_UPLOAD_BUFFERSIZE,
                        is_one_of_few ? FEW_SEND_BUFFER_BYTES : SEND_BUFFER_BYTES);
    ok = ok && set_text(easy, CURLOPT_URL, request->url);
    ok = ok && set_long(easy, CURLOPT_POST, 1);
    if (request->method != NULL && strcmp(request->method, "POST") != 0)
        ok = ok && set_text(easy, CURLOPT_CUSTOMREQUEST, request->method);
    ok = ok && curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)batch->body_bytes) ==
                   CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_POSTFIELDS, batch->body) == CURLE_OK;
    ok = ok && add_headers(headers, request, batch, agent_id);
    /* Without it curl would wait up to a second for leave to send a large body. */
    struct curl_slist *longer = ok ? curl_slist_append(*headers, "Expect:") : NULL;
    if (longer == NULL)
        return false;
    *headers = longer;
    return curl_easy_setopt(easy, CURLOPT_HTTPHEADER, longer) == CURLE_OK;
}
