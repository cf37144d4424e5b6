/* SPDX-License-Identifier: Apache-2.0 */
/* options: what a user may say about a tail input. */
#pragma once

#include "plugin.h"

enum tail_start { TAIL_START_END, TAIL_START_BEGINNING };
enum tail_format { TAIL_LINES, TAIL_DOCKER, TAIL_CRI, TAIL_CONTAINER };

#define TAIL_OPTIONS(X, T)                                                                         \
    X(T, paths, list, REQUIRED, ANY, ANY,                                                          \
      "Files to read, as glob patterns; '**' between slashes goes down into folders; empty lines " \
      "in files are no events")                                                                    \
    X(T, exclude, list, "", ANY, ANY,                                                              \
      "Glob patterns of files to leave out; without a '/' they are compared with the file's name " \
      "alone; with '/**' at the end all that is below a folder, which is not looked into then")    \
    X(T, start_at, choice, "end", "end|beginning", ANY,                                            \
      "Where to begin in files that are there at the first start; files that appear later are "    \
      "read from their beginning")                                                                 \
    X(T, max_line_bytes, size, "64KiB", "1", "1MiB",                                               \
      "Longer lines are cut here, at a whole character, and flagged")                              \
    X(T, format, choice, "lines", "lines|docker|cri|container", ANY,                               \
      "What a line is: the event, or what Docker (json-file) or a CRI runtime wrote around it; "   \
      "container: one of the two, found out for each line")                                        \
    MULTILINE_OPTIONS(X, T, "1MiB")                                                                \
    X(T, multiline__wait, duration, "1s", "10ms", "1m",                                            \
      "An event whose end is not known yet, also a container's line of which a part is missing, "  \
      "is delivered this long after its last line")                                                \
    X(T, rotate_wait, duration, "60s", "0s", "7d",                                                 \
      "Keep a renamed or removed file open until this long after its last byte; then a last line " \
      "without newline is delivered as it is")                                                     \
    X(T, rescan, duration, "60s", "1s", "1d",                                                      \
      "Time between two looks at everything, behind the kernel's notifications")                   \
    X(T, ignore_older, duration, "0s", "0s", "3650d",                                              \
      "Begin at the end in files that were not written for this long; 0s: never")                  \
    X(T, own_output, flag, "no", ANY, ANY,                                                         \
      "Read also the file that this agent's own log or standard output goes to")                   \
    X(T, max_files, count, "10000", "1", "100000",                                                 \
      "Files known at a time, those kept for a day after they are gone included; each takes some " \
      "1.4 kB off the output's memory for batches")                                                \
    X(T, max_folders, count, "10000", "1", "1000000",                                              \
      "Folders that the patterns are looked for in, at most; the deepest are left out first")
DECLARE_OPTIONS(tail_config, TAIL_OPTIONS);
