/* SPDX-License-Identifier: Apache-2.0 */
/* books_scene: books in memory for the tests of the view: lanes that are counted in and read. */
#pragma once

#include "ledger/books_reader.h"

#include <stdio.h>
#include <stdlib.h>

static inline struct books_file *scene_new(void)
{
    struct books_file *file = calloc(1, sizeof(*file));
    assert_non_null(file);
    books_file_describe(file);
    (void)strcpy(file->header.start_id, "start-1");
    (void)strcpy(file->header.agent_version, "0.1.0");
    (void)strcpy(file->header.state_dir, "/var/lib/spillway");
    file->header.pid = 123;
    return file;
}

static inline struct books *scene_lane(struct books_file *file, const char *input,
                                       const char *output)
{
    struct books *lane = &file->lanes[file->header.lanes_used++];
    (void)snprintf(lane->input, LEDGER_NAME, "%s", input);
    (void)snprintf(lane->output, LEDGER_NAME, "%s", output);
    return lane;
}

static inline struct numbers *scene_output(struct books_file *file, const char *name)
{
    struct books_output *output = &file->outputs[file->header.outputs_used++];
    (void)snprintf(output->name, LEDGER_NAME, "%s", name);
    return &output->numbers;
}

static inline struct books_reader *scene_read(const struct books_file *file)
{
    struct buf bytes = { 0 };
    struct err err = { "" };
    assert_true(buf_add(&bytes, file, sizeof(*file)));
    struct books_reader *reader = books_reader_new(&bytes, &err);
    if (reader == NULL)
        fail_msg("%s", err.text);
    return reader;
}
