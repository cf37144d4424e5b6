/* SPDX-License-Identifier: Apache-2.0 */
/* target: one address that is scraped: its transfer, and the events of what it answers. The answer
 * is taken apart as it comes and never held. Threads: its reading's. */
#pragma once

#include "options.h"
#include "text.h"

#include <curl/curl.h>

enum {
    TARGET_LINE_BYTES = 16 * 1024, /* longer ones are malformed */
    TARGET_READ_BYTES = 16 * 1024,
};

struct target {
    const char *url; /* of the configuration */
    const struct prometheus_config *config;
    CURL *easy;
    struct curl_slist *headers;
    struct resource *resource;
    struct line_buffer lines;
    struct prometheus_text text;
    struct sink *sink; /* while curl may call back */
    bool is_running;   /* the handle is curl's */
    char error[CURL_ERROR_SIZE];

    /* of this scrape */
    int64_t began_ns;
    uint64_t body_bytes, line_count, sample_count, dropped, dropped_bytes, bad, bad_bytes;
    bool is_begun, is_unwanted, is_too_large, is_stopping;
};

/* The host, and the port as given or by the scheme. false: err says what the URL lacks. */
enum { TARGET_HOST_BYTES = 256 };
bool target_address(const char *url, char ret_host[TARGET_HOST_BYTES], int64_t *ret_port,
                    struct err *err);

bool target_open(struct target *target, const char *url, const struct prometheus_config *config,
                 const struct host *host, struct err *err);
void target_close(struct target *target);

/* What one costs in memory at most. */
uint64_t target_bytes(const char *url, const struct prometheus_config *config);

/* Begins a scrape; the handle is for the caller to give to curl. false: it failed, and was told. */
bool target_begin(struct target *target, int64_t timeout_ms, struct sink *sink);
/* Curl is done with it: counts, and says how it went. */
void target_end(struct target *target, CURLcode code, struct sink *sink);
/* The same for one that is not waited for any more: only counts. */
void target_abandon(struct target *target, struct sink *sink);
