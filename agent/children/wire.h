/* SPDX-License-Identifier: Apache-2.0 */
/* wire: what agent and starter tell each other. On the starter's socket: one request each message,
 * with three descriptors. On a child's line: notes, one each message. Both are SOCK_SEQPACKET. */
#pragma once

#include <stdint.h>

enum wire_descriptor { WIRE_OUTPUT, WIRE_ERRORS, WIRE_LINE, WIRE_DESCRIPTORS };

enum note_kind {
    NOTE_STARTED,     /* number: the process id */
    NOTE_REFUSED,     /* number: errno; the starter did not start it */
    NOTE_NO_FOLDER,   /* number: errno; by the child, which ends then */
    NOTE_NO_PROGRAM,  /* the same */
    NOTE_EXITED,      /* number: its exit status */
    NOTE_KILLED,      /* number: the signal that ended it */
    NOTE_SIGNAL_GROUP /* to the starter. number: the signal */
};
struct note {
    uint32_t kind;
    int32_t number;
};
