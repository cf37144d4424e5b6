/* SPDX-License-Identifier: Apache-2.0 */
#include "base/patterns.h"
#include "base/pattern_parts.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALTERNATIVES_MAX = 256, BRACES_MAX = 16 };

/* ---- alternatives in braces ---- */

/* The end of the pair of braces that begins here. NULL: it has none. */
static const char *find_close(const char *open)
{
    int depth = 0;

    for (const char *at = open; *at != '\0'; at++) {
        if (*at == '\\' && at[1] != '\0') {
            at++;
            continue;
        }
        depth += (*at == '{') - (*at == '}');
        if (depth == 0)
            return at;
    }
    return NULL;
}

static const char *find_open(const char *at)
{
    for (; *at != '\0' && *at != '{'; at++) {
        if (*at == '\\' && at[1] != '\0')
            at++;
    }
    return *at == '{' ? at : NULL;
}

static const char *end_of_alternative(const char *at, const char *close)
{
    int depth = 0;

    for (; at < close; at++) {
        if (*at == ',' && depth == 0)
            return at;
        if (*at == '\\' && at + 1 < close)
            at++;
        else
            depth += (*at == '{') - (*at == '}');
    }
    return close;
}

struct expansion {
    patterns_each_fn *each;
    void *context;
    unsigned tried, depth;
    bool is_cut;
};

/* Recurses once for each pair of braces, as deep as is bounded. */
static void expand(struct expansion *expansion, const char *pattern)
{
    const char *open = find_open(pattern);
    const char *close = open == NULL ? NULL : find_close(open);

    if (expansion->tried >= ALTERNATIVES_MAX || expansion->depth > BRACES_MAX) {
        expansion->is_cut = true;
        return;
    }
    if (close == NULL) {
        expansion->tried++;
        expansion->each(expansion->context, pattern);
        return;
    }
    expansion->depth++;
    for (const char *from = open + 1; from <= close && !expansion->is_cut;) {
        const char *end = end_of_alternative(from, close);
        char made[PATH_MAX];
        int bytes = snprintf(made, sizeof(made), "%.*s%.*s%s", (int)(open - pattern), pattern,
                             (int)(end - from), from, close + 1);
        if (bytes > 0 && bytes < (int)sizeof(made))
            expand(expansion, made);
        from = end + 1;
    }
    expansion->depth--;
}

bool patterns_expand(const char *pattern, patterns_each_fn *each, void *context)
{
    struct expansion expansion = { .each = each, .context = context };

    expand(&expansion, pattern);
    return !expansion.is_cut;
}

struct unfolding {
    struct patterns_plain all;
    bool has_failed;
};

static void add_plain(void *context, const char *plain)
{
    struct unfolding *unfolding = context;
    struct patterns_plain *all = &unfolding->all;
    char *copy = strdup(plain);
    char **items = copy == NULL ? NULL : realloc(all->items, (all->count + 1) * sizeof(*items));

    if (items == NULL) {
        free(copy);
        unfolding->has_failed = true;
        return;
    }
    all->items = items;
    all->items[all->count++] = copy;
}

bool patterns_plain_make(const char *const *patterns, size_t count, struct patterns_plain *ret)
{
    struct unfolding unfolding = { .has_failed = false };

    for (size_t i = 0; i < count; i++)
        (void)patterns_expand(patterns[i], add_plain, &unfolding);
    if (unfolding.has_failed)
        patterns_plain_free(&unfolding.all);
    *ret = unfolding.all;
    return !unfolding.has_failed;
}

void patterns_plain_free(struct patterns_plain *plain)
{
    for (size_t i = 0; i < plain->count; i++)
        free(plain->items[i]);
    free(plain->items);
    *plain = (struct patterns_plain){ .count = 0 };
}

/* ---- may it be used? ---- */

struct trial {
    struct err *err;
    bool is_good;
};

/* "a**b" is '*' to one program and all that is below to another. */
static const char *find_mixed(const char *plain)
{
    for (const char *at = strstr(plain, "**"); at != NULL; at = strstr(at + 2, "**")) {
        bool begins = at == plain || at[-1] == '/';
        if (!begins || (at[2] != '/' && at[2] != '\0'))
            return at;
    }
    return NULL;
}

static void try_plain(void *context, const char *plain)
{
    struct trial *trial = context;
    struct pattern_parts parts;

    if (!trial->is_good)
        return;
    if (find_mixed(plain) != NULL)
        trial->is_good = err_set(trial->err,
                                 "'%.200s': '**' stands alone between slashes, as in "
                                 "logs/**/*.log; within a name write '*'",
                                 plain);
    else if (!pattern_parts_make(plain, false, &parts))
        trial->is_good = err_set(trial->err, "'%.200s' has more than %d parts, or is too long",
                                 plain, PATTERN_PARTS_MAX);
}

bool patterns_check(const char *pattern, struct err *err)
{
    struct trial trial = { .err = err, .is_good = true };

    if (pattern[0] == '\0')
        return err_set(err, "an empty pattern names no file");
    if (strlen(pattern) >= PATH_MAX)
        return err_set(err, "'%.200s…' is too long", pattern);
    if (!patterns_expand(pattern, try_plain, &trial) && trial.is_good)
        return err_set(err, "'%.200s' has more than %d alternatives, or %d pairs of braces",
                       pattern, ALTERNATIVES_MAX, BRACES_MAX);
    return trial.is_good;
}

/* ---- what is left out ---- */

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

/* Takes the next part of *at and goes behind it and its slashes. */
static void take_part(const char **at, char ret_part[PATTERN_PART_BYTES])
{
    size_t bytes = strcspn(*at, "/");

    (void)snprintf(ret_part, PATTERN_PART_BYTES, "%.*s", (int)bytes, *at);
    *at += bytes;
    *at += strspn(*at, "/");
}

