/* SPDX-License-Identifier: Apache-2.0 */
/* record: one message as the kernel gives it to a reader of /dev/kmsg.
 * Source: Documentation/ABI/testing/dev-kmsg of the Linux kernel:
 *     PRIORITY,SEQUENCE,MICROSECONDS,FLAG[,KEY=VALUE...];MESSAGE
 *      KEY=VALUE          (lines of a dictionary, each after one blank)
 * PRIORITY is facility * 8 + level (RFC 5424, 6.2.1). In message and values, bytes that are not
 * printable and the backslash are written as \xNN. Fields that a later kernel adds are passed over.
 * Pure: no I/O, no clock. Threads: none. */
#pragma once

#include "plugin.h"

struct kmsg_record {
    uint64_t sequence; /* counts every message since the boot, from 0 */
    uint64_t since_boot_us;
    unsigned facility, level;
    struct slice caller;     /* "T123" a thread, "C1" a processor; empty: not told */
    struct slice message;    /* as it was logged: escapes are undone */
    struct slice dictionary; /* for kmsg_pair() */
};

/* Works in the bytes given, to which all slices point. false: not such a record; the bytes are as
 * they were. */
bool kmsg_parse(char *data, size_t bytes, struct kmsg_record *ret);

/* Takes the next pair of the dictionary. false: there is none. */
bool kmsg_pair(struct slice *dictionary, struct slice *ret_key, struct slice *ret_value);
