/* SPDX-License-Identifier: Apache-2.0 */
/* http_client: libcurl's multi interface. Easy handles are kept and reset, the connections belong
 * to the multi handle. What a handle is told of its request is in curl_request. */
#include "delivery/http_client.h"

#include "base/check.h"
#include "base/clock.h"
#include "delivery/curl_loop.h"
#include "delivery/curl_request.h"
#include "delivery/verdict.h"

#include <curl/curl.h>
#include <errno.h>

enum {
    ANSWER_READ_MAX = 1024 * 1024, /* of a body; cut off after it and judged by its status */
    HEADERS_READ_MAX = 64 * 1024,  /* of all header lines of one answer */
    FEW_REQUESTS = 8, /* so many have larger buffers: each piece that is sent wakes the endpoint */
};

struct transfer {
    CURL *easy;
    struct curl_slist *headers;
    struct batch *batch;
    struct transfer *next;
    size_t answer_bytes, body_read_bytes, headers_read_bytes;
    bool is_cut_off, has_all_headers;
    unsigned credentials; /* the number of those that it uses */
    char error[CURL_ERROR_SIZE];
    char answer[ANSWER_BYTES];
};

struct http_client {
    struct transport transport; /* first */
    struct http_client_config config;
    CURLM *multi;
    struct curl_loop loop;
    struct credentials *credentials;
    struct transfer *active, *idle;
    unsigned active_count;
};

/* ---- callbacks ---- */

/* A return value other than the bytes given ends the request. */
static size_t take_body(char *data, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    size_t bytes = size * count;
    size_t room = sizeof(transfer->answer) - transfer->answer_bytes;
    size_t kept = bytes < room ? bytes : room;

    memcpy(transfer->answer + transfer->answer_bytes, data, kept);
    transfer->answer_bytes += kept;
    transfer->body_read_bytes += bytes;
    transfer->is_cut_off = transfer->body_read_bytes > ANSWER_READ_MAX;
    return transfer->is_cut_off ? 0 : bytes;
}

/* Called for each line, with trailers too; curl keeps them, see curl_easy_header(). */
static size_t take_header(char *data, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    size_t bytes = size * count;

    if (bytes >= 5 && memcmp(data, "HTTP/", 5) == 0)
        transfer->has_all_headers = false; /* also after an interim answer, 1xx */
    else if (bytes > 0 && (data[0] == '\r' || data[0] == '\n'))
        transfer->has_all_headers = true;
    transfer->headers_read_bytes += bytes;
    return transfer->headers_read_bytes > HEADERS_READ_MAX ? 0 : bytes;
}

static bool set_callbacks(struct transfer *transfer)
{
    CURL *easy = transfer->easy;

    return curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer) == CURLE_OK;
}

/* ---- transfers ---- */

static void free_transfer(struct transfer **transferp)
{
    struct transfer *transfer = *transferp;

    *transferp = NULL;
    if (transfer == NULL)
        return;
    curl_slist_free_all(transfer->headers);
    curl_easy_cleanup(transfer->easy);
    free(transfer);
}

static struct transfer *take_idle(struct http_client *client)
{
    struct transfer *transfer = client->idle;

    if (transfer != NULL) {
        client->idle = transfer->next;
        return transfer;
    }
    transfer = calloc(1, sizeof(*transfer));
    if (transfer != NULL && (transfer->easy = curl_easy_init()) == NULL)
        free_transfer(&transfer);
    return transfer;
}

static void put_idle(struct http_client *client, struct transfer *transfer)
{
    curl_easy_reset(transfer->easy);
    curl_slist_free_all(transfer->headers);
    *transfer = (struct transfer){ .easy = transfer->easy, .next = client->idle };
    client->idle = transfer;
}

