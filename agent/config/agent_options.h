/* SPDX-License-Identifier: Apache-2.0 */
/* agent_options: the options of `agent`, a part of their own: see settings_options.h. */
#pragma once

#include "config/schema.h"

#define AGENT_OPTIONS(X, T)                                                                        \
    X(T, state_dir, text, "/var/lib/spillway", ANY, ANY,                                           \
      "Folder for checkpoints and the saved books")                                                \
    X(T, runtime_dir, text, "/run/spillway", ANY, ANY,                                             \
      "Folder on tmpfs for the live books; the user's own runtime directory if this cannot be "    \
      "written")                                                                                   \
    X(T, memory_limit, size, "64MiB", "8MiB", "64GiB",                                             \
      "Bound of all event memory: lanes, batches, buffers")                                        \
    X(T, report_interval, duration, "10s", "1s", "1h",                                             \
      "Time between two ledger lines of a lane that moved")                                        \
    X(T, shutdown_grace, duration, "10s", "0s", "10m", "Time to drain after the first signal")     \
    X(T, log_level, choice, "info", "debug|info|warn|error", ANY,                                  \
      "Least severe line of the agent's own log")                                                  \
    X(T, log_format, choice, "logfmt", "logfmt|json", ANY, "How its lines are written")            \
    X(T, log_to, choice, "stderr", "stderr|journal", ANY,                                          \
      "Where they go; stderr that is connected to the journal has priorities; journal: straight "  \
      "to it, each field as SPILLWAY_NAME")                                                        \
    X(T, sandbox, flag, "yes", ANY, ANY,                                                           \
      "After the start give up all rights that this configuration does not need: capabilities, "   \
      "system calls, writing outside its own folders, and commands that are not configured")       \
    X(T, admin__listen, text, "", ANY, ANY,                                                        \
      "ADDRESS:PORT of the admin endpoint; empty: only its unix socket in runtime_dir")            \
    X(T, admin__token, secret, "", ANY, ANY, "Bearer token that admin.listen wants; empty: none")  \
    X(T, admin__token_file, text, "", ANY, ANY,                                                    \
      "File with that token alone; read anew when it changes")                                     \
    X(T, admin__tls__cert_file, text, "", ANY, ANY,                                                \
      "Certificate of admin.listen with its chain, PEM: HTTPS alone; empty: HTTP. Read anew when " \
      "it changes")                                                                                \
    X(T, admin__tls__key_file, text, "", ANY, ANY,                                                 \
      "Private key of that certificate, PEM; read anew when it changes")
DECLARE_OPTIONS(agent_options, AGENT_OPTIONS);

enum log_target_option { LOG_TARGET_STDERR, LOG_TARGET_JOURNAL };
