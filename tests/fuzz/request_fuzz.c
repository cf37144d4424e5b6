/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a message to the process that starts commands: what is taken lies within the
 * message, ended by NUL, and is what the same bytes say a second time. */
#include "children/request.h"

#include "base/check.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static size_t check_texts(char *const *texts, const char *begin, const char *end)
{
    size_t count = 0;

    for (; texts[count] != NULL; count++) {
        CHECK(texts[count] > begin && texts[count] + strlen(texts[count]) < end);
        begin = texts[count];
    }
    CHECK(count <= REQUEST_WORDS);
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct request request;
    char *copy = malloc(bytes); /* what is behind it is not ours */

    CHECK(copy != NULL || bytes == 0);
    if (bytes > 0)
        memcpy(copy, data, bytes);
    if (request_unpack(copy, bytes, &request)) {
        CHECK(request.folder > copy && request.folder + strlen(request.folder) < copy + bytes);
        CHECK(check_texts(request.words, request.folder, copy + bytes) > 0);
        (void)check_texts(request.environment, request.folder, copy + bytes);
        CHECK(memcmp(copy, data, bytes) == 0);
    }
    free(copy);
    return 0;
}
