/* SPDX-License-Identifier: Apache-2.0 */
/* zone_rule: what a time zone does in every year, as "CET-1CEST,M3.5.0,M10.5.0/3".
 * Source: POSIX, environment variable TZ, with the larger hours of RFC 8536. Pure. */
#pragma once

#include "zone.h"

/* Ends at a newline or with the text. false: not such a rule; the zone is as it was. */
bool zone_rule_parse(struct slice text, struct zone *zone);
int32_t zone_rule_offset_s(const struct zone *zone, int64_t unix_s); /* has_rule */
