/* SPDX-License-Identifier: Apache-2.0 */
/* json_fuzz: any bytes, escaped, are a JSON string that reads back as the same bytes with U+FFFD in
 * place of what was no UTF-8: of the same text escaped again, nothing more is replaced. */
#include "base/json.h"

#include <cjson/cJSON.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* NUL ends a string in cJSON: 01 is escaped just alike. */
static char *copy_without_nul(const uint8_t *data, size_t bytes)
{
    char *copy = malloc(bytes + 1);

    require(copy != NULL);
    for (size_t i = 0; i < bytes; i++)
        copy[i] = data[i] == 0 ? 1 : (char)data[i];
    copy[bytes] = '\0';
    return copy;
}

/* back is text with each byte that was replaced as U+FFFD. */
static void compare(const char *text, const char *back, uint64_t replaced)
{
    static const char mark[] = "\xef\xbf\xbd";

    while (*text != '\0' && *back != '\0') {
        bool is_mark = strncmp(back, mark, 3) == 0 && strncmp(text, mark, 3) != 0;
        require(is_mark ? replaced-- > 0 && (signed char)*text < 0 : *text == *back);
        back += is_mark ? 3 : 1;
        text++;
    }
    require(*text == *back && replaced == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char *text = copy_without_nul(data, bytes), *exact = malloc(bytes);
    char *json = malloc(6 * bytes + 32 + 3), *again = malloc(3 * 6 * bytes + 32);
    uint64_t replaced = 0, replaced_again = 0;

    require(json != NULL && again != NULL && (exact != NULL || bytes == 0));
    if (bytes > 0)
        memcpy(exact, text, bytes);
    json[0] = '"';
    size_t end = 1 + json_escape(json + 1, (struct slice){ exact, bytes }, &replaced);
    require(end <= 6 * bytes + 1);
    memcpy(json + end, "\"", 2);
    cJSON *parsed = cJSON_Parse(json);
    require(parsed != NULL && cJSON_IsString(parsed));
    compare(text, parsed->valuestring, replaced);
    (void)json_escape(again, slice_of(parsed->valuestring), &replaced_again);
    require(replaced_again == 0);
    cJSON_Delete(parsed);
    free(text);
    free(exact);
    free(json);
    free(again);
    return 0;
}
