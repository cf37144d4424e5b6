/* SPDX-License-Identifier: Apache-2.0 */
/* nearest: three rows of the distance table are enough, names are short. */
#include "config/nearest.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { WORD_MAX = 95, TOO_FAR = 1000 };

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static bool same_letter(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

static unsigned distance_of(const char *a, const char *b)
{
    unsigned rows[3][WORD_MAX + 1];
    unsigned *before = rows[0], *last = rows[1], *row = rows[2];
    size_t a_bytes = strlen(a), b_bytes = strlen(b);

    if (a_bytes > WORD_MAX || b_bytes > WORD_MAX)
        return TOO_FAR;
    for (size_t j = 0; j <= b_bytes; j++)
        last[j] = (unsigned)j;
    for (size_t i = 1; i <= a_bytes; i++) {
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_bytes; j++) {
            unsigned swap = same_letter(a[i - 1], b[j - 1]) ? 0 : 1;
            row[j] = least(least(last[j], row[j - 1]) + 1, last[j - 1] + swap);
            if (i > 1 && j > 1 && same_letter(a[i - 1], b[j - 2]) &&
                same_letter(a[i - 2], b[j - 1]))
                row[j] = least(row[j], before[j - 2] + 1);
        }
        unsigned *spare = before;
        before = last;
        last = row;
        row = spare;
    }
    return last[b_bytes];
}

struct nearest nearest_to(const char *word)
{
    return (struct nearest){ .word = word, .distance = TOO_FAR };
}

static void offer(struct nearest *nearest, const char *name, unsigned distance)
{
    if (distance >= nearest->distance)
        return;
    nearest->distance = distance;
    (void)snprintf(nearest->name, sizeof(nearest->name), "%s", name);
}

void nearest_offer(struct nearest *nearest, const char *name)
{
    offer(nearest, name, distance_of(nearest->word, name));
}

void nearest_offer_dotted(struct nearest *nearest, const char *name)
{
    const char *dot = strrchr(name, '.');

    nearest_offer(nearest, name);
    if (dot != NULL)
        offer(nearest, name, distance_of(nearest->word, dot + 1) + 1);
}

const char *nearest_name(const struct nearest *nearest)
{
    size_t bytes = strlen(nearest->word);
    unsigned near_enough = bytes < 4 ? 1 : bytes < 9 ? 2 : 3;

    return nearest->distance <= near_enough ? nearest->name : NULL;
}
