/* SPDX-License-Identifier: Apache-2.0 */
/* books_folders: a state directory on the disk and a runtime directory on tmpfs, gone after the
 * test. */
#pragma once

#include "base/buf.h"
#include "base/file.h"
#include "folder.h"
#include "ledger/books_file.h"
#include "ledger/ledger.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct books_folders {
    char state[48], runtime[96];
};

static inline int make_folders(void **context)
{
    struct books_folders *folders = calloc(1, sizeof(*folders));
    assert_non_null(folders);
    (void)snprintf(folders->state, sizeof(folders->state), "/tmp/spillway-books-XXXXXX");
    (void)snprintf(folders->runtime, sizeof(folders->runtime), "/dev/shm/spillway-books-XXXXXX");
    assert_non_null(mkdtemp(folders->state));
    assert_non_null(mkdtemp(folders->runtime));
    *context = folders;
    return 0;
}

static inline int remove_folders(void **context)
{
    struct books_folders *folders = *context;
    (void)folder_remove(folders->state);
    (void)folder_remove(folders->runtime);
    free(folders);
    return 0;
}

static inline struct ledger *open_in(const struct books_folders *folders)
{
    struct ledger_config config = { .state_dir = folders->state, .runtime_dir = folders->runtime };
    struct err err = { "" };
    struct ledger *ledger = ledger_open(&config, &err);
    if (ledger == NULL)
        fail_msg("ledger_open: %s", err.text);
    return ledger;
}

/* Runs a start in a child that is then killed, as by kill -9. */
static inline void run_and_kill(const struct books_folders *folders,
                                void (*start)(struct ledger *ledger))
{
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        start(open_in(folders));
        (void)kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* The one file of live books in the runtime directory. */
static inline void find_live_file(const struct books_folders *folders, char ret_path[PATH_MAX])
{
    DIR *folder = opendir(folders->runtime);
    unsigned found = 0;
    assert_non_null(folder);
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(ret_path, PATH_MAX, "%s/%s", folders->runtime, entry->d_name);
        found++;
    }
    (void)closedir(folder);
    assert_int_equal(found, 1);
}

static inline void write_file(const char *path, const void *bytes, size_t count)
{
    struct err err = { "" };
    if (!file_replace(path, (struct slice){ bytes, count }, false, &err))
        fail_msg("%s", err.text);
}

/* The slot of a lane by name in a reader's view. */
static inline bool find_lane(const struct ledger *ledger, const char *input, const char *output,
                             struct lane_snapshot *ret)
{
    for (unsigned i = 0; i < ledger_lane_count(ledger); i++) {
        ledger_snapshot(ledger, i, ret);
        if (strcmp(ret->input, input) == 0 && strcmp(ret->output, output) == 0)
            return true;
    }
    return false;
}
