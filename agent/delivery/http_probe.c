/* SPDX-License-Identifier: Apache-2.0 */
#include "delivery/http_probe.h"

#include "base/clock.h"
#include "delivery/credentials.h"
#include "delivery/curl_request.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netdb.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

struct asked {
    const struct http_request *request;
    CURL *easy;
    struct curl_slist *headers;
    char error[CURL_ERROR_SIZE];
    char peer[PROBE_ADDRESS_BYTES]; /* that was connected to; "": none */
};

/* curl does not tell of a connection that failed later on: the socket still knows. */
static int close_socket(void *context, curl_socket_t fd)
{
    struct asked *asked = context;
    struct sockaddr_storage peer = { .ss_family = AF_UNSPEC };
    socklen_t bytes = sizeof(peer);
    char host[INET6_ADDRSTRLEN + 16], port[8];

    if (getpeername(fd, (struct sockaddr *)&peer, &bytes) == 0 &&
        getnameinfo((struct sockaddr *)&peer, bytes, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) == 0)
        (void)snprintf(asked->peer, sizeof(asked->peer),
                       peer.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
    return close(fd);
}

static size_t forget(char *data, size_t size, size_t count, void *context)
{
    (void)data;
    (void)context;
    return size * count;
}

/* Headers of the request may be credentials as well: all of them are, here. */
static bool add_headers(struct asked *asked, bool with_credentials)
{
    for (size_t i = 0; with_credentials && i < asked->request->header_count; i++) {
        const struct http_header *header = &asked->request->headers[i];
        struct buf line = { 0 };
        (void)buf_printf(&line, header->value[0] == '\0' ? "%s;" : "%s: %s", header->name,
                         header->value);
        struct curl_slist *longer =
            line.failed ? NULL : curl_slist_append(asked->headers, line.data);
        buf_fini(&line);
        if (longer == NULL)
            return false;
        asked->headers = longer;
    }
    return curl_easy_setopt(asked->easy, CURLOPT_HTTPHEADER, asked->headers) == CURLE_OK;
}

static bool set_up(struct asked *asked, bool with_credentials, int64_t timeout_ms)
{
    struct http_request request = *asked->request;
    CURL *easy = asked->easy;

    if (!with_credentials)
        request.user = request.password = request.bearer_token = "";
    return curl_request_prepare(easy, &request, timeout_ms) &&
           curl_easy_setopt(easy, CURLOPT_URL, request.url) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_NOBODY, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CERTINFO, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, forget) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, asked->error) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, asked) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_USERAGENT, "spillway-check/" SPILLWAY_VERSION) ==
               CURLE_OK &&
           add_headers(asked, with_credentials);
}

/* ---- what came of it ---- */

static int64_t time_of(CURL *easy, CURLINFO info)
{
    curl_off_t us = 0;

    (void)curl_easy_getinfo(easy, info, &us);
    return (int64_t)us;
}

static enum probe_step step_of(const struct asked *asked, const struct probe *probe, CURLcode code)
{
    CURL *easy = asked->easy;

    if (code == CURLE_OK)
        return PROBE_ANSWERED;
    if (asked->peer[0] == '\0')
        return time_of(easy, CURLINFO_NAMELOOKUP_TIME_T) == 0 ||
                       code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_RESOLVE_PROXY
                   ? PROBE_NOTHING
                   : PROBE_RESOLVED;
    if (probe->is_tls && time_of(easy, CURLINFO_APPCONNECT_TIME_T) == 0)
        return PROBE_CONNECTED;
    return PROBE_HANDSHAKEN;
}

/* "Nov 28 04:28:10 2026 GMT", or "2026-11-28 04:28:10 GMT": as the TLS library writes it. */
static int64_t parse_date(const char *text)
{
    struct tm parts = { .tm_mday = 0 };

    if (sscanf(text, "%4d-%2d-%2d %2d:%2d:%2d", &parts.tm_year, &parts.tm_mon, &parts.tm_mday,
               &parts.tm_hour, &parts.tm_min, &parts.tm_sec) != 6)
        return (int64_t)curl_getdate(text, NULL);
    parts.tm_year -= 1900;
    parts.tm_mon -= 1;
    return (int64_t)timegm(&parts);
}

