/* SPDX-License-Identifier: Apache-2.0 */
/* request: a command with its environment as the bytes of one message. Equal commands have equal
 * bytes as long as the agent's own environment is the same.
 * Threads: none of its own; request_pack() reads the environment of the process. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "config/schema.h"

/* What an input starts as a process, without a shell. Borrowed from its config. */
struct command_line {
    struct text_list words; /* the program and its arguments */
    struct text_map environment;
    const char *folder; /* "": that of the agent */
};

enum { REQUEST_BYTES = 64 * 1024, REQUEST_WORDS = 512 };

/* The child gets PATH, HOME, LANG, LC_ALL, TZ, USER, LOGNAME, SHELL and TMPDIR of the agent, and
 * what the command adds. Appends to ret. false: it is longer than a message may be, or out of
 * memory. */
bool request_pack(const struct command_line *command, struct buf *ret, struct err *err);

/* Both end with NULL, as execve() wants them. */
struct request {
    const char *folder; /* "": that of the agent */
    char *words[REQUEST_WORDS + 1], *environment[REQUEST_WORDS + 1];
};
/* Points into `bytes`. false: that is no request. */
bool request_unpack(char *bytes, size_t count, struct request *ret);
