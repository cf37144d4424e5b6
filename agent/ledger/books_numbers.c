/* SPDX-License-Identifier: Apache-2.0 */
/* books_numbers: rows are found by their names, because another build may have others. */
#include "ledger/books_numbers.h"

static const char *row_of(const struct books_image *image, const struct books_table *table,
                          unsigned index)
{
    return image->bytes.data + table->at + (size_t)index * table->row_bytes;
}

const char *books_image_lane(const struct books_image *image, unsigned lane)
{
    return row_of(image, &image->header.lanes, lane);
}

/* Is the row of a table, with its numbers in it, within the file? */
static bool holds_numbers(const struct books_image *image, const struct books_table *table,
                          uint32_t numbers_at)
{
    const struct books_table *names = &image->header.numbers;
    uint64_t all = image->header.file_bytes;

    return names->row_bytes >= sizeof(struct books_number_row) && names->at <= all &&
           (uint64_t)names->rows * names->row_bytes <= all - names->at && table->at <= all &&
           (uint64_t)table->rows * table->row_bytes <= all - table->at &&
           numbers_at + (uint64_t)names->rows * sizeof(uint64_t) <= table->row_bytes;
}

/* numbers: where those of the lane or output begin. */
static uint64_t find_number(const struct books_image *image, const char *numbers,
                            enum number number)
{
    const char *name = number_infos[number].name;
    uint64_t value = 0;

    for (uint32_t i = 0; i < image->header.numbers.rows; i++) {
        struct books_number_row row;
        books_image_row(image, &image->header.numbers, i, &row, sizeof(row));
        if (strncmp(row.name, name, sizeof(row.name)) == 0)
            memcpy(&value, numbers + (size_t)i * sizeof(value), sizeof(value));
    }
    return value < BOOKS_NUMBER_MAX ? value : 0;
}

bool books_image_has_lane_numbers(const struct books_image *image)
{
    return holds_numbers(image, &image->header.lanes, image->header.numbers_at);
}

uint64_t books_image_lane_number(const struct books_image *image, unsigned lane, enum number number)
{
    if (!books_image_has_lane_numbers(image))
        return 0;
    return find_number(image, books_image_lane(image, lane) + image->header.numbers_at, number);
}

uint64_t books_image_output_number(const struct books_image *image, const char *output,
                                   enum number number)
{
    const struct books_header *header = &image->header;
    const struct books_table *outputs = &header->outputs;

    if (outputs->row_bytes < header->name_bytes ||
        !holds_numbers(image, outputs, header->output_numbers_at))
        return 0;
    for (unsigned i = 0; i < outputs->rows && i < atomic_load(&header->outputs_used); i++) {
        const char *row = row_of(image, outputs, i);
        if (strncmp(row, output, header->name_bytes) == 0)
            return find_number(image, row + header->output_numbers_at, number);
    }
    return 0;
}
