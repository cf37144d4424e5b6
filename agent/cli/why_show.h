/* SPDX-License-Identifier: Apache-2.0 */
/* why_show: accounts of sources, from the JSON of /sources, as lines for people. */
#pragma once

#include "base/buf.h"

#include <cjson/cJSON.h>

/* One reading's account of one source. now_size: of the file now, or -1: not known. */
void why_show_account(const cJSON *reading, const cJSON *source, int64_t now_size,
                      bool is_from_agent, struct buf *ret);
/* On one line. */
void why_show_line(const cJSON *reading, const cJSON *source, struct buf *ret);

const char *why_text(const cJSON *object, const char *key); /* "": not there */
double why_number(const cJSON *object, const char *key);    /* 0: not there */
bool why_flag(const cJSON *object, const char *key);
void why_add_ago(struct buf *ret, double seconds); /* "2.1s", "5m03s" */
