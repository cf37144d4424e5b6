/* SPDX-License-Identifier: Apache-2.0 */
/* lane_parcel: events that a lane takes as a whole or not at all, so that all lanes of an input can
 * do so: each is asked in turn, then each is told. Where a lane would shed, drop or block, it is
 * full; nothing is pushed out for a parcel.
 * Promise: what is added is in no account before lane_parcel_close(). Until then workers do not see
 * it, nor what stands in one piece with it.
 * Threads: the lane's reading alone, which offers nothing else meanwhile and passes no gate. */
#pragma once

#include "flow/lane.h"

enum lane_parcel {
    LANE_FITS,
    LANE_FULL,
    LANE_NEVER, /* larger than all of the lane */
};

void lane_parcel_open(struct lane *lane, int64_t boot_ms);
/* run->receipt is counted when the parcel is kept. After anything but LANE_FITS it can only be
 * closed without keeping it. An event that no lane of this kind ever takes is left out, and counted
 * as oversize if the parcel is kept. */
enum lane_parcel lane_parcel_add(struct lane *lane, const struct event *events, size_t count,
                                 const struct run_info *run);
/* Returns how many were oversize. wants_room: on_room is called once there is some. ret_news: as
 * for lane_offer(). */
uint64_t lane_parcel_close(struct lane *lane, struct receipt *receipt, bool keep, bool wants_room,
                           struct lane_news *ret_news);
