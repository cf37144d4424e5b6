/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a record of /dev/kmsg: what is taken lies within the bytes, what is refused is as it
 * was. */
#include "plugins/inputs/kmsg/record.h"

#include "base/check.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_within(struct slice part, const char *data, size_t bytes)
{
    CHECK(part.bytes == 0 ||
          (part.data >= data && part.bytes <= bytes && part.data + part.bytes <= data + bytes));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char *copy = malloc(bytes + 1);
    struct kmsg_record record;
    struct slice key, value;

    CHECK(copy != NULL);
    memcpy(copy, data, bytes);
    if (!kmsg_parse(copy, bytes, &record)) {
        CHECK(memcmp(copy, data, bytes) == 0);
    } else {
        check_within(record.message, copy, bytes);
        check_within(record.caller, copy, bytes);
        for (size_t pairs = 0; kmsg_pair(&record.dictionary, &key, &value); pairs++) {
            CHECK(pairs <= bytes && key.bytes > 0);
            check_within(key, copy, bytes);
            check_within(value, copy, bytes);
        }
    }
    free(copy);
    return 0;
}
