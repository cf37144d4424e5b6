/* SPDX-License-Identifier: Apache-2.0 */
/* watch: inotify, as far as a tail needs it: "this file has news" and "look at the folders".
 * Where the kernel has no more watches the caller polls instead. Threads: none; the reading's. */
#pragma once

#include "plugin.h"

struct tail_watch {
    int fd;                   /* -1: there is none */
    uint64_t folders_refused; /* since tail_watch_begin() */
    const char
        *reason; /* why the caller has to poll, with the name of the limit; NULL: it need not */
    int *folders, *folders_before; /* watches of folders: of the look that runs, of the last one */
    size_t folder_count, folder_room, folders_before_count;
    bool is_listing_cut; /* no memory to remember one: none is taken back then */
};

struct tail_news {
    void *context;
    void (*file)(void *context, int watch); /* has been written to */
    bool (*is_ours)(void *context,
                    const char *name); /* a name in a folder: is it any of our business? */
    bool folders; /* out: names appeared, left or changed, or notifications were lost */
    bool rights;  /* out: who may read something may have changed */
};

void tail_watch_open(struct tail_watch *watch);
void tail_watch_close(struct tail_watch *watch);
/* Around a look at all folders. Limits may have been raised since the last one; at its end the
 * folders that were not named again are watched no more. */
void tail_watch_begin(struct tail_watch *watch);
void tail_watch_end(struct tail_watch *watch);
void tail_watch_folder(struct tail_watch *watch, const char *path); /* again and again is fine */
int tail_watch_file(struct tail_watch *watch, int fd, const char *path); /* -1: not watched */
void tail_watch_drop(struct tail_watch *watch, int file_watch);
void tail_watch_read(struct tail_watch *watch, struct tail_news *news); /* never blocks */
