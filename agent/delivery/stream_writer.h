/* SPDX-License-Identifier: Apache-2.0 */
/* stream_writer: batches into a file descriptor (a pipe, a terminal, a file), one after the other.
 * Until its first byte is out a batch may time out and be tried again. After that it stays in
 * flight until its last byte is out or the reader is gone, so no part of it is ever written twice
 * and no other batch comes in between. */
#pragma once

#include "base/err.h"
#include "delivery/transport.h"

/* The descriptor is borrowed, and its flags are left alone: it may be shared with other processes.
 */
struct transport *stream_writer_new(int fd,
                                    bool (*expand)(const struct batch *batch, struct buf *ret),
                                    struct err *err);
