/* SPDX-License-Identifier: Apache-2.0 */
/* check_inputs: the files of inputs. A file is tried and not guessed at: it is opened for reading,
 * only regular ones, and closed. Modes are looked at to say why it failed. */
#include "base/auto.h"
#include "base/find.h"
#include "base/identity.h"
#include "base/patterns.h"
#include "cli/check_env.h"

#include <errno.h>
#include <fcntl.h>

enum { SHOWN_MAX = 10 }; /* of each pattern's files that cannot be read; the rest is counted */

struct files {
    struct checklist *list;
    const char *input, *pattern;
    const struct text_list *exclude;
    struct identity identity;
    unsigned long readable, unreadable, excluded;
    char **names; /* that the pattern finds */
    size_t name_count, name_room;
    char unlisted[PATH_MAX]; /* the first folder that may not be looked into */
    char beyond[PATH_MAX];   /* the first one over a bound */
};

static void note_name(void *context, const char *path)
{
    struct files *files = context;

    if (files->name_count == files->name_room) {
        size_t room = files->name_room == 0 ? 64 : files->name_room * 2;
        char **longer = realloc(files->names, room * sizeof(*longer));
        if (longer == NULL)
            return;
        files->names = longer;
        files->name_room = room;
    }
    files->names[files->name_count] = strdup(path);
    files->name_count += files->names[files->name_count] != NULL;
}

static bool may_look_into(void *context, const char *folder)
{
    const struct text_list *exclude = ((const struct files *)context)->exclude;
    return !patterns_exclude_below(exclude->items, exclude->count, folder);
}

static void note_left_out(void *context, enum find_trouble trouble, const char *folder, int error)
{
    struct files *files = context;
    char *first = trouble == FIND_REFUSED ? files->unlisted : files->beyond;

    if (first[0] == '\0' && (trouble != FIND_REFUSED || error == EACCES))
        (void)snprintf(first, PATH_MAX, "%s", folder);
}

static void tell_unreadable(struct files *files, const char *path, int error)
{
    AUTO(buf_fini) struct buf why = { 0 };

    if (files->unreadable++ >= SHOWN_MAX)
        return;
    if (error == EACCES && !identity_explain(&files->identity, path, &why))
        (void)buf_add_text(&why,
                           "permission denied, though the modes would allow it: look at ACLs, "
                           "and at AppArmor or SELinux");
    (void)checklist_add(files->list, false, "input %s: %s cannot be read: %s", files->input, path,
                        why.bytes > 0 ? why.data : strerror(error));
}

