/* SPDX-License-Identifier: Apache-2.0 */
/* Closes the books of a dead start out of any bytes, and shows them as an operator sees them: as
 * they are, and with the first fields of the header put right, so that the fuzzer gets behind them.
 */
#include "ledger/books_left.h"
#include "view/figures_json.h"
#include "view/screen.h"

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
        (void)books_left_in(&image, i, &left);
}

/* All that `spillway top` does with them. */
static void show_all(struct slice bytes)
{
    const struct view view = { 0 };
    struct books_found found = { .kind = BOOKS_COPY };
    struct buf copy = { 0 }, json = { 0 };
    struct screen screen = { 0 };
    unsigned scroll_max;
    struct err err;

    if (!buf_add(&copy, bytes.data, bytes.bytes))
        return;
    found.reader = books_reader_new(&copy, &err);
    if (found.reader == NULL)
        return;
    struct source source = { .found = &found, .trouble = "" };
    struct figures *figures = figures_new(found.reader, found.reader, 1);
    if (figures != NULL && figures_json(figures, &source, &json) &&
        screen_draw(figures, &source, &view, 80, 24, &screen, &scroll_max))
        screen_fini(&screen);
    buf_fini(&json);
    figures_free(&figures);
    books_found_fini(&found);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct slice as_is = { (const char *)data, bytes };
    struct books_header header;

    close_all(as_is, true);
    close_all(as_is, false);
    show_all(as_is);
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
    header.agent_id[BOOKS_ID - 1] = '\0';
    header.agent_version[BOOKS_ID - 1] = '\0';
    header.state_dir[BOOKS_PATH - 1] = '\0';
    header.saved_real_ns = 0;
    memcpy(mended, &header, sizeof(header));
    close_all((struct slice){ mended, bytes }, false);
    show_all((struct slice){ mended, bytes });
    free(mended);
    return 0;
}
