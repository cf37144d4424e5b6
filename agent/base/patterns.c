/* SPDX-License-Identifier: Apache-2.0 */
#include "base/patterns.h"

#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { ALTERNATIVES_MAX = 256 };

const char *patterns_excluding(const char *const *patterns, size_t count, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash == NULL ? path : slash + 1;

    for (size_t i = 0; i < count; i++) {
        bool whole = strchr(patterns[i], '/') != NULL;
        if (fnmatch(patterns[i], whole ? path : base, whole ? FNM_PATHNAME : 0) == 0)
            return patterns[i];
    }
    return NULL;
}

/* Takes the next part of *at and goes behind it and its slashes. */
static void take_part(const char **at, char ret_part[PATTERN_PART_BYTES])
{
    size_t bytes = strcspn(*at, "/");

    (void)snprintf(ret_part, PATTERN_PART_BYTES, "%.*s", (int)bytes, *at);
    *at += bytes;
    *at += strspn(*at, "/");
}

static struct pattern_fit fit_plain(const char *pattern, const char *path)
{
    struct pattern_fit fit = { .parts = 0 };

    if ((pattern[0] == '/') != (path[0] == '/')) {
        take_part(&pattern, fit.wanted);
        take_part(&path, fit.present);
        return fit;
    }
    pattern += strspn(pattern, "/");
    path += strspn(path, "/");
    while (*pattern != '\0' || *path != '\0') {
        take_part(&pattern, fit.wanted);
        take_part(&path, fit.present);
        if (fit.wanted[0] == '\0' || fit.present[0] == '\0' ||
            fnmatch(fit.wanted, fit.present, FNM_PERIOD) != 0)
            return fit;
        fit.parts++;
    }
    fit.fits = true;
    fit.wanted[0] = fit.present[0] = '\0';
    return fit;
}

/* The first pair of braces and the end of an alternative in it. NULL: there is none. */
static const char *find_close(const char *open)
{
    int depth = 0;

    for (const char *at = open; *at != '\0'; at++) {
        depth += (*at == '{') - (*at == '}');
        if (depth == 0)
            return at;
    }
    return NULL;
}

static const char *end_of_alternative(const char *at, const char *close)
{
    int depth = 0;

    for (; at < close; at++) {
        if (*at == ',' && depth == 0)
            return at;
        depth += (*at == '{') - (*at == '}');
    }
    return close;
}

static void keep_better(struct pattern_fit *best, const struct pattern_fit *fit, bool is_first)
{
    if (is_first || (!best->fits && (fit->fits || fit->parts > best->parts)))
        *best = *fit;
}

struct expansion {
    const char *path;
    struct pattern_fit best;
    unsigned tried;
};

/* Recurses once for each pair of braces; a pattern is at most PATH_MAX long. */
static void expand(struct expansion *expansion, const char *pattern)
{
    const char *open = strchr(pattern, '{');
    const char *close = open == NULL ? NULL : find_close(open);

    if (expansion->tried >= ALTERNATIVES_MAX)
        return;
    if (close == NULL) {
        struct pattern_fit fit = fit_plain(pattern, expansion->path);
        keep_better(&expansion->best, &fit, expansion->tried == 0);
        expansion->tried++;
        return;
    }
    for (const char *from = open + 1; from <= close;) {
        const char *end = end_of_alternative(from, close);
        char made[PATH_MAX];
        int bytes = snprintf(made, sizeof(made), "%.*s%.*s%s", (int)(open - pattern), pattern,
                             (int)(end - from), from, close + 1);
        if (bytes > 0 && bytes < (int)sizeof(made))
            expand(expansion, made);
        from = end + 1;
    }
}

struct pattern_fit patterns_fit(const char *pattern, const char *path)
{
    struct expansion expansion = { .path = path };

    expand(&expansion, pattern);
    return expansion.best;
}
