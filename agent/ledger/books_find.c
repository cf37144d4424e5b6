/* SPDX-License-Identifier: Apache-2.0 */
/* books_find: live files first, in the folders where an agent of that state directory may have put
 * them; then the saved copy. What an agent counts in at this moment wins, then the latest start. */
#include "ledger/books_find.h"

#include "base/auto.h"
#include "ledger/books_holder.h"
#include "ledger/live_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

/* Appends to what else is to be said. */
static void add_note(char note[600], const char *text)
{
    size_t length = strlen(note);

    (void)snprintf(note + length, 600 - length, "%s%s", length > 0 ? "; " : "", text);
}

static int64_t written_at(const struct books_header *header, const struct stat *info)
{
    if (header->saved_real_ns != 0)
        return header->saved_real_ns;
    return info->st_mtim.tv_sec * INT64_C(1000000000) + info->st_mtim.tv_nsec;
}

/* false: there is no such file, or it cannot be used: then the note says why. */
static bool load(const char *path, enum books_kind kind, struct books_found *ret, char note[600])
{
    AUTO(auto_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct buf bytes = { 0 };
    struct err err = { "" }, shown;
    struct stat info = { 0 };

    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return false;
    memset(ret, 0, sizeof(*ret));
    if (fd < 0 || fstat(fd, &info) != 0)
        (void)err_set(&err, "%s", strerror(errno));
    else if (books_file_read(fd, &bytes, &err))
        ret->reader = books_reader_new(&bytes, &err);
    buf_fini(&bytes);
    if (ret->reader == NULL) {
        (void)err_set(&shown, "cannot use '%.200s': %.200s", path, err.text);
        add_note(note, shown.text);
        return false;
    }
    const struct books_header *header = &ret->reader->image.header;
    bool is_locked = false;
    ret->holder = books_holder(header, &info, &ret->pid, &is_locked);
    ret->kind = is_locked ? BOOKS_LIVE : kind;
    if (ret->kind == BOOKS_COPY && ret->holder == HOLDER_GONE &&
        !books_holder_is_of_this_boot(header))
        ret->holder = HOLDER_UNKNOWN; /* it may be of another host */
    if (ret->kind != BOOKS_LIVE)
        ret->written_real_ns = written_at(header, &info);
    (void)snprintf(ret->path, sizeof(ret->path), "%s", path);
    return true;
}

static bool is_running(const struct books_found *found)
{
    return found->holder == HOLDER_RUNNING || found->holder == HOLDER_STOPPED;
}

/* Of two live files one runs or is the later start; a saved copy must be of a later start. */
static bool is_better(const struct books_found *a, const struct books_found *b)
{
    int64_t a_ns = a->reader->image.header.started_real_ns;
    int64_t b_ns = b->reader->image.header.started_real_ns;

    if (a->kind == b->kind && is_running(a) != is_running(b))
        return is_running(a);
    return a_ns > b_ns;
}

/* Keeps the better one. */
static void offer(struct books_found *best, struct books_found *found)
{
    if (best->reader == NULL || is_better(found, best)) {
        books_found_fini(best);
        memcpy(best, found, sizeof(*best));
    } else {
        books_found_fini(found);
    }
}

static void try_live(const char *folder, const char *name, struct books_found *best, char note[600])
{
    char path[PATH_MAX];
    struct books_found found;

    if (snprintf(path, sizeof(path), "%s/%s", folder, name) < PATH_MAX &&
        load(path, BOOKS_LIVE, &found, note))
        offer(best, &found);
}

static void try_live_folders(const struct books_wanted *wanted, const char *state_dir,
                             struct books_found *best, char note[600])
{
    char name[NAME_MAX], folder[PATH_MAX];
    struct stat info;

    live_file_name(state_dir, name);
    if (wanted->runtime_dir != NULL) {
        try_live(wanted->runtime_dir, name, best, note);
        return;
    }
    try_live(wanted->default_runtime_dir, name, best, note);
    for (unsigned which = 0; which < LIVE_USER_FOLDERS; which++) {
        if (live_file_user_folder(which, geteuid(), folder))
            try_live(folder, name, best, note);
    }
    /* Root looks at the agent of a user. */
    if (stat(state_dir, &info) == 0 && info.st_uid != geteuid() &&
        live_file_user_folder(LIVE_USER_FOLDERS - 1, info.st_uid, folder))
        try_live(folder, name, best, note);
}

static void try_saved(const char *state_dir, struct books_found *best, char note[600])
{
    char path[PATH_MAX];
    struct books_found found;
    bool is_loaded = false;

    if (snprintf(path, sizeof(path), "%s/books.saved", state_dir) < PATH_MAX)
        is_loaded = load(path, BOOKS_SAVED, &found, note);
    if (!is_loaded && snprintf(path, sizeof(path), "%s/books.saved.previous", state_dir) < PATH_MAX)
        is_loaded = load(path, BOOKS_SAVED, &found, note);
    if (is_loaded)
        offer(best, &found);
}

/* The live file itself may be named, too: then its lock shows that an agent counts in it. */
static bool find_file(const char *path, struct books_found *ret, struct err *err)
{
    char note[600] = "";

    if (!load(path, BOOKS_COPY, ret, note))
        return err_set(err, "%s", note[0] != '\0' ? note : "there is no such file");
    return true;
}

bool books_find(const struct books_wanted *wanted, struct books_found *ret, struct err *err)
{
    struct books_found best = { 0 };
    char state_dir[PATH_MAX], note[600] = "";

    if (wanted->file != NULL)
        return find_file(wanted->file, ret, err);
    if (realpath(wanted->state_dir, state_dir) == NULL)
        (void)snprintf(state_dir, sizeof(state_dir), "%s", wanted->state_dir);
    try_live_folders(wanted, state_dir, &best, note);
    if (best.reader == NULL || !is_running(&best))
        try_saved(state_dir, &best, note);
    if (best.reader == NULL && note[0] != '\0')
        return err_set(err, "%s", note);
    if (best.reader == NULL)
        return err_set(err,
                       "no books of '%.150s': neither live ones in '%.150s' nor a saved copy. Is "
                       "that the agent's state_dir? Books in anonymous memory, as its start line "
                       "says, cannot be looked at: give it a runtime_dir on tmpfs",
                       state_dir,
                       wanted->runtime_dir != NULL ? wanted->runtime_dir
                                                   : wanted->default_runtime_dir);
    (void)snprintf(best.note, sizeof(best.note), "%s", note);
    memcpy(ret, &best, sizeof(best));
    return true;
}

void books_found_fini(struct books_found *found)
{
    books_reader_free(&found->reader);
}
