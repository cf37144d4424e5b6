/* SPDX-License-Identifier: Apache-2.0 */
/* plugin_type: what the configuration needs to know of a plugin; the rest is in plugins/plugin.h.
 * Constant data, for all threads. */
#pragma once

#include "config/schema.h"

enum plugin_traits {
    INPUT_REREADABLE = 1, /* has positions: a reading for each output, receipts; may block */
    INPUT_SAMPLES = 2, /* makes metric samples: collected each `interval` of the common options */
    OUTPUT_STREAM = 4, /* writes to a file descriptor: no compression unless asked for */
    INPUT_TIMED = 8,   /* keeps to the `interval` of the common options by itself */
    INPUT_READS_ALL = 16,  /* reads what may belong to others, beside its globs */
    INPUT_KERNEL_LOG = 32, /* reads the kernel's log */
};

struct command_line; /* see children/request.h */
struct buf;

struct file_globs {
    struct text_list paths, exclude; /* what is read; and what of that is left out */
    size_t folders_max;              /* looked into at most */
};

struct plugin_type {
    const char *name, *doc;       /* value of `type:`; one line */
    const struct option *options; /* ends with a row without key */
    size_t config_bytes;
    size_t state_bytes;
    unsigned traits; /* enum plugin_traits */
    /* Inputs: the largest event this configuration can produce, in event_bytes(). NULL: 64 KiB. */
    uint64_t (*max_event_bytes)(const void *config);
    uint64_t (*memory_bytes)(const void *config); /* inputs: beside the read buffer; NULL: none */
    /* Outputs: what one connection takes of memory, at most. NULL: there are none. */
    uint64_t (*connection_bytes)(const void *config);
    /* Inputs of files: which. NULL: not of files. */
    void (*globs)(const void *config, struct file_globs *ret);
    /* Inputs, for who asks whether it can be read: globs of the files and devices that it reads
     * without having `globs`, one a line. NULL: there are none. */
    void (*reads)(const void *config, struct buf *ret_globs);
    /* Inputs that start a process: which. NULL: none. */
    void (*command)(const void *config, struct command_line *ret);
    /* Optional: what a parser of single options cannot see. No side effects, opens nothing. */
    bool (*check)(const void *config, struct err *err);
};

/* All plugins that were built in; each list ends with NULL. */
struct catalog {
    const struct plugin_type *const *inputs, *const *processors, *const *outputs;
};