static bool send_batch(struct transport *transport, struct batch *batch, int64_t timeout_ms)
{
    struct http_client *client = (struct http_client *)transport;
    struct http_request request = { 0 };
    struct transfer *transfer = take_idle(client);

    if (transfer == NULL)
        return false;
    transfer->batch = batch;
    client->config.plugin->request(client->config.state, &request);
    CHECK(request.header_count <= HEADERS_MAX);
    transfer->credentials = credentials_apply(client->credentials, &request, clock_now_ms());
    if (!set_callbacks(transfer) || !curl_request_prepare(transfer->easy, &request, timeout_ms) ||
        !curl_request_set_batch(transfer->easy, &request, batch, client->config.agent_id,
                                client->active_count < FEW_REQUESTS, &transfer->headers) ||
        curl_multi_add_handle(client->multi, transfer->easy) != CURLM_OK) {
        put_idle(client, transfer);
        return false;
    }
    transfer->next = client->active;
    client->active = transfer;
    client->active_count++;
    return true;
}

static void remove_active(struct http_client *client, struct transfer *transfer)
{
    struct transfer **at = &client->active;

    while (*at != transfer) {
        CHECK(*at != NULL);
        at = &(*at)->next;
    }
    *at = transfer->next;
    client->active_count--;
    (void)curl_multi_remove_handle(client->multi, transfer->easy);
}

/* ---- outcomes ---- */

/* Without an answer. A certificate that does not fit is an outage to be mended by people. */
static enum verdict verdict_of_failure(CURLcode code)
{
    switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_CIPHER:
        return VERDICT_HOLD;
    default: /* curl has a hundred codes: the rest is a connection that failed in some way */
        return VERDICT_RETRY;
    }
}

static bool is_broken(CURLcode code)
{
    return code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR || code == CURLE_GOT_NOTHING;
}

static void read_failure(const struct transfer *transfer, CURLcode code, struct outcome *ret)
{
    ret->summary.verdict = (int)verdict_of_failure(code);
    ret->summary.died_before_answer =
        is_broken(code) && ret->connections == 0 && transfer->headers_read_bytes == 0;
    (void)snprintf(ret->what, sizeof(ret->what), "%s",
                   transfer->error[0] == '\0' ? curl_easy_strerror(code) : transfer->error);
}

static void read_answer(const struct http_client *client, struct transfer *transfer,
                        struct outcome *ret)
{
    const struct output *plugin = client->config.plugin;
    struct http_answer answer = { .body = { transfer->answer, transfer->answer_bytes } };
    struct curl_header *header;
    int64_t now_s = clock_real_ns() / NS_PER_S;
    enum verdict verdict;

    (void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &answer.status);
    if (curl_easy_header(transfer->easy, "Retry-After", 0, CURLH_HEADER, -1, &header) == CURLHE_OK)
        ret->summary.retry_after_ms = verdict_retry_after_ms(header->value, now_s);
    answer.has_retry_after = ret->summary.retry_after_ms >= 0;
    if (plugin->judge != NULL)
        verdict = plugin->judge(client->config.state, &answer);
    else
        verdict = verdict_of_status(answer.status, answer.has_retry_after);
    ret->summary.verdict = (int)verdict;
    (void)snprintf(ret->what, sizeof(ret->what), "status %ld", answer.status);
    (void)snprintf(ret->answer, sizeof(ret->answer), "%.*s", (int)answer.body.bytes,
                   answer.body.data);
}

/* A key that does not fit is a failed handshake to some TLS libraries, without an endpoint's doing.
 */
static enum credentials_use use_of_credentials(CURLcode code, unsigned connections)
{
    if (code == CURLE_OK || code == CURLE_WEIRD_SERVER_REPLY)
        return connections > 0 ? CREDENTIALS_WORK : CREDENTIALS_UNTOLD;
    bool fails = code == CURLE_SSL_CONNECT_ERROR ||
                 (code != CURLE_URL_MALFORMAT && verdict_of_failure(code) == VERDICT_HOLD);
    return fails ? CREDENTIALS_FAIL : CREDENTIALS_UNTOLD;
}

