/* SPDX-License-Identifier: Apache-2.0 */
/* settings_files: what a configuration says of files that an output writes. Only mistakes are told
 * here, that a human has to mend: a disk that is full or read-only today is none, the agent has to
 * start and ship without it. Nothing is created: `check` looks only. */
#include "config/settings_check.h"

#include "base/err.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static bool folder_of(const char *path, char ret_folder[PATH_MAX], struct err *err)
{
    const char *slash = strrchr(path, '/');

    if (slash == NULL)
        slash = path; /* "" is told as not absolute */
    size_t length = slash == path ? 1 : (size_t)(slash - path);
    if (path[0] != '/')
        return err_set(err, "'%.200s' must be an absolute path", path);
    if (slash[1] == '\0')
        return err_set(err, "'%.200s' names a folder, add the name of the file", path);
    if (strlen(path) + sizeof(".1") > PATH_MAX)
        return err_set(err, "the path is too long");
    memcpy(ret_folder, path, length);
    ret_folder[length] = '\0';
    return true;
}

static bool check_writable_file(const char *path, struct err *err)
{
    char folder[PATH_MAX];
    struct stat status;

    if (!folder_of(path, folder, err))
        return false;
    if (stat(folder, &status) != 0)
        return err_set(err, "the folder '%.200s' cannot be used: %s", folder, strerror(errno));
    if (!S_ISDIR(status.st_mode))
        return err_set(err, "'%.200s' is not a folder", folder);
    if (access(folder, W_OK | X_OK) != 0 && errno == EACCES)
        return err_set(err, "the folder '%.200s' cannot be written by this user", folder);
    if (lstat(path, &status) != 0)
        return true;
    if (!S_ISREG(status.st_mode))
        return err_set(err, "'%.200s' is not a regular file", path);
    if (access(path, R_OK | W_OK) != 0 && errno == EACCES)
        return err_set(err, "'%.200s' cannot be read and written by this user", path);
    return true;
}

/* The next name of a path, without what stands for nothing; at its end one of no bytes. */
static const char *next_name(const char *path, size_t *ret_bytes)
{
    for (;;) {
        path += strspn(path, "/");
        *ret_bytes = strcspn(path, "/");
        if (*ret_bytes != 1 || path[0] != '.')
            return path;
        path++;
    }
}

bool settings_same_path(const char *a, const char *b)
{
    size_t a_bytes, b_bytes;

    if ((a[0] == '/') != (b[0] == '/') || (a[0] == '\0') != (b[0] == '\0'))
        return false;
    do {
        a = next_name(a, &a_bytes);
        b = next_name(b, &b_bytes);
        if (a_bytes != b_bytes || memcmp(a, b, a_bytes) != 0)
            return false;
        a += a_bytes;
        b += b_bytes;
    } while (a_bytes > 0);
    return true;
}

/* Is b where the older letters of a are put? */
static bool is_older_of(const char *a, const char *b)
{
    char older[PATH_MAX];

    return a[0] != '\0' && snprintf(older, sizeof(older), "%s.1", a) < (int)sizeof(older) &&
           settings_same_path(older, b);
}

/* Another output, looked at before, with one of its two files; NULL: none. */
static const char *find_same_path(const struct settings *settings, size_t index)
{
    const char *path = settings->outputs[index].output.dead_letter__path;

    for (size_t i = 0; i < index; i++) {
        const char *other = settings->outputs[i].output.dead_letter__path;
        if (settings_same_path(other, path) || is_older_of(other, path) || is_older_of(path, other))
            return settings->outputs[i].name;
    }
    return NULL;
}

void settings_check_dead_letter(struct loader *loader, size_t index)
{
    const struct settings_part *part = &loader->settings->outputs[index];
    const struct part_source *source = &loader->outputs[index];
    const char *path = part->output.dead_letter__path;
    const struct node *node = node_find(source->node, "dead_letter");
    struct err err = { "" };

    if (node != NULL && (part->type->traits & OUTPUT_STREAM) != 0) {
        (void)diagnostics_add(&loader->diagnostics, node->place,
                              "outputs.%s.dead_letter: '%s' refuses nothing: take the key out",
                              part->name, part->type->name);
        return;
    }
    if (path[0] == '\0') {
        if (reader_find(source->node, "dead_letter.max_bytes") != NULL)
            (void)diagnostics_add(
                &loader->diagnostics, settings_place(part, source, "dead_letter.max_bytes"),
                "outputs.%s.dead_letter.max_bytes: needs dead_letter.path", part->name);
        return;
    }
    const char *other = find_same_path(loader->settings, index);
    if (other != NULL)
        (void)err_set(&err, "output '%s' has the same file, or PATH.1 of it", other);
    if (other != NULL || !check_writable_file(path, &err))
        (void)diagnostics_add(&loader->diagnostics,
                              settings_place(part, source, "dead_letter.path"),
                              "outputs.%s.dead_letter.path: %s", part->name, err.text);
}
