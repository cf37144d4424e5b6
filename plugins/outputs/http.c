/* SPDX-License-Identifier: Apache-2.0 */
/* http: batches as HTTP requests. What an answer means is decided by its status, as for every
 * output that does not know better. */
#include "plugin.h"

#include <ctype.h>
#include <strings.h>
#include <sys/stat.h>

#define HTTP_OPTIONS(X, T)                                                                         \
    X(T, url, text, REQUIRED, ANY, ANY, "Where batches are sent: http:// or https://")             \
    X(T, method, choice, "POST", "POST|PUT|PATCH", ANY, "Method of the request")                   \
    X(T, format, choice, "ndjson", "ndjson|json_array", ANY, "How events are written")             \
    X(T, headers, secrets, "", ANY, ANY, "Headers added to each request")                          \
    X(T, auth__user, text, "", ANY, ANY, "User name, for basic authentication")                    \
    X(T, auth__password, secret, "", ANY, ANY, "Password, for basic authentication")               \
    X(T, auth__bearer_token, secret, "", ANY, ANY, "Token, for bearer authentication")             \
    X(T, auth__bearer_token_file, text, "", ANY, ANY,                                              \
      "File with the token alone; read anew when it changes")                                      \
    X(T, tls__ca_file, text, "", ANY, ANY,                                                         \
      "Certificates to trust, PEM; empty: the system's. This file and the next two are read anew " \
      "when they change")                                                                          \
    X(T, tls__cert_file, text, "", ANY, ANY, "Certificate of this client, PEM")                    \
    X(T, tls__key_file, text, "", ANY, ANY, "Private key of this client, PEM")                     \
    X(T, tls__key_password, secret, "", ANY, ANY, "Password of the private key")                   \
    X(T, tls__verify, flag, "yes", ANY, ANY, "Check the endpoint's certificate and name")          \
    X(T, proxy, text, "", ANY, ANY, "URL of a proxy; empty: none, the environment is not asked")   \
    X(T, connect_timeout, duration, "5s", "10ms", "10m", "Give up on a connection after this")     \
    X(T, timeout, duration, "30s", "10ms", "1h", "Give up on a request after this")
DECLARE_OPTIONS(http_config, HTTP_OPTIONS);

struct http {
    struct http_request request;
};

/* ---- the check: what a parser of single options cannot see ---- */

static bool is_empty(const char *text)
{
    return text[0] == '\0';
}

static bool is_printable(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text <= ' ' || *text == 0x7f)
            return false;
    }
    return true;
}

static const char *skip_scheme(const char *url)
{
    if (strncasecmp(url, "http://", 7) == 0)
        return url + 7;
    return strncasecmp(url, "https://", 8) == 0 ? url + 8 : NULL;
}

/* A port is what follows the last colon, unless that colon belongs to an IPv6 address. */
static bool is_port_valid(const char *host, size_t bytes)
{
    const char *colon = memrchr(host, ':', bytes);
    const char *bracket = memrchr(host, ']', bytes);
    size_t digits;
    long port = 0;

    if (colon == NULL || (bracket != NULL && bracket > colon))
        return true;
    digits = bytes - (size_t)(colon + 1 - host);
    for (size_t i = 1; i <= digits; i++) {
        if (digits > 5 || !isdigit((unsigned char)colon[i]))
            return false;
        port = port * 10 + (colon[i] - '0');
    }
    return colon != host && port >= 1 && port <= 65535;
}

static bool check_url(const char *url, struct err *err)
{
    const char *host = skip_scheme(url);
    size_t host_bytes;

    if (host == NULL)
        return err_set(err, "url: must begin with http:// or https://");
    host_bytes = strcspn(host, "/?#");
    if (memchr(host, '@', host_bytes) != NULL)
        return err_set(err, "url: put the user name and password into auth.user and auth.password");
    if (host_bytes == 0)
        return err_set(err, "url: names no host");
    if (!is_printable(url))
        return err_set(err, "url: has a space or control character in it");
    if (!is_port_valid(host, host_bytes))
        return err_set(err, "url: its port is not a number from 1 to 65535");
    return true;
}

static bool is_reserved(const char *name)
{
    static const char *const reserved[] = { "Content-Type", "Content-Encoding",  "Content-Length",
                                            "Connection",   "Transfer-Encoding", "Expect",
                                            "User-Agent",   "Idempotency-Key",   NULL };

    for (size_t i = 0; reserved[i] != NULL; i++) {
        if (strcasecmp(name, reserved[i]) == 0)
            return true;
    }
    return strncasecmp(name, "Spillway-", 9) == 0;
}

/* token of RFC 9110, 5.6.2 */
static bool is_header_name(const char *name)
{
    for (const char *at = name; *at != '\0'; at++) {
        if (!isalnum((unsigned char)*at) && strchr("!#$%&'*+-.^_`|~", *at) == NULL)
            return false;
    }
    return !is_empty(name);
}

enum { HEADER_BYTES_MAX = 4000 };

