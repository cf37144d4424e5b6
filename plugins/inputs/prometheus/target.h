/* SPDX-License-Identifier: Apache-2.0 */
/* target: one address that is scraped: its transfer, and the events of what it answers. The answer
 * is taken apart as it comes and never held. Threads: its reading's. */
#pragma once

#include "known.h"
#include "options.h"
#include "target_address.h"
#include "text.h"

#include <curl/curl.h>

enum {
    TARGET_LINE_BYTES = 16 * 1024, /* longer ones are malformed */
    TARGET_READ_BYTES = 16 * 1024,
};

struct target {
    char *url;
    const struct prometheus_config *config;
    CURL *easy;
    struct curl_slist *headers;
    struct resource *resource;
    struct line_buffer lines;
    struct prometheus_text text;
    struct known *known;
    struct known_set *set;
    struct sink *sink;     /* while curl may call back */
    bool is_running;       /* the handle is curl's */
    bool has_told_unknown; /* that some of its series are not known */
    char error[CURL_ERROR_SIZE];

    /* of this scrape */
    int64_t began_ns;
    uint64_t body_bytes, line_count, sample_count, unknown;
    uint64_t dropped, dropped_bytes, bad, bad_bytes;
    bool is_begun, is_unwanted, is_too_large, is_stopping;
};

bool target_open(struct target *target, const char *url, const struct prometheus_config *config,
                 const struct host *host, struct known *known, struct err *err);
void target_close(struct target *target);

/* Begins a scrape; the handle is for the caller to give to curl. false: it failed, and was told. */
bool target_begin(struct target *target, int64_t timeout_ms, struct sink *sink);
/* Curl is done with it: counts, and says how it went. */
void target_end(struct target *target, CURLcode code, struct sink *sink);
/* The same for one that is not waited for any more: only counts. */
void target_abandon(struct target *target, struct sink *sink);
/* The series of `left` become this one's, if it is the same target and has none yet. */
bool target_take_over(struct target *target, struct target *left);
/* It is scraped no more: all of its series are gone, those about it too. */
void target_leave(struct target *target, struct sink *sink);
