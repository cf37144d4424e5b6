/* SPDX-License-Identifier: Apache-2.0 */
/* options: of the input, for its own files. */
#pragma once

#include "plugin.h"

#include <limits.h>

#define HTTP_INPUT_SCHEMES "tcp://|tls://|unix://|fd:|systemd:"

#define HTTP_INPUT_OPTIONS(X, T)                                                                   \
    X(T, listen, list, REQUIRED, HTTP_INPUT_SCHEMES, ANY,                                          \
      "Where to listen, one address: tcp://127.0.0.1:8080; tls:// with tls.cert_file and "         \
      "tls.key_file; unix:///run/app/http.sock, to which connections from one address have no "    \
      "bound")                                                                                     \
    X(T, socket_mode, text, "0660", ANY, ANY, "Mode of a unix socket that is made")                \
    X(T, socket_owner, text, "", ANY, ANY,                                                         \
      "Its owner: USER, USER:GROUP or :GROUP; empty: the agent's own")                             \
    X(T, format, choice, "auto", "auto|ndjson|json|lines", ANY,                                    \
      "What bodies are. auto: by Content-Type, and where that says nothing by how they begin")     \
    X(T, otlp, flag, "yes", ANY, ANY,                                                              \
      "Take OTLP at /v1/logs, /v1/metrics and /v1/traces, in protobuf and JSON; metrics become "   \
      "samples, spans become events")                                                              \
    X(T, when_full, choice, "refuse", "refuse|wait", ANY,                                          \
      "What is done with a request for which a lane has no room, sheds or would block. refuse: "   \
      "429 with Retry-After. wait: the answer waits for room, for request_timeout, then 429")      \
    X(T, retry_after, duration, "2s", "1s", "1h", "What Retry-After says; in whole seconds")       \
    X(T, acknowledge, choice, "accepted", "accepted|delivered", ANY,                               \
      "When a request is answered with 200. accepted: when its events are in all lanes. "          \
      "delivered: when all outputs have delivered them, or synced them to their spools; 500 if "   \
      "some were dropped")                                                                         \
    X(T, acknowledge_timeout, duration, "30s", "100ms", "10m",                                     \
      "acknowledge: delivered: answer with 504 after this long. The events stay in the agent")     \
    X(T, max_body_bytes, size, "4MiB", "1KiB", "64MiB",                                            \
      "Larger bodies are refused with 413; also measured after decompression")                     \
    X(T, max_pending_bytes, size, "8MiB", "1KiB", "1GiB",                                          \
      "Memory for bodies that are not complete or wait for room, together; beyond it requests "    \
      "are answered with 503")                                                                     \
    X(T, max_event_bytes, size, "64KiB", "1KiB", "1MiB",                                           \
      "Of one event: a longer body is cut and flagged, attributes beyond it are left out and "     \
      "counted in the event")                                                                      \
    X(T, max_connections, count, "128", "1", "10000", "Further ones are closed at once")           \
    X(T, max_connections_per_address, count, "64", "1", "10000", "The same for one address")       \
    X(T, request_timeout, duration, "30s", "100ms", "10m",                                         \
      "For all of a request, from its headers to the end of its body; then its connection is cut") \
    X(T, idle_timeout, duration, "60s", "100ms", "1h",                                             \
      "Cut a connection that has not brought the headers of a request for this long")              \
    X(T, body_fields, list, "body, message, msg, log", ANY, ANY,                                   \
      "Keys of a JSON object for the event's body; the first of them that is there counts")        \
    X(T, time_fields, list, "time, timestamp, @timestamp, ts", ANY, ANY,                           \
      "Keys for its time: RFC 3339, or a number of seconds, milli-, micro- or nanoseconds")        \
    X(T, severity_fields, list, "severity_text, severity, level", ANY, ANY,                        \
      "Keys for its severity, as a word")                                                          \
    X(T, client_address, flag, "no", ANY, ANY,                                                     \
      "Add the sender's address to each event, as the attribute client.address")                   \
    X(T, auth__user, text, "", ANY, ANY, "Senders must give this name and auth.password")          \
    X(T, auth__password, secret, "", ANY, ANY, "The password")                                     \
    X(T, auth__bearer_token, secret, "", ANY, ANY,                                                 \
      "Senders must give this token; or, with auth.user, either of the two")                       \
    X(T, tls__cert_file, text, "", ANY, ANY, "Certificate and its chain, PEM")                     \
    X(T, tls__key_file, text, "", ANY, ANY, "Its private key, PEM")
DECLARE_OPTIONS(http_input_config, HTTP_INPUT_OPTIONS);

enum when_full { WHEN_FULL_REFUSE, WHEN_FULL_WAIT };
enum acknowledge { ACKNOWLEDGE_ACCEPTED, ACKNOWLEDGE_DELIVERED };
