/* SPDX-License-Identifier: Apache-2.0 */
/* tap_filter: which events a tap shows: FIELD=TEXT or FIELD!=TEXT, where TEXT stands somewhere in
 * the field and `*` in it for anything. No regular expression: these can take as long as they like,
 * and this runs where events flow. Pure. */
#pragma once

#include "base/err.h"
#include "event/event.h"

enum { TAP_FIELD_BYTES = 64, TAP_TEXT_BYTES = 128 };

struct tap_filter {
    char field[TAP_FIELD_BYTES], text[TAP_TEXT_BYTES];
    bool is_negated; /* matches events whose field does not, or that have no such field */
};

bool tap_filter_parse(const char *written, struct tap_filter *ret, struct err *err);
/* Takes as long as the field is long. */
bool tap_filter_matches(const struct tap_filter *filter, const struct event *event);
