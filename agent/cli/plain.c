/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/plain.h"

#include <langinfo.h>
#include <locale.h>

/* U+0080 to U+009F are controls too. */
static bool is_control(const unsigned char *at, size_t left)
{
    return (*at < ' ' && *at != '\n') || *at == 0x7f ||
           (*at == 0xc2 && left > 1 && at[1] >= 0x80 && at[1] < 0xa0);
}

void plain_write(FILE *out, struct slice text)
{
    const unsigned char *data = (const unsigned char *)text.data;

    for (size_t i = 0; i < text.bytes; i++) {
        bool control = is_control(data + i, text.bytes - i);
        (void)fputc(control ? '?' : data[i], out);
        i += control && data[i] == 0xc2 ? 1 : 0;
    }
}

bool plain_takes_utf8(void)
{
    locale_t locale = newlocale(LC_CTYPE_MASK, "", NULL);
    bool takes = locale != NULL && strcmp(nl_langinfo_l(CODESET, locale), "UTF-8") == 0;

    if (locale != NULL)
        freelocale(locale);
    return takes;
}
