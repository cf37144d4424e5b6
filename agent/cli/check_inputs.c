/* SPDX-License-Identifier: Apache-2.0 */
/* check_inputs: the files of inputs. A file is tried and not guessed at: it is opened for reading,
 * only regular ones, and closed. Modes are looked at to say why it failed. */
#include "base/auto.h"
#include "base/identity.h"
#include "base/patterns.h"
#include "cli/check_env.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>

enum { SHOWN_MAX = 10 }; /* of each pattern's files that cannot be read; the rest is counted */

struct files {
    struct checklist *list;
    const char *input, *pattern;
    struct identity identity;
    unsigned long readable, unreadable, excluded, others;
};

/* glob() calls it without a context: one pattern at a time, in one thread. */
static char unlisted_folder[PATH_MAX];

static int note_unlisted(const char *path, int error)
{
    if (error == EACCES && unlisted_folder[0] == '\0')
        (void)snprintf(unlisted_folder, sizeof(unlisted_folder), "%s", path);
    return 0;
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
    if (!S_ISREG(info.st_mode)) { /* folders match "*" as well: they are passed over */
        files->others++;
        return;
    }
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

static void tell_none(struct files *files)
{
    AUTO(buf_fini) struct buf why = { 0 };
    char folder[PATH_MAX];
    struct stat info;

    fixed_folder(files->pattern, folder);
    bool is_there = stat(folder, &info) == 0;
    int error = is_there ? 0 : errno;
    if (error == EACCES || unlisted_folder[0] != '\0')
        (void)identity_explain(&files->identity,
                               unlisted_folder[0] != '\0' ? unlisted_folder : folder, &why);
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
        return;
    }
    (void)checklist_add(files->list, files->readable > 0 || files->unreadable == 0,
                        "input %s: %s: %lu of %lu files can be read%s", files->input,
                        files->pattern, files->readable, seen,
                        files->excluded > 0 ? ", others are excluded" : "");
    if (unlisted_folder[0] != '\0')
        (void)checklist_add(files->list, false, "input %s: the folder '%s' cannot be listed",
                            files->input, unlisted_folder);
}

static void check_pattern(struct files *files, const struct text_list *exclude)
{
    glob_t names = { 0 };

    unlisted_folder[0] = '\0';
    if (glob(files->pattern, GLOB_BRACE, note_unlisted, &names) == 0) {
        for (size_t i = 0; i < names.gl_pathc; i++) {
            if (patterns_excluding(exclude->items, exclude->count, names.gl_pathv[i]) != NULL)
                files->excluded++;
            else
                try_file(files, names.gl_pathv[i]);
        }
    }
    globfree(&names);
    tell_pattern(files);
}

void check_inputs(const struct settings *settings, struct checklist *list)
{
    struct files files = { .list = list };
    bool has_title = false;

    if (!identity_of(0, &files.identity))
        files.identity = (struct identity){ .uid = geteuid(), .gid = getegid() };
    for (size_t i = 0; i < settings->input_count; i++) {
        const struct settings_part *input = &settings->inputs[i];
        struct text_list paths, exclude;
        if (input->type->globs == NULL)
            continue;
        if (!has_title)
            checklist_title("Files of inputs");
        has_title = true;
        input->type->globs(input->config, &paths, &exclude);
        files.input = input->name;
        for (size_t k = 0; k < paths.count; k++) {
            files.pattern = paths.items[k];
            files.readable = files.unreadable = files.excluded = files.others = 0;
            check_pattern(&files, &exclude);
        }
    }
}
