/* SPDX-License-Identifier: Apache-2.0 */
/* files: libsystemd itself is asked to open each file alone, which is exactly what it does with it
 * among the others, and then tells of its error. That costs a tenth of a millisecond, so it is done
 * again only of files that have changed (those that are written) or were bad. A file is known by
 * its inode: all are on a file system or two, and one mistaken for another is told once less. */
#include "files.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <systemd/sd-id128.h>
#include <systemd/sd-journal.h>
#undef LOG_INFO /* of syslog.h, which that brings; ours is a level of base/log.h */

enum { TOLD_AT_ONCE = 4, YOUNG_S = 2 };

struct look {
    const struct journal_files *before;
    struct journal_files now;
    struct sink *sink;
    bool only_own;          /* of this machine */
    int64_t now_s, since_s; /* Unix */
    uint64_t told;
};

/* ---- the files of one folder ---- */

static const struct journal_bad *find_bad(const struct journal_files *files, uint64_t inode)
{
    for (size_t i = 0; i < files->kept; i++) {
        if (files->bad[i].inode == inode)
            return &files->bad[i];
    }
    return NULL;
}

/* 0, or why it cannot be read. One that is gone is none. */
static int try_file(const char *path)
{
    const char *paths[] = { path, NULL };
    sd_journal *journal = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return errno == ENOENT ? 0 : errno;
    (void)close(fd);
    int failed = sd_journal_open_files(&journal, paths, 0);
    sd_journal_close(journal);
    return failed < 0 && failed != -ENOENT ? -failed : 0;
}

static const char *reason(int error)
{
    switch (error) {
    case EBADMSG:
    case ENODATA:
        return "it is damaged";
    case EPROTONOSUPPORT:
        return "it is of a later version of systemd than this agent's libsystemd";
    default:
        return strerror(error);
    }
}

static void note_bad(struct look *look, const char *path, const struct stat *stat, int error)
{
    const struct journal_bad *before = find_bad(look->before, stat->st_ino);
    bool was_told = before != NULL && before->is_told;
    /* Whoever makes a file has not written its head yet, or not given its rights. */
    bool is_young = look->now_s >= stat->st_ctime && look->now_s - stat->st_ctime < YOUNG_S;

    look->now.refused += error == EACCES || error == EPERM;
    if (look->now.kept == JOURNAL_BAD_KEPT) {
        look->now.more++;
        return;
    }
    look->now.bad[look->now.kept++] = (struct journal_bad){ stat->st_ino, was_told || !is_young };
    if (was_told || is_young || ++look->told > TOLD_AT_ONCE)
        return;
    sink_tell(look->sink, LOG_WARN,
              "a file of the journal cannot be read, how many entries are missing is not known",
              path, reason(error));
}

static void look_at(struct look *look, const char *path, uint64_t inode)
{
    const struct journal_bad *before = find_bad(look->before, inode);
    struct stat stat;

    if (fstatat(AT_FDCWD, path, &stat, 0) != 0 || (before == NULL && stat.st_ctime < look->since_s))
        return;
    int error = try_file(path);
    if (error != 0)
        note_bad(look, path, &stat, error);
    else if (error == 0 && before != NULL && before->is_told)
        sink_tell(look->sink, LOG_INFO, "a file of the journal can be read", path, "");
}

static bool is_journal(const char *name)
{
    static const char *const ends[] = { ".journal", ".journal~" };
    size_t bytes = strlen(name);

    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        size_t end = strlen(ends[i]);
        if (bytes > end && strcmp(name + bytes - end, ends[i]) == 0)
            return true;
    }
    return false;
}

/* ---- folders ---- */

/* Those that are new and not named. */
static void tell_more(const struct look *look)
{
    uint64_t more = look->told > TOLD_AT_ONCE ? look->told - TOLD_AT_ONCE : 0;
    char text[64];

    if (look->now.more > look->before->more)
        more += look->now.more - look->before->more;
    (void)snprintf(text, sizeof(text), "there are %llu more", (unsigned long long)more);
    if (more > 0)
        sink_tell(look->sink, LOG_WARN, "not all files of the journal that cannot be read are told",
                  "journal", text);
}

static bool is_machine(const struct look *look, const char *name)
{
    sd_id128_t machine, own;

    return sd_id128_from_string(name, &machine) >= 0 &&
           (!look->only_own || (sd_id128_get_machine(&own) >= 0 && sd_id128_equal(own, machine)));
}

static void look_into(struct look *look, const char *folder, bool is_top)
{
    char path[PATH_MAX];
    struct stat stat;
    DIR *dir = opendir(folder);

    if (dir == NULL) {
        int error = errno;
        if (error != ENOENT && fstatat(AT_FDCWD, folder, &stat, 0) == 0)
            note_bad(look, folder, &stat, error);
        return;
    }
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] == '.' ||
            snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name) >= (int)sizeof(path))
            continue;
        if (is_journal(entry->d_name))
            look_at(look, path, entry->d_ino);
        else if (is_top && is_machine(look, entry->d_name))
            look_into(look, path, false);
    }
    (void)closedir(dir);
}

static void look_below(struct look *look, const char *root, const char *folder)
{
    char path[PATH_MAX];

    if (snprintf(path, sizeof(path), "%s%s", root, folder) < (int)sizeof(path))
        look_into(look, path, true);
}

void journal_files_look(struct journal_files *files, const struct journald_config *config,
                        int64_t now_s, struct sink *sink)
{
    bool tries_all = files->more > 0 || files->looked_s > now_s;
    struct look look = { .before = files,
                         .sink = sink,
                         .only_own = config->root_path[0] == '\0' && config->directory[0] == '\0',
                         .now_s = now_s,
                         .now.looked_s = now_s,
                         .since_s = tries_all ? 0 : files->looked_s - YOUNG_S };

    if (config->directory[0] != '\0') {
        look_below(&look, config->directory, "");
    } else {
        look_below(&look, config->root_path, "/var/log/journal");
        look_below(&look, config->root_path, "/run/log/journal");
    }
    tell_more(&look);
    sink_set(sink, SINK_JOURNAL_FILES_UNREADABLE, look.now.kept + look.now.more);
    *files = look.now;
}
