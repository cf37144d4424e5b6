/* SPDX-License-Identifier: Apache-2.0 */
/* watch: inotify, as far as a tail needs it: "this file has news" and "look at the folders".
 * Where the kernel has no more watches the caller polls instead. Threads: none; the reading's. */
#pragma once

#include "plugin.h"

struct tail_watch {
    int fd;                   /* -1: there is none */
    uint64_t folders_refused; /* since tail_watch_retry() */
    const char
        *reason; /* why the caller has to poll, with the name of the limit; NULL: it need not */
};

struct tail_news {
    void *context;
    void (*file)(void *context, int watch); /* has been written to */
    bool (*is_ours)(void *context,
                    const char *name); /* a name in a folder: is it any of our business? */
    bool folders; /* out: names appeared, left or changed, or notifications were lost */
};

void tail_watch_open(struct tail_watch *watch);
void tail_watch_close(struct tail_watch *watch);
void tail_watch_retry(struct tail_watch *watch); /* limits may have been raised, watches freed */
void tail_watch_folder(struct tail_watch *watch, const char *path); /* again and again is fine */
int tail_watch_file(struct tail_watch *watch, int fd, const char *path); /* -1: not watched */
void tail_watch_drop(struct tail_watch *watch, int file_watch);
void tail_watch_read(struct tail_watch *watch, struct tail_news *news); /* never blocks */
