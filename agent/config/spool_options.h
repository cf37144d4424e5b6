/* SPDX-License-Identifier: Apache-2.0 */
/* spool_options: the options of an output's spool, a part of its own: see settings_options.h. */
#pragma once

enum fsync_option { FSYNC_NEVER, FSYNC_INTERVAL, FSYNC_ALWAYS };
#define SPOOL_OPTIONS(X, T)                                                                        \
    X(T, spool__max_bytes, size, "0", ANY, "16TiB",                                                \
      "Bytes on disk for batches while the endpoint is away, oldest out first; where all inputs "  \
      "can "                                                                                       \
      "be read again and block they wait instead; 0: no spool")                                    \
    X(T, spool__path, text, "", ANY, ANY,                                                          \
      "Folder of the spool; empty: spool/OUTPUT in the state_dir")                                 \
    X(T, spool__min_free, size, "256MiB", ANY, "16TiB",                                            \
      "Leave so much of its disk free: the oldest batches make room, or the inputs wait")          \
    X(T, spool__fsync, choice, "interval", "never|interval|always", ANY,                           \
      "When batches are safe from a power loss, and their inputs' positions move on")              \
    X(T, spool__fsync_interval, duration, "1s", "10ms", "1h",                                      \
      "Time between two syncs, with spool.fsync: interval")                                        \
    X(T, spool__newest_first, flag, "no", ANY, ANY, "After an outage send the newest batches first")