static void judge_credentials(const struct http_client *client, const struct transfer *transfer,
                              CURLcode code, struct outcome *ret)
{
    if (credentials_judge(client->credentials, transfer->credentials,
                          use_of_credentials(code, ret->connections)))
        ret->summary.died_before_answer =
            true; /* nobody's outage: again at once, with the others */
    ret->credentials = credentials_take_news(client->credentials, ret->credentials_why,
                                             sizeof(ret->credentials_why));
}

static void read_outcome(const struct http_client *client, struct transfer *transfer, CURLcode code,
                         struct outcome *ret)
{
    curl_off_t took_us = 0;
    long connections = 0;

    *ret = (struct outcome){ .batch = transfer->batch, .summary = { .retry_after_ms = -1 } };
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_TOTAL_TIME_T, &took_us);
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_NUM_CONNECTS, &connections);
    ret->summary.took_ms = (int64_t)took_us / 1000;
    ret->summary.opened_connection = connections > 0;
    ret->connections = (unsigned)connections;
    /* To curl an answer that breaks off in its headers is one without a body. */
    if (code == CURLE_OK && !transfer->has_all_headers)
        code = CURLE_WEIRD_SERVER_REPLY;
    if (code == CURLE_OK || transfer->is_cut_off)
        read_answer(client, transfer, ret);
    else
        read_failure(transfer, code, ret);
    judge_credentials(client, transfer, code, ret);
}

static bool take_outcome(struct transport *transport, struct outcome *ret)
{
    struct http_client *client = (struct http_client *)transport;
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(client->multi, &left)) != NULL) {
        struct transfer *transfer;
        CURLcode code = message->data.result;
        if (message->msg != CURLMSG_DONE)
            continue;
        CHECK(curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer) == CURLE_OK);
        read_outcome(client, transfer, code, ret);
        remove_active(client, transfer);
        put_idle(client, transfer);
        return true;
    }
    return false;
}

/* ---- the rest of the interface ---- */

static void wait_for_events(struct transport *transport, int64_t timeout_ms)
{
    curl_loop_step(&((struct http_client *)transport)->loop, timeout_ms);
}

static void wake_up(struct transport *transport)
{
    curl_loop_wake(&((struct http_client *)transport)->loop);
}

static void break_off(struct transport *transport)
{
    struct http_client *client = (struct http_client *)transport;
    struct transfer *transfer;

    while ((transfer = client->active) != NULL) {
        remove_active(client, transfer);
        free_transfer(&transfer);
    }
}

static void free_client(struct transport **transportp)
{
    struct http_client *client = (struct http_client *)*transportp;
    struct transfer *transfer;

    *transportp = NULL;
    if (client == NULL)
        return;
    break_off(&client->transport);
    while ((transfer = client->idle) != NULL) {
        client->idle = transfer->next;
        free_transfer(&transfer);
    }
    (void)curl_multi_cleanup(client->multi);
    curl_loop_close(&client->loop);
    credentials_free(&client->credentials);
    free(client);
}

struct transport *http_client_new(const struct http_client_config *config, struct err *err)
{
    struct http_client *client = calloc(1, sizeof(*client));
    bool ok = client != NULL && (client->credentials = credentials_new()) != NULL &&
              (client->multi = curl_multi_init()) != NULL;

    if (!ok)
        (void)err_set(err, "out of memory for an HTTP client");
    else if (!(ok = curl_loop_open(&client->loop, client->multi)))
        (void)err_set(err, "cannot make an epoll for an HTTP client: %s", strerror(errno));
    if (!ok) {
        if (client != NULL) {
            (void)curl_multi_cleanup(client->multi);
            credentials_free(&client->credentials);
        }
        free(client);
        return NULL;
    }
    client->config = *config;
    client->transport = (struct transport){ send_batch, wait_for_events, take_outcome,
                                            wake_up,    break_off,       free_client };
    (void)curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)config->concurrency_max);
    return &client->transport;
}
