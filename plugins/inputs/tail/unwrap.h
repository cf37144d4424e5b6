/* SPDX-License-Identifier: Apache-2.0 */
/* unwrap: one line of a container's log as the runtime writes it, to what the program said.
 *     docker  {"log":"text\n","stream":"stdout","time":"2024-01-31T10:00:00.123456789Z"}
 *     CRI     2024-01-31T10:00:00.123456789Z stdout F text
 * A text may be a part of a line: docker's without "\n" at its end, CRI's with the tag P.
 * Pure: what is found points into the line. Threads: none. */
#pragma once

#include "plugin.h"

enum container_stream { STREAM_NONE, STREAM_STDOUT, STREAM_STDERR, STREAMS };

struct unwrapped {
    struct slice text; /* without its newline */
    int64_t time_ns;   /* Unix, 0: not told */
    enum container_stream stream;
    bool is_escaped; /* as a JSON string; valid: tail_unescape() takes all of it */
    bool is_partial; /* the line goes on in the next text of this stream */
};

/* false: the line is not in this format; *ret is not written. */
bool tail_unwrap_docker(struct slice line, struct unwrapped *ret);
bool tail_unwrap_cri(struct slice line, struct unwrapped *ret);

/* Of a valid string of JSON as much as fits. Returns the bytes written; never more than are read.
 */
size_t tail_unescape(struct slice text, char *to, size_t room);

/* "2024-01-31T10:00:00.123456789Z" or with "+01:00", as Unix ns. false: it is none. */
bool tail_parse_time(struct slice text, int64_t *ret_ns);

/* The text of a key of an object, or of one in an object in it: {"Config":{"Image":"x"}}. As it is
 * written, escapes and all. false: there is none, or it is no JSON on the way there. */
bool tail_json_text(struct slice object, const char *key, const char *inner, struct slice *ret);
