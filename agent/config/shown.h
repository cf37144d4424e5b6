/* SPDX-License-Identifier: Apache-2.0 */
/* shown: values of options as people may see them: with their units, and without what is secret.
 * Pure; appends to a buf, which the caller asks once, at the end. */
#pragma once

#include "base/buf.h"
#include "config/schema.h"

#define SHOWN_HIDDEN "(hidden)"
enum { SHOWN_CHOICE_BYTES = 64, SHOWN_DURATION_BYTES = 32 };

/* A URL may carry a password before its host and a key in its query: both are hidden. */
void shown_add_text(struct buf *ret, const char *text);
/* The name of a choice. Returns ret_name. */
const char *shown_choice(const struct option *option, unsigned choice,
                         char ret_name[SHOWN_CHOICE_BYTES]);
/* As a user would write it: "250ms", "10s", "7d". Returns ret_text. */
const char *shown_duration(int64_t duration_ms, char ret_text[SHOWN_DURATION_BYTES]);
/* The whole value, as a user would write it. Secrets, and values of secret maps, are hidden. */
void shown_add_value(struct buf *ret, const struct option *option, const void *value);
