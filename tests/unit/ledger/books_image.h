/* SPDX-License-Identifier: Apache-2.0 */
/* books_image: the books of a start that is over, made up in memory. */
#pragma once

#include "ledger/books_file.h"

#include <stdlib.h>

static inline struct books_file *make_file(void)
{
    struct books_file *file = calloc(1, sizeof(*file));
    assert_non_null(file);
    books_file_describe(file);
    return file;
}

static inline struct books *add_lane(struct books_file *file, const char *input, bool rereadable)
{
    struct books *books = &file->lanes[file->header.lanes_used++];
    (void)strcpy(books->input, input);
    (void)strcpy(books->output, "main");
    books->rereadable = rereadable;
    return books;
}

static inline struct slice all_of(const struct books_file *file)
{
    return (struct slice){ (const char *)file, sizeof(*file) };
}
