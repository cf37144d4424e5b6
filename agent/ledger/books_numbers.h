/* SPDX-License-Identifier: Apache-2.0 */
/* books_numbers: the numbers in a file of books, of any build, by the names of this one. Nothing in
 * the file is trusted: what is not there, or cannot be a count, is 0. Threads: main. */
#pragma once

#include "ledger/books_file.h"

/* More than this is no count of ours. */
#define BOOKS_NUMBER_MAX (UINT64_C(1) << 48)

/* Where the row of that lane begins; lane < header.lanes_used. */
const char *books_image_lane(const struct books_image *image, unsigned lane);
bool books_image_has_lane_numbers(const struct books_image *image);
uint64_t books_image_lane_number(const struct books_image *image, unsigned lane,
                                 enum number number);
uint64_t books_image_output_number(const struct books_image *image, const char *output,
                                   enum number number);
