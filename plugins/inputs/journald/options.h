/* SPDX-License-Identifier: Apache-2.0 */
/* options: what a user may say about a journald input. */
#pragma once

#include "plugin.h"

enum journald_start { JOURNALD_START_END, JOURNALD_START_BEGINNING };

#define PRIORITY_NAMES "emerg|alert|crit|err|warning|notice|info|debug"
#define JOURNALD_OPTIONS(X, T)                                                                     \
    X(T, units, list, "", ANY, ANY,                                                                \
      "Only entries of these units, as nginx.service, and of systemd about them; empty: all")      \
    X(T, identifiers, list, "", ANY, ANY,                                                          \
      "Only entries with these syslog identifiers; empty: all")                                    \
    X(T, priority, choice, "debug", PRIORITY_NAMES, ANY,                                           \
      "Only entries of this priority and more urgent ones")                                        \
    X(T, matches, list, "", ANY, ANY,                                                              \
      "Only entries with these fields, as _TRANSPORT=kernel; those of one field are alternatives") \
    X(T, start_at, choice, "end", "end|beginning", ANY, "Where to begin at the first start")       \
    X(T, directory, text, "", ANY, ANY,                                                            \
      "Read the journal files below this folder; empty: those of this host")                       \
    X(T, root_path, text, "", ANY, ANY,                                                            \
      "Read those of the host whose root is mounted here, on disk and in memory, as /host in a "   \
      "container")                                                                                 \
    X(T, max_line_bytes, size, "64KiB", "1", "1MiB",                                               \
      "Longer messages are cut here, at a whole character, and flagged")                           \
    X(T, all_fields, flag, "no", ANY, ANY,                                                         \
      "Also the fields that have no name in the conventions, as journald.NAME")                    \
    X(T, own_output, flag, "no", ANY, ANY, "Also what this agent's own unit wrote")
DECLARE_OPTIONS(journald_config, JOURNALD_OPTIONS);