/* Where a path ends in a pattern; 0: nowhere. */
static uint64_t follow(const struct pattern_parts *pattern, const char *path)
{
    uint64_t at = pattern_parts_begin(pattern);
    char name[PATTERN_PART_BYTES];

    for (path += strspn(path, "/"); *path != '\0' && at != 0;) {
        take_part(&path, name);
        at = pattern_parts_step(pattern, at, name, false);
    }
    return at;
}

static bool excludes_deep(const char *pattern, const char *path)
{
    struct pattern_parts parts;

    return pattern_parts_make(pattern, true, &parts) &&
           pattern_parts_is_end(&parts, follow(&parts, path));
}

/* Is a path, or all that is below it, left out? */
struct exclusion {
    const char *path;
    bool is_out;
};

static void exclude_path(void *context, const char *plain)
{
    struct exclusion *exclusion = context;

    if (exclusion->is_out)
        return;
    if (strchr(plain, '/') == NULL)
        exclusion->is_out = fnmatch(plain, base_of(exclusion->path), 0) == 0;
    else if (strstr(plain, "**") != NULL)
        exclusion->is_out = excludes_deep(plain, exclusion->path);
    else
        exclusion->is_out = fnmatch(plain, exclusion->path, FNM_PATHNAME) == 0;
}

const char *patterns_excluding(const char *const *patterns, size_t count, const char *path)
{
    struct exclusion exclusion = { .path = path };

    for (size_t i = 0; i < count; i++) {
        (void)patterns_expand(patterns[i], exclude_path, &exclusion);
        if (exclusion.is_out)
            return patterns[i];
    }
    return NULL;
}

static void exclude_below(void *context, const char *plain)
{
    struct exclusion *exclusion = context;
    size_t bytes = strlen(plain);
    struct pattern_parts parts;

    if (exclusion->is_out || bytes < 3 || strcmp(plain + bytes - 3, "/**") != 0 ||
        !pattern_parts_make(plain, true, &parts))
        return;
    /* at its last part, which takes whatever is there */
    exclusion->is_out = (follow(&parts, exclusion->path) >> (parts.count - 1) & 1) != 0;
}

bool patterns_exclude_below(const char *const *patterns, size_t count, const char *folder)
{
    struct exclusion exclusion = { .path = folder };

    for (size_t i = 0; i < count && !exclusion.is_out; i++)
        (void)patterns_expand(patterns[i], exclude_below, &exclusion);
    return exclusion.is_out;
}

/* ---- what fits ---- */

struct ending {
    const char *name;
    bool fits;
};

static void try_ending(void *context, const char *plain)
{
    struct ending *ending = context;

    ending->fits |= fnmatch(base_of(plain), ending->name, 0) == 0;
}

bool patterns_may_end_with(const char *pattern, const char *name)
{
    struct ending ending = { .name = name };

    return !patterns_expand(pattern, try_ending, &ending) || ending.fits;
}

/* Of all parts that could come next the last one is the most telling. */
static void name_wanted(const struct pattern_parts *pattern, uint64_t at, struct pattern_fit *fit)
{
    uint64_t wanted = pattern_parts_below(pattern, at);

    fit->wanted[0] = '\0';
    for (unsigned i = 0; i < pattern->count; i++) {
        if ((wanted >> i & 1) != 0)
            (void)snprintf(fit->wanted, sizeof(fit->wanted), "%s", pattern->parts[i]);
    }
}

/* The path ends below a "**", which takes everything: so its last part was not the one wanted. */
static void blame_last(const char *path, struct pattern_fit *fit)
{
    size_t bytes = strlen(path);

    while (bytes > 0 && path[bytes - 1] == '/')
        bytes--;
    const char *slash = memrchr(path, '/', bytes);
    const char *name = slash == NULL ? path : slash + 1;
    (void)snprintf(fit->present, sizeof(fit->present), "%.*s", (int)(path + bytes - name), name);
    fit->parts--;
}

struct fitting {
    const char *path;
    struct pattern_fit best;
    bool has_any;
};

static void fit_plain(void *context, const char *plain)
{
    struct fitting *fitting = context;
    struct pattern_fit fit = { .parts = 0 };
    struct pattern_parts pattern;
    const char *path = fitting->path + strspn(fitting->path, "/");

    if (!pattern_parts_make(plain, false, &pattern))
        return;
    uint64_t at = pattern_parts_begin(&pattern), before = at;
    bool same_begin = pattern.is_absolute == (fitting->path[0] == '/');
    for (bool going = same_begin; going && *path != '\0'; fit.parts += going) {
        before = at;
        take_part(&path, fit.present);
        at = pattern_parts_step(&pattern, at, fit.present, false);
        going = at != 0;
    }
    fit.fits = same_begin && pattern_parts_is_end(&pattern, at);
    if (at != 0)
        fit.present[0] = '\0';
    name_wanted(&pattern, at != 0 ? at : before, &fit);
    if (fit.fits)
        fit.wanted[0] = '\0';
    else if ((at & before & pattern.deep) != 0 && fit.parts > 0)
        blame_last(fitting->path, &fit);
    if (!fitting->has_any || (!fitting->best.fits && (fit.fits || fit.parts > fitting->best.parts)))
        fitting->best = fit;
    fitting->has_any = true;
}

struct pattern_fit patterns_fit(const char *pattern, const char *path)
{
    struct fitting fitting = { .path = path };

    (void)patterns_expand(pattern, fit_plain, &fitting);
    return fitting.best;
}
