/* SPDX-License-Identifier: Apache-2.0 */
/* check_folders: what the agent writes. Nothing is created to find out: the kernel is asked whether
 * it would be allowed, of the folder or, where it will be made, of the one it will be made in. */
#include "cli/check_env.h"
#include "ledger/books_file.h"
#include "ledger/live_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { STATE_BYTES = 32 << 20 }; /* the saved books and checkpoints, each with its copy before */

struct wanted {
    const char *what, *folder;
    uint64_t bytes;    /* that it may come to hold */
    uint64_t min_free; /* that are to be left free beside it */
    uint64_t present;  /* that it holds already */
};

/* The folder itself, or the nearest one above it that is there. false: there is none. */
static bool find_present(const char *folder, char ret_present[PATH_MAX])
{
    if (snprintf(ret_present, PATH_MAX, "%s", folder) >= PATH_MAX)
        return false;
    for (;;) {
        struct stat info;
        if (stat(ret_present, &info) == 0)
            return true;
        if (errno != ENOENT)
            return false;
        char *slash = strrchr(ret_present, '/');
        if (slash == NULL)
            return snprintf(ret_present, PATH_MAX, ".") > 0;
        slash[slash == ret_present ? 1 : 0] = '\0';
    }
}

static bool is_folder(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* Of the files in it; the spool has no folders beneath it. */
static uint64_t bytes_in(const char *folder)
{
    DIR *entries = opendir(folder);
    uint64_t bytes = 0;

    if (entries == NULL)
        return 0;
    for (const struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
        struct stat info;
        if (fstatat(dirfd(entries), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(info.st_mode))
            bytes += (uint64_t)info.st_size;
    }
    (void)closedir(entries);
    return bytes;
}

static void check_room(const struct wanted *wanted, const char *present, bool is_new,
                       struct checklist *list)
{
    struct statvfs disk;
    char has[SIZE_TEXT_BYTES], needs[SIZE_TEXT_BYTES], least[SIZE_TEXT_BYTES];

    if (statvfs(present, &disk) != 0) {
        (void)checklist_add(list, false, "%s: %s: %s", wanted->what, wanted->folder,
                            strerror(errno));
        return;
    }
    uint64_t room = (uint64_t)disk.f_bavail * disk.f_frsize;
    uint64_t reachable = room + wanted->present;
    bool fits = reachable >= wanted->bytes + wanted->min_free;
    (void)schema_size_text(room, has);
    (void)schema_size_text(wanted->bytes, needs);
    (void)schema_size_text(wanted->min_free, least);
    (void)checklist_add(list, fits, "%s: %s %s, %s free, bound %s%s%s%s", wanted->what,
                        wanted->folder, is_new ? "can be made" : "can be written", has, needs,
                        wanted->min_free > 0 ? " and " : "", wanted->min_free > 0 ? least : "",
                        wanted->min_free > 0 ? " to be left free" : "");
}

/* ret_why: of a folder that cannot be used. */
static bool is_usable(const char *folder, char ret_present[PATH_MAX], bool *ret_is_new,
                      struct err *err)
{
    if (!find_present(folder, ret_present))
        return err_set(err, "%s", strerror(errno));
    *ret_is_new = strcmp(folder, ret_present) != 0;
    if (!is_folder(ret_present))
        return err_set(err, "'%s' is not a folder", ret_present);
    if (faccessat(AT_FDCWD, ret_present, W_OK | X_OK, AT_EACCESS) != 0)
        return err_set(err, "'%s' cannot be written: %s", ret_present, strerror(errno));
    return true;
}

static void check_folder(const struct wanted *wanted, struct checklist *list)
{
    char present[PATH_MAX];
    bool is_new = false;
    struct err err = { "" };

    if (is_usable(wanted->folder, present, &is_new, &err))
        check_room(wanted, present, is_new, list);
    else
        (void)checklist_add(list, false, "%s: %s: %s", wanted->what, wanted->folder, err.text);
}

/* The default one may be the system's: then the agent takes the user's own. */
static void check_runtime(const struct settings *settings, struct checklist *list)
{
    const char *folder = settings->agent.runtime_dir;
    bool is_default = settings_origin(settings, "agent.runtime_dir") == NULL;
    char present[PATH_MAX], own[PATH_MAX];
    struct wanted wanted = { "runtime_dir", folder, sizeof(struct books_file), 0, 0 };
    bool is_new = false;
    struct err err = { "" };

    if (is_default && !is_usable(folder, present, &is_new, &err)) {
        if (live_file_user_folder(0, geteuid(), own) && is_usable(own, present, &is_new, &err))
            wanted.folder = own;
    }
    check_folder(&wanted, list);
}

static void check_output(const struct settings *settings, const struct settings_part *part,
                         struct checklist *list)
{
    const struct output_options *output = &part->output;
    char what[128], folder[PATH_MAX];

    if (output->spool__max_bytes > 0) {
        (void)snprintf(what, sizeof(what), "output %s: spool", part->name);
        (void)settings_spool_folder(settings, part, folder);
        check_folder(&(struct wanted){ what, folder, output->spool__max_bytes,
                                       output->spool__min_free, bytes_in(folder) },
                     list);
    }
    if (output->dead_letter__path[0] != '\0') {
        struct stat info;
        (void)snprintf(what, sizeof(what), "output %s: dead letters", part->name);
        (void)snprintf(folder, sizeof(folder), "%s", output->dead_letter__path);
        char *slash = strrchr(folder, '/'); /* absolute: the settings check it */
        if (slash != NULL)
            slash[slash == folder ? 1 : 0] = '\0';
        uint64_t present = stat(output->dead_letter__path, &info) == 0 ? (uint64_t)info.st_size : 0;
        check_folder(&(struct wanted){ what, folder, output->dead_letter__max_bytes, 0, present },
                     list);
    }
}

void check_folders(const struct settings *settings, struct checklist *list)
{
    const char *state = settings->agent.state_dir;

    checklist_title("Folders");
    check_folder(&(struct wanted){ "state_dir", state, STATE_BYTES, 0, 0 }, list);
    check_runtime(settings, list);
    for (size_t i = 0; i < settings->output_count; i++)
        check_output(settings, &settings->outputs[i], list);
}
