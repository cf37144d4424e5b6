/* SPDX-License-Identifier: Apache-2.0 */
/* split: cuts a sealed batch in two at an event boundary, for endpoints that find it too large.
 * Threads: the caller's. Allocates: it is off the hot path, and bounded by one batch. */
#pragma once

#include "batch/codec.h"
#include "delivery/batch.h"

/* Fills both halves: bodies, runs, keys derived from the parent's ("…/0", "…/1"), no permits.
 * The bytes of a run that is cut are shared out in proportion; sums stay exact.
 * They are compressed as the parent is: without it they could take many times its memory. codec:
 * the caller's; one of another compression is made for the parent. false: one event, or out of
 * memory. */
bool split_batch(const struct batch *parent, struct codec *codec, struct batch *ret_halves[2]);