static bool check_header(const struct http_config *cfg, const struct text_pair *header,
                         struct err *err)
{
    bool has_auth = !is_empty(cfg->auth__user) || !is_empty(cfg->auth__bearer_token) ||
                    !is_empty(cfg->auth__bearer_token_file);

    if (!is_header_name(header->key))
        return err_set(err, "headers: '%s' is not a header name", header->key);
    if (is_reserved(header->key))
        return err_set(err, "headers: %s is set by the agent itself", header->key);
    if (has_auth && strcasecmp(header->key, "Authorization") == 0)
        return err_set(err, "headers: Authorization is set by auth already");
    if (strpbrk(header->value, "\r\n") != NULL)
        return err_set(err, "headers: the value of %s has a line break in it", header->key);
    if (strlen(header->key) + strlen(header->value) > HEADER_BYTES_MAX)
        return err_set(err, "headers: %s is longer than %d bytes", header->key, HEADER_BYTES_MAX);
    return true;
}

static bool check_headers(const struct http_config *cfg, struct err *err)
{
    if (cfg->headers.count > HEADERS_MAX)
        return err_set(err, "headers: more than %d", HEADERS_MAX);
    for (size_t i = 0; i < cfg->headers.count; i++) {
        if (!check_header(cfg, &cfg->headers.items[i], err))
            return false;
    }
    return true;
}

static bool check_auth(const struct http_config *cfg, struct err *err)
{
    int ways = !is_empty(cfg->auth__user) + !is_empty(cfg->auth__bearer_token) +
               !is_empty(cfg->auth__bearer_token_file);

    if (ways > 1)
        return err_set(err, "auth: user, bearer_token or bearer_token_file: one of them");
    if (is_empty(cfg->auth__user) && !is_empty(cfg->auth__password))
        return err_set(err, "auth: password without user");
    if (!is_printable(cfg->auth__bearer_token))
        return err_set(err, "auth: bearer_token has a space or line break in it");
    return true;
}

static bool http_check(const void *config, struct err *err)
{
    const struct http_config *cfg = config;

    if (is_empty(cfg->tls__cert_file) != is_empty(cfg->tls__key_file))
        return err_set(err, "tls: cert_file and key_file belong together");
    return check_url(cfg->url, err) && check_auth(cfg, err) && check_headers(cfg, err);
}

/* ---- the plugin ---- */

static bool http_open(void *state, const void *config, const struct host *host, struct err *err)
{
    static const char *const methods[] = { "POST", "PUT", "PATCH" };
    const struct http_config *cfg = config;
    struct http *http = state;

    (void)host;
    (void)err;
    http->request = (struct http_request){ .url = cfg->url,
                                           .method = methods[cfg->method],
                                           .header_count = cfg->headers.count,
                                           .user = cfg->auth__user,
                                           .password = cfg->auth__password,
                                           .bearer_token = cfg->auth__bearer_token,
                                           .bearer_token_file = cfg->auth__bearer_token_file,
                                           .ca_file = cfg->tls__ca_file,
                                           .cert_file = cfg->tls__cert_file,
                                           .key_file = cfg->tls__key_file,
                                           .key_password = cfg->tls__key_password,
                                           .verify = cfg->tls__verify,
                                           .proxy = cfg->proxy,
                                           .connect_timeout_ms = cfg->connect_timeout,
                                           .timeout_ms = cfg->timeout };
    for (size_t i = 0; i < cfg->headers.count; i++) {
        http->request.headers[i].name = cfg->headers.items[i].key;
        http->request.headers[i].value = cfg->headers.items[i].value;
    }
    return true;
}

static void http_format(const void *config, enum encoding *ret_encoding)
{
    static const enum encoding encodings[] = { ENCODE_NDJSON, ENCODE_JSON_ARRAY };
    const struct http_config *cfg = config;

    *ret_encoding = encodings[cfg->format];
}

static void http_request(void *state, struct http_request *ret)
{
    const struct http *http = state;

    *ret = http->request;
}

/* As measured, with what it is given in http_client.c. libcurl on GnuTLS parses all authorities for
 * each connection, and what it makes of them is twenty times their text. */
static uint64_t http_connection_bytes(const void *config)
{
    enum { PLAIN = 32 * 1024, TLS = 96 * 1024, ALL_AUTHORITIES = 4 * 1024 * 1024, PARSED = 20 };
    const struct http_config *cfg = config;
    struct stat info;

    if (strncasecmp(cfg->url, "https:", 6) != 0)
        return PLAIN;
    if (is_empty(cfg->tls__ca_file))
        return TLS + ALL_AUTHORITIES;
    return TLS + (stat(cfg->tls__ca_file, &info) == 0 ? (uint64_t)info.st_size * PARSED : 0);
}

const struct output output_http = {
    .type = { PLUGIN_TYPE("http", "HTTP requests to an endpoint", http_config, http),
              .check = http_check, .connection_bytes = http_connection_bytes },
    .open = http_open,
    .format = http_format,
    .request = http_request,
};