static int64_t read_expiry(CURL *easy)
{
    struct curl_certinfo *chain = NULL;
    static const char key[] = "Expire date:";

    if (curl_easy_getinfo(easy, CURLINFO_CERTINFO, &chain) != CURLE_OK || chain == NULL ||
        chain->num_of_certs < 1)
        return 0;
    for (const struct curl_slist *line = chain->certinfo[0]; line != NULL; line = line->next) {
        if (strncasecmp(line->data, key, sizeof(key) - 1) == 0)
            return parse_date(line->data + sizeof(key) - 1);
    }
    return 0;
}

static void read_result(const struct asked *asked, CURLcode code, struct probe *ret)
{
    ret->reached = step_of(asked, ret, code);
    (void)snprintf(ret->address, sizeof(ret->address), "%s", asked->peer);
    ret->certificate_ends_s = read_expiry(asked->easy);
    (void)curl_easy_getinfo(asked->easy, CURLINFO_RESPONSE_CODE, &ret->status);
    if (code != CURLE_OK)
        (void)snprintf(ret->error, sizeof(ret->error), "%s",
                       asked->error[0] == '\0' ? curl_easy_strerror(code) : asked->error);
}

/* ---- asking ---- */

/* Only the status, where the credentials are left out. */
static void ask(const struct http_request *request, bool with_credentials, int64_t timeout_ms,
                struct probe *ret)
{
    struct asked asked = { .request = request, .easy = curl_easy_init() };

    if (asked.easy == NULL || !set_up(&asked, with_credentials, timeout_ms)) {
        (void)snprintf(ret->error, sizeof(ret->error), "out of memory");
    } else {
        CURLcode code = curl_easy_perform(asked.easy);
        if (with_credentials)
            read_result(&asked, code, ret);
        else if (code == CURLE_OK)
            (void)curl_easy_getinfo(asked.easy, CURLINFO_RESPONSE_CODE, &ret->status_without);
    }
    curl_slist_free_all(asked.headers);
    curl_easy_cleanup(asked.easy);
}

static void read_host(const struct http_request *request, struct probe *ret)
{
    CURLU *url = curl_url();
    char *host = NULL;

    ret->has_proxy = request->proxy != NULL && request->proxy[0] != '\0';
    if (url != NULL &&
        curl_url_set(url, CURLUPART_URL, ret->has_proxy ? request->proxy : request->url,
                     CURLU_DEFAULT_SCHEME | CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK)
        (void)snprintf(ret->host, sizeof(ret->host), "%s", host);
    curl_free(host);
    curl_url_cleanup(url);
}

static bool is_given(const char *text)
{
    return text != NULL && text[0] != '\0';
}

static void probe_with(const struct http_request *request, int64_t timeout_ms, struct probe *ret)
{
    ret->has_credentials =
        is_given(request->user) || is_given(request->bearer_token) || request->header_count > 0;
    ask(request, true, timeout_ms, ret);
    if (ret->reached == PROBE_ANSWERED && ret->has_credentials && ret->status != 401 &&
        ret->status != 403)
        ask(request, false, timeout_ms, ret);
}

void http_probe(const struct http_request *request, int64_t timeout_ms, struct probe *ret)
{
    struct credentials *credentials = credentials_new();
    struct http_request used = *request;

    *ret = (struct probe){ .is_tls = strncasecmp(request->url, "https:", 6) == 0,
                           .is_verified = request->verify };
    read_host(request, ret);
    if (credentials != NULL)
        (void)credentials_apply(credentials, &used, clock_now_ms());
    if (is_given(request->bearer_token_file) && !is_given(used.bearer_token)) {
        if (credentials != NULL)
            (void)credentials_take_news(credentials, ret->error, sizeof(ret->error));
    } else {
        probe_with(&used, timeout_ms, ret);
    }
    credentials_free(&credentials);
}
