/* SPDX-License-Identifier: Apache-2.0 */
/* options of prometheus. */
#pragma once

#include "plugin.h"

#define PROMETHEUS_OPTIONS(X, T)                                                                   \
    X(T, targets, list, REQUIRED, ANY, ANY,                                                        \
      "URLs to scrape, http:// or https://, with their path: all of them each interval of the "    \
      "common options, at most 64")                                                                \
    X(T, timeout, duration, "10s", "10ms", "10m",                                                  \
      "Give up on a scrape after this; never longer than the interval")                            \
    X(T, max_body_bytes, size, "16MiB", "1KiB", "1GiB",                                            \
      "A scrape that answers more, after decompression, is ended here and failed")                 \
    X(T, max_samples, count, "50000", "1", "10000000",                                             \
      "Of one scrape of one target; those over it are dropped, and counted as malformed")          \
    X(T, max_series_memory, size, "4MiB", "0", "1GiB",                                             \
      "For knowing the series of all targets, so that one that is gone gets a last event with "    \
      "no_recorded_value: true. Those over it, and those with a time of the target's own, get "    \
      "none; 0: none at all")                                                                      \
    X(T, honor_timestamps, flag, "yes", ANY, ANY,                                                  \
      "Take the time of a sample from the target where it gives one; no: always that of the "      \
      "scrape")                                                                                    \
    X(T, labels, map, "", ANY, ANY,                                                                \
      "Attributes added to each sample; they replace labels of the same name")                     \
    X(T, auth__user, text, "", ANY, ANY, "User name, for basic authentication")                    \
    X(T, auth__password, secret, "", ANY, ANY, "Password, for basic authentication")               \
    X(T, auth__bearer_token, secret, "", ANY, ANY, "Token, for bearer authentication")             \
    X(T, auth__bearer_token_file, text, "", ANY, ANY,                                              \
      "File with the token alone; read anew for each scrape")                                      \
    X(T, tls__ca_file, text, "", ANY, ANY, "Certificates to trust, PEM; empty: the system's")      \
    X(T, tls__cert_file, text, "", ANY, ANY, "Certificate of this client, PEM")                    \
    X(T, tls__key_file, text, "", ANY, ANY, "Private key of this client, PEM")                     \
    X(T, tls__verify, flag, "yes", ANY, ANY, "Check the target's certificate and name")
DECLARE_OPTIONS(prometheus_config, PROMETHEUS_OPTIONS);
