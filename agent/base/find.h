/* SPDX-License-Identifier: Apache-2.0 */
/* find: the files of a glob, and the folders that could get one. As glob(3), with "**" for any
 * number of folders: into links to folders only where a part of the pattern names them, and never
 * into /proc and its like, unless the pattern begins there. Only below the part of the pattern that
 * is plain; each folder once, the shallow ones first, one descriptor at a time.
 * Threads: none; may be used by several at once. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum find_trouble {
    FIND_REFUSED,  /* a folder cannot be looked into: errno */
    FIND_TOO_DEEP, /* it is FIND_DEPTH_MAX below the plain part, or its path is too long */
    FIND_TOO_MANY, /* folders_max were looked into already */
    FIND_NO_MEMORY
};

enum { FIND_DEPTH_MAX = 32 };

struct find {
    void *context;
    void (*file)(void *context, const char *path); /* a name that matches, and is no folder */
    /* Before it is looked into; also the nearest one above a plain part that is missing. false:
     * leave it out. NULL: nobody asks. */
    bool (*folder)(void *context, const char *path);
    void (*left_out)(void *context, enum find_trouble trouble, const char *folder, int error);
    size_t folders_max, folders; /* over several patterns; begin with 0 */
};

/* A pattern without braces: patterns_expand() comes before. */
void find_plain(struct find *find, const char *plain);
void find_all(struct find *find, const char *pattern);
