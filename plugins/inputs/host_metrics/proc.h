/* SPDX-License-Identifier: Apache-2.0 */
/* proc: a file of /proc, read whole by one pread() a round on a descriptor that stays open, and its
 * text taken apart. Nothing in it is trusted: each step is bounded and says when it does not fit.
 * Threads: the reading's. */
#pragma once

#include "plugin.h"

enum { PROC_FILE_LARGEST = 1024 * 1024 };

struct proc_file {
    int fd;     /* -1: not open */
    char *text; /* of the last read; words of it are valid until the next */
    size_t room;
};

void proc_file_init(struct proc_file *file);
void proc_file_fini(struct proc_file *file);
/* Reads root/path, where the descriptor is not open yet. */
bool proc_file_read(struct proc_file *file, const char *root, const char *path,
                    struct slice *ret_text, struct err *err);

/* Opens, reads once and closes a small file of a folder's folder: of a process, a control group.
 * false: it cannot be read, or it is empty; the text is empty then. */
bool proc_read_small(int folder, const char *name, const char *file, char *ret, size_t room,
                     struct slice *ret_text);
/* The same of a file that may be long: all of it. false also where it does not fit. */
bool proc_read_whole(int folder, const char *name, const char *file, char *ret, size_t room,
                     struct slice *ret_text);
/* As proc_read_small(), and the descriptor stays open for the next time, while there are plenty:
 * *fd is -1 or that of this very file. */
bool proc_read_kept(int *fd, int folder, const char *name, const char *file, char *ret, size_t room,
                    struct slice *ret_text);
void proc_close_kept(int *fd);

/* Each takes something off the front. false: there is none. */
bool proc_take_line(struct slice *text, struct slice *ret_line);
bool proc_take_word(struct slice *line, struct slice *ret_word); /* up to a space or tab */
bool proc_take_number(struct slice *line, uint64_t *ret);        /* a word of digits that fits */
/* All `count` of them, or false. */
bool proc_take_numbers(struct slice *line, uint64_t *ret, size_t count);
bool proc_take_decimal(struct slice *line, double *ret); /* digits, a point, digits */
