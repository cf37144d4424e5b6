/* SPDX-License-Identifier: Apache-2.0 */
/* books_holder: reads of /proc what the kernel knows of the one who counts. */
#include "ledger/books_holder.h"

#include "base/auto.h"
#include "base/file.h"

#include <stdio.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum {
    STARTS_WITHIN_MS = 60000, /* books are made soon after the process */
    TICK_SLACK_MS = 20,       /* its start is told in ticks */
    STAT_BYTES = 2048
};

/* The owner of the write lock (flock) on that file; 0: nobody that can be seen from here. */
static int64_t find_lock(const struct stat *info)
{
    AUTO(auto_fclose) FILE *locks = fopen("/proc/locks", "re");
    char line[256];

    while (locks != NULL && fgets(line, sizeof(line), locks) != NULL) {
        unsigned major, minor;
        unsigned long inode;
        long pid;
        if (sscanf(line, "%*d: FLOCK %*31s WRITE %ld %x:%x:%lu", &pid, &major, &minor, &inode) ==
                4 &&
            major == major(info->st_dev) && minor == minor(info->st_dev) && inode == info->st_ino)
            return pid;
    }
    return 0;
}

/* false: there is no such process. */
static bool look_at_process(int64_t pid, char *ret_state, int64_t *ret_started_ms)
{
    struct buf text = { .limit = STAT_BYTES };
    char path[64], state;
    unsigned long long ticks;
    struct err unused;

    (void)snprintf(path, sizeof(path), "/proc/%lld/stat", (long long)pid);
    bool is_there = pid > 0 && file_read(path, &text, &unused);
    /* The name of the program is in parentheses and may hold some of its own. */
    const char *end = is_there ? strrchr(text.data, ')') : NULL;
    is_there = end != NULL && sscanf(end + 1,
                                     " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
                                     "%*s %*s %*s %*s %llu",
                                     &state, &ticks) == 2;
    buf_fini(&text);
    if (!is_there)
        return false;
    *ret_state = state;
    *ret_started_ms = (int64_t)(ticks * 1000 / (unsigned long long)sysconf(_SC_CLK_TCK));
    return true;
}

bool books_holder_is_of_this_boot(const struct books_header *header)
{
    struct buf text = { .limit = 64 };
    struct err unused;

    bool is_same = header->boot_id[0] != '\0' &&
                   file_read("/proc/sys/kernel/random/boot_id", &text, &unused) &&
                   strncmp(text.data, header->boot_id, strlen(header->boot_id)) == 0;
    buf_fini(&text);
    return is_same;
}

enum holder_state books_holder(const struct books_header *header, const struct stat *info,
                               int64_t *ret_pid, bool *ret_is_locked)
{
    int64_t pid = find_lock(info);
    bool is_closed = atomic_load(&header->state) == BOOKS_CLOSED;
    bool is_running = pid != 0;
    int64_t started_ms = 0;
    char state = '?';

    *ret_is_locked = is_running;
    *ret_pid = is_running ? pid : header->pid;
    bool is_there = look_at_process(*ret_pid, &state, &started_ms);
    if (!is_running) {
        int64_t before_ms = header->started_boot_ms - started_ms;
        is_running = !is_closed && is_there && books_holder_is_of_this_boot(header) &&
                     before_ms >= -TICK_SLACK_MS && before_ms <= STARTS_WITHIN_MS;
    }
    if (!is_running)
        return is_closed ? HOLDER_ENDED : HOLDER_GONE;
    return state == 'T' || state == 't' ? HOLDER_STOPPED : HOLDER_RUNNING;
}
