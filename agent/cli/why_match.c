/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/why_match.h"

#include "base/find.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the file ---- */

/* Of a file that is not there its folder may be. */
static void resolve(struct why_file *file)
{
    char folder[PATH_MAX], real[PATH_MAX];
    const char *slash = strrchr(file->path, '/');

    if (realpath(file->path, file->resolved) != NULL)
        return;
    (void)strcpy(file->resolved, file->path);
    (void)snprintf(folder, sizeof(folder), "%.*s", (int)(slash - file->path), file->path);
    if (realpath(folder[0] == '\0' ? "/" : folder, real) == NULL ||
        strlen(real) + strlen(slash) >= PATH_MAX)
        return;
    (void)strcpy(file->resolved, strcmp(real, "/") == 0 ? "" : real);
    (void)strcat(file->resolved, slash);
}

bool why_file_look(struct why_file *file, const char *path)
{
    char here[PATH_MAX] = "";

    *file = (struct why_file){ .error = 0 };
    if (path[0] != '/' && getcwd(here, sizeof(here)) == NULL)
        return false;
    if (snprintf(file->path, sizeof(file->path), "%s%s%s", here, path[0] == '/' ? "" : "/", path) >=
        PATH_MAX)
        return false;
    file->is_there = stat(file->path, &file->info) == 0;
    file->error = file->is_there ? 0 : errno;
    resolve(file);
    return true;
}

/* ---- the patterns ---- */

struct search {
    const struct why_file *file;
    char *name; /* PATH_MAX bytes */
    bool found;
};

static void look_if_same(void *context, const char *path)
{
    struct search *search = context;
    const struct stat *wanted = &search->file->info;
    struct stat info;

    if (search->found || stat(path, &info) != 0 || info.st_ino != wanted->st_ino ||
        info.st_dev != wanted->st_dev)
        return;
    search->found = snprintf(search->name, PATH_MAX, "%s", path) < PATH_MAX;
}

static void pass_over(void *context, enum find_trouble trouble, const char *folder, int error)
{
    (void)context, (void)trouble, (void)folder, (void)error;
}

/* The name under which the pattern finds the very file. false: it does not. */
static bool find_same(const char *pattern, size_t folders_max, const struct why_file *file,
                      char ret_name[PATH_MAX])
{
    struct search search = { .file = file, .name = ret_name };
    struct find find = {
        .context = &search, .file = look_if_same, .left_out = pass_over, .folders_max = folders_max
    };

    find_all(&find, pattern);
    return search.found;
}

static bool match_one(const char *pattern, size_t folders_max, const struct why_file *file,
                      struct why_match *ret)
{
    struct pattern_fit fit = patterns_fit(pattern, file->path);
    struct pattern_fit resolved = patterns_fit(pattern, file->resolved);

    if (file->is_there && find_same(pattern, folders_max, file, ret->name))
        return true;
    /* A "**" goes into no link, which a name does not tell. */
    bool by_name = fit.fits && (!file->is_there || strstr(pattern, "**") == NULL);
    if (by_name || resolved.fits) {
        (void)strcpy(ret->name, by_name ? file->path : file->resolved);
        return true;
    }
    if (resolved.parts > fit.parts)
        fit = resolved;
    if (ret->nearest == NULL || fit.parts > ret->nearest_fit.parts) {
        ret->nearest = pattern;
        ret->nearest_fit = fit;
    }
    return false;
}

bool why_match(const struct settings_part *input, const struct why_file *file,
               struct why_match *ret)
{
    struct file_globs globs;

    *ret = (struct why_match){ .pattern = NULL };
    if (input->type->globs == NULL)
        return false;
    input->type->globs(input->config, &globs);
    for (size_t i = 0; i < globs.paths.count && ret->pattern == NULL; i++) {
        if (match_one(globs.paths.items[i], globs.folders_max, file, ret))
            ret->pattern = globs.paths.items[i];
    }
    if (ret->pattern != NULL)
        ret->excluded_by = patterns_excluding(globs.exclude.items, globs.exclude.count, ret->name);
    return true;
}
