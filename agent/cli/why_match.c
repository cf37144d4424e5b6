/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/why_match.h"

#include <errno.h>
#include <glob.h>
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

/* The name under which glob() finds the very file. false: it does not. */
static bool find_by_glob(const char *pattern, const struct why_file *file, char ret_name[PATH_MAX])
{
    glob_t names = { 0 };
    bool found = false;

    if (glob(pattern, GLOB_NOSORT | GLOB_BRACE, NULL, &names) == 0) {
        for (size_t i = 0; i < names.gl_pathc && !found; i++) {
            struct stat info;
            found = stat(names.gl_pathv[i], &info) == 0 && info.st_ino == file->info.st_ino &&
                    info.st_dev == file->info.st_dev &&
                    snprintf(ret_name, PATH_MAX, "%s", names.gl_pathv[i]) < PATH_MAX;
        }
    }
    globfree(&names);
    return found;
}

static bool match_one(const char *pattern, const struct why_file *file, struct why_match *ret)
{
    struct pattern_fit fit = patterns_fit(pattern, file->path);
    struct pattern_fit resolved = patterns_fit(pattern, file->resolved);

    if (file->is_there && find_by_glob(pattern, file, ret->name))
        return true;
    if (fit.fits || resolved.fits) {
        (void)strcpy(ret->name, fit.fits ? file->path : file->resolved);
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
    struct text_list paths, exclude;

    *ret = (struct why_match){ .pattern = NULL };
    if (input->type->globs == NULL)
        return false;
    input->type->globs(input->config, &paths, &exclude);
    for (size_t i = 0; i < paths.count && ret->pattern == NULL; i++) {
        if (match_one(paths.items[i], file, ret))
            ret->pattern = paths.items[i];
    }
    if (ret->pattern != NULL)
        ret->excluded_by = patterns_excluding(exclude.items, exclude.count, ret->name);
    return true;
}
