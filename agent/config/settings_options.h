/* SPDX-License-Identifier: Apache-2.0 */
/* settings_options: the options that the core itself has, for the agent and for every input, output
 * and processor. Each row: name ("a__b" is b under a), type, default, least, most, one line of
 * help. What only one kind of plugin has is in that plugin's file. */
#pragma once

#include "config/agent_options.h"
#include "config/spool_options.h"

enum overflow { OVERFLOW_AUTO, OVERFLOW_BLOCK, OVERFLOW_DROP_OLDEST, OVERFLOW_DROP_NEWEST };
/* As enum shed_mode has them; config and flow do not know each other. */
enum shed_option {
    SHED_OPTION_UNIFORM,
    SHED_OPTION_SEVERITY,
    SHED_OPTION_KEY,
    SHED_OPTION_LARGEST,
    SHED_OPTION_NOISIEST
};
#define INPUT_OPTIONS(X, T)                                                                        \
    X(T, type, text, REQUIRED, ANY, ANY, "Kind of input")                                          \
    X(T, processors, list, "", ANY, ANY, "Processors for its events, by name, in order")           \
    X(T, interval, duration, "10s", "100ms", "1d",                                                 \
      "Time between two collections, for inputs that sample")                                      \
    X(T, resource, map, "", ANY, ANY, "Attributes added to the resource of its events")            \
    X(T, lane__capacity, size, "0", ANY, "16GiB",                                                  \
      "Memory of each lane of this input; 0: 8MiB, or its part of half the memory limit")          \
    X(T, lane__overflow, choice, "auto", "auto|block|drop_oldest|drop_newest", ANY,                \
      "What a full lane does; auto: block where the input can be read again, else drop_oldest")    \
    X(T, lane__block_for, duration, "0s", ANY, "1h",                                               \
      "With overflow block: wait this long, then drop the newest; 0s: without end")                \
    X(T, lane__weight, count, "1", "1", "1000",                                                    \
      "Share of the output's reading, relative to its other lanes")                                \
    X(T, lane__classes__by, text, "", ANY, ANY,                                                    \
      "Split the lane into classes that are read in turns: severity, or a field: "                 \
      "attributes.tenant; empty: no classes. With overflow block they all wait together")          \
    X(T, lane__classes__max, count, "64", "1", "256",                                              \
      "With a field: most classes at a time; what is beyond goes into one, named other")           \
    X(T, lane__classes__weights, map, "", ANY, ANY,                                                \
      "Shares of classes by name, 1 to 1000; those not named have 1")                              \
    X(T, lane__shed__high, share, "100%", "1%", "100%",                                            \
      "Start to shed when the lane is this full; 100%: never. 80% where any other option of "      \
      "lane.shed is given")                                                                        \
    X(T, lane__shed__low, share, "40%", "0%", "100%", "Stop to shed when it has fallen to this")   \
    X(T, lane__shed__keep, keep, "10%", "0%", "100%",                                              \
      "While shedding keep this share; adaptive: as much as leaves, between the marks. Each "      \
      "event that is kept says in sampling.weight for how many it stands; with 0% none is")        \
    X(T, lane__shed__mode, choice, "uniform", "uniform|severity|key|largest|noisiest", ANY,        \
      "Which events go: any; the least severe first; all of the same lane.shed.key together; "     \
      "the largest first; those of the class that brings most")                                    \
    X(T, lane__shed__key, text, "", ANY, ANY,                                                      \
      "With mode key: the field, trace_id for instance. The same on every host")                   \
    X(T, lane__shed__severity__trace, share, "1%", "0.1%", "100%",                                 \
      "With mode severity: keep this share of them; with keep adaptive go no lower before the "    \
      "more severe ones are touched")                                                              \
    X(T, lane__shed__severity__debug, share, "2%", "0.1%", "100%", "The same for debug")           \
    X(T, lane__shed__severity__info, share, "10%", "0.1%", "100%",                                 \
      "The same for info, and for events without a severity")                                      \
    X(T, lane__shed__severity__warn, share, "50%", "0.1%", "100%", "The same for warn")            \
    X(T, lane__shed__severity__error, share, "100%", "0.1%", "100%", "The same for error")         \
    X(T, lane__shed__severity__fatal, share, "100%", "0.1%", "100%", "The same for fatal")
DECLARE_OPTIONS(input_options, INPUT_OPTIONS);

enum compression_option { COMPRESSION_AUTO, COMPRESSION_NONE, COMPRESSION_GZIP, COMPRESSION_ZSTD };
#define OUTPUT_OPTIONS(X, T)                                                                       \
    X(T, type, text, REQUIRED, ANY, ANY, "Kind of output")                                         \
    X(T, inputs, list, "", ANY, ANY, "Inputs that it takes, by name; empty: all")                  \
    X(T, workers, count, "1", "1", "8", "Threads that encode and compress")                        \
    X(T, compression, choice, "auto", "auto|none|gzip|zstd", ANY,                                  \
      "Content encoding; auto: gzip over HTTP, else none")                                         \
    X(T, compression_level, count, "1", "1", "12", "Higher is smaller and slower")                 \
    X(T, batch__max_bytes, size, "1MiB", "1KiB", "64MiB",                                          \
      "Close a batch at this size, before compression")                                            \
    X(T, batch__max_events, count, "10000", "1", "1000000", "Close a batch at this many events")   \
    X(T, batch__max_wait, duration, "1s", "1ms", "10m",                                            \
      "Close a batch when its oldest event is this old")                                           \
    X(T, memory_weight, count, "1", "1", "1000",                                                   \
      "Share of the memory for sealed batches, relative to other outputs")                         \
    X(T, concurrency__min, count, "0", "0", "256",                                                 \
      "Least requests in flight; 0: under overload also fewer than one, with gaps between "        \
      "requests")                                                                                  \
    X(T, concurrency__max, count, "128", "1", "256",                                               \
      "Most requests in flight, and batches that reach a far endpoint in a round trip; fewer if "  \
      "memory_limit has no room for their connections: spillway check tells")                      \
    X(T, retry__base, duration, "1s", "10ms", "10m",                                               \
      "First backoff; each further one is twice as long, at random between zero and that")         \
    X(T, retry__cap, duration, "60s", "10ms", "1h", "Longest backoff")                             \
    X(T, retry__max_age, duration, "0s", ANY, "365d",                                              \
      "Give up on events older than this; 0s: never")                                              \
    X(T, breaker__failures, count, "5", "1", "1000",                                               \
      "Failures in a row that open the circuit breaker")                                           \
    X(T, breaker__rest, duration, "1s", "10ms", "1h",                                              \
      "First rest of the open breaker; it doubles with every failed probe, up to "                 \
      "breaker.rest_max")                                                                          \
    X(T, breaker__rest_max, duration, "60s", "10ms", "1d", "Longest rest of the open breaker")     \
    X(T, dead_letter__path, text, "", ANY, ANY,                                                    \
      "File that keeps the events which the endpoint refused for good, with the reason; empty: "   \
      "they are only counted")                                                                     \
    X(T, dead_letter__max_bytes, size, "64MiB", "4KiB", "64GiB",                                   \
      "Bound of that file and the one before it, PATH.1; the oldest events go first")              \
    SPOOL_OPTIONS(X, T)
DECLARE_OPTIONS(output_options, OUTPUT_OPTIONS);

#define PROCESSOR_OPTIONS(X, T) X(T, type, text, REQUIRED, ANY, ANY, "Kind of processor")
DECLARE_OPTIONS(processor_options, PROCESSOR_OPTIONS);