static void try_file(struct files *files, const char *path)
{
    struct stat info;

    if (stat(path, &info) != 0) {
        tell_unreadable(files, path, errno);
        return;
    }
    if (!S_ISREG(info.st_mode)) /* what else matches is passed over */
        return;
    AUTO(auto_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        tell_unreadable(files, path, errno);
    else
        files->readable++;
}

/* The part of a pattern before its first wildcard, up to the last slash. */
static void fixed_folder(const char *pattern, char ret_folder[PATH_MAX])
{
    size_t bytes = strcspn(pattern, "*?[{\\");

    while (bytes > 1 && pattern[bytes - 1] != '/')
        bytes--;
    (void)snprintf(ret_folder, PATH_MAX, "%.*s", (int)(bytes > 1 ? bytes - 1 : bytes), pattern);
}

/* A folder that may not be listed, or not be passed through. */
static void explain_folder(const struct files *files, const char *folder, struct buf *ret)
{
    char inside[PATH_MAX + 2];

    if (identity_explain(&files->identity, folder, ret))
        return;
    (void)snprintf(inside, sizeof(inside), "%s/.", folder);
    if (!identity_explain(&files->identity, inside, ret))
        (void)buf_printf(ret, "the folder '%s' cannot be listed", folder);
}

static void tell_none(struct files *files)
{
    AUTO(buf_fini) struct buf why = { 0 };
    char folder[PATH_MAX];
    struct stat info;

    fixed_folder(files->pattern, folder);
    bool is_there = stat(folder, &info) == 0;
    int error = is_there ? 0 : errno;
    if (files->unlisted[0] != '\0')
        explain_folder(files, files->unlisted, &why);
    else if (error == EACCES)
        explain_folder(files, folder, &why);
    if (why.bytes > 0)
        (void)checklist_add(files->list, false, "input %s: %s: %s", files->input, files->pattern,
                            why.data);
    else if (error == ENOENT && folder[0] == '/')
        (void)checklist_add(files->list, false, "input %s: %s: there is no folder '%s'",
                            files->input, files->pattern, folder);
    else if (error != 0 && error != ENOENT)
        (void)checklist_add(files->list, false, "input %s: %s: %s", files->input, files->pattern,
                            strerror(error));
    else
        (void)checklist_add(files->list, true, "input %s: %s: no file yet", files->input,
                            files->pattern);
}

static void tell_pattern(struct files *files)
{
    unsigned long seen = files->readable + files->unreadable;

    if (files->unreadable > SHOWN_MAX)
        (void)checklist_add(files->list, false, "input %s: and %lu more of %s cannot be read",
                            files->input, files->unreadable - SHOWN_MAX, files->pattern);
    if (seen == 0 && files->excluded == 0) {
        tell_none(files);
    } else {
        (void)checklist_add(files->list, files->readable > 0 || files->unreadable == 0,
                            "input %s: %s: %lu of %lu files can be read%s", files->input,
                            files->pattern, files->readable, seen,
                            files->excluded > 0 ? ", others are excluded" : "");
        if (files->unlisted[0] != '\0')
            (void)checklist_add(files->list, false, "input %s: the folder '%s' cannot be listed",
                                files->input, files->unlisted);
    }
    if (files->beyond[0] != '\0')
        (void)checklist_add(files->list, false,
                            "input %s: %s: the folder '%s' is left out, and others may be: more "
                            "than max_folders, or more than %d deep",
                            files->input, files->pattern, files->beyond, FIND_DEPTH_MAX);
}

static int order(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void check_pattern(struct files *files, struct find *find)
{
    const struct text_list *exclude = files->exclude;

    files->readable = files->unreadable = files->excluded = 0;
    files->unlisted[0] = files->beyond[0] = '\0';
    find_all(find, files->pattern);
    if (files->name_count > 0)
        qsort(files->names, files->name_count, sizeof(*files->names), order);
    for (size_t i = 0; i < files->name_count; i++) {
        if (patterns_excluding(exclude->items, exclude->count, files->names[i]) != NULL)
            files->excluded++;
        else
            try_file(files, files->names[i]);
        free(files->names[i]);
    }
    files->name_count = 0;
    tell_pattern(files);
}

static void check_files(struct files *files, const struct file_globs *globs)
{
    struct find find = { .context = files,
                         .file = note_name,
                         .folder = may_look_into,
                         .left_out = note_left_out,
                         .folders_max = globs->folders_max };

    files->exclude = &globs->exclude;
    for (size_t k = 0; k < globs->paths.count; k++) {
        files->pattern = globs->paths.items[k];
        check_pattern(files, &find);
    }
}

void check_inputs(const struct settings *settings, struct checklist *list)
{
    struct files files = { .list = list };
    bool has_title = false;

    if (!identity_of(0, &files.identity))
        files.identity = (struct identity){ .uid = geteuid(), .gid = getegid() };
    for (size_t i = 0; i < settings->input_count; i++) {
        const struct settings_part *input = &settings->inputs[i];
        struct file_globs globs;
        if (input->type->globs == NULL)
            continue;
        if (!has_title)
            checklist_title("Files of inputs");
        has_title = true;
        input->type->globs(input->config, &globs);
        files.input = input->name;
        check_files(&files, &globs);
    }
    free(files.names);
}
