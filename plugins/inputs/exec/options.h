/* SPDX-License-Identifier: Apache-2.0 */
/* options of exec. */
#pragma once

#include "plugin.h"

enum exec_mode { EXEC_INTERVAL, EXEC_KEEP_RUNNING };
enum exec_event_per { EXEC_PER_LINE, EXEC_PER_RUN };
enum exec_exit_event { EXEC_EXIT_FAILURES, EXEC_EXIT_ALWAYS, EXEC_EXIT_NEVER };

#define EXEC_OPTIONS(X, T)                                                                         \
    X(T, command, list, REQUIRED, ANY, ANY,                                                        \
      "The program and its arguments, each as it is: no shell, unless it is [sh, -c, \"...\"]. "   \
      "Without a slash it is looked for in PATH")                                                  \
    X(T, mode, choice, "interval", "interval|keep_running", ANY,                                   \
      "interval: run it each interval of the common options, the first time at once. "             \
      "keep_running: start it again whenever it has ended")                                        \
    X(T, event_per, choice, "line", "line|run", ANY,                                               \
      "One event for each line of its output, or one for all that a run wrote")                    \
    X(T, max_event_bytes, size, "64KiB", "1", "1MiB",                                              \
      "Longer lines, or outputs of a run, are cut here, at a whole character, and flagged")        \
    X(T, timeout, duration, "30s", ANY, "1d",                                                      \
      "With mode interval: end a run that takes longer; 0s: never")                                \
    X(T, kill_after, duration, "2s", ANY, "1m",                                                    \
      "A run that is to end gets SIGTERM, and SIGKILL when it is still there after this")          \
    X(T, restart_min, duration, "1s", "10ms", "1h",                                                \
      "With mode keep_running: rest before it is started again; twice as long each time that it "  \
      "ran for less than a minute, up to restart_max")                                             \
    X(T, restart_max, duration, "60s", "10ms", "1d", "Longest rest")                               \
    X(T, exit_event, choice, "failures", "failures|always|never", ANY,                             \
      "When the end of a run is an event of its own. A failure is any exit status but 0, a "       \
      "signal, a timeout, or a program that cannot be run")                                        \
    X(T, environment, secrets, "", ANY, ANY,                                                       \
      "Variables for it. Of the agent's own it gets only PATH, HOME, LANG, LC_ALL, TZ, USER, "     \
      "LOGNAME, SHELL and TMPDIR")                                                                 \
    X(T, working_directory, text, "", ANY, ANY, "Folder it starts in; empty: that of the agent")
DECLARE_OPTIONS(exec_config, EXEC_OPTIONS);
