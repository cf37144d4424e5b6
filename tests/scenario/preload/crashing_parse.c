/* SPDX-License-Identifier: Apache-2.0 */
/* crashing_parse: a library for LD_PRELOAD whose parsers of text and of the journal die of
 * "poison", as a bug in them would. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void die_of_poison(const void *data, size_t bytes)
{
    if (memmem(data, bytes, "poison", strlen("poison")) != NULL)
        abort();
}

int pcre2_match_8(const void *code, const unsigned char *subject, size_t bytes, size_t start,
                  uint32_t options, void *data, void *context)
{
    int (*next)(const void *, const unsigned char *, size_t, size_t, uint32_t, void *, void *);

    *(void **)&next = dlsym(RTLD_NEXT, "pcre2_match_8");
    die_of_poison(subject, bytes);
    return next(code, subject, bytes, start, options, data, context);
}

int sd_journal_enumerate_available_data(void *journal, const void **ret_data, size_t *ret_bytes)
{
    int (*next)(void *, const void **, size_t *);

    *(void **)&next = dlsym(RTLD_NEXT, "sd_journal_enumerate_available_data");
    int got = next(journal, ret_data, ret_bytes);
    if (got > 0)
        die_of_poison(*ret_data, *ret_bytes);
    return got;
}
