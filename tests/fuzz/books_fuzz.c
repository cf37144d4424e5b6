/* SPDX-License-Identifier: Apache-2.0 */
/* Closes the books of a dead start out of any bytes: as they are, and with the first fields of the
 * header put right, so that the fuzzer gets behind them. */
#include "ledger/books_file.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void close_all(struct slice bytes, bool has_checksum)
{
    struct books_image image;
    struct books_left left;
    struct err err;

    if (!books_image_open(&image, bytes, has_checksum, &err))
        return;
    for (unsigned i = 0; i < image.header.lanes_used; i++)
        (void)books_image_left(&image, i, &left);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct slice as_is = { (const char *)data, bytes };
    struct books_header header;

    close_all(as_is, true);
    close_all(as_is, false);
    if (bytes < sizeof(header))
        return 0;
    char *mended = malloc(bytes);
    if (mended == NULL)
        return 0;
    memcpy(mended, data, bytes);
    memcpy(&header, data, sizeof(header));
    header.magic = BOOKS_MAGIC;
    header.version = BOOKS_VERSION;
    header.header_bytes = sizeof(header);
    header.file_bytes = bytes;
    header.state = BOOKS_OPEN;
    header.boot_id[BOOKS_ID - 1] = '\0';
    header.start_id[BOOKS_ID - 1] = '\0';
    memcpy(mended, &header, sizeof(header));
    close_all((struct slice){ mended, bytes }, false);
    free(mended);
    return 0;
}
