/* SPDX-License-Identifier: Apache-2.0 */
/* watch: each file has a watch of its own, since that stays with the inode over a rename. Folders
 * are looked at all together, so their watches need no table: two sorted lists are enough to see
 * which ones have left. An event that belongs to no file comes from a folder. */
#include "watch.h"

#include <limits.h>
#include <sys/inotify.h>

enum {
    NEWS_BYTES = 16 * 1024,
    FIRST_FOLDERS = 16,
    READS_AT_ONCE = 16,
    EVENT_BYTES = sizeof(struct inotify_event) + NAME_MAX + 1 /* at most */
};
static const uint32_t FOLDER_EVENTS = IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE |
                                      IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR |
                                      IN_EXCL_UNLINK;
static const uint32_t NAME_EVENTS =
    IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF;

/* false: it is about this one path, which is gone or not ours to read; the rescan looks again. */
static bool note_failure(struct tail_watch *watch, int error)
{
    if (error == ENOSPC)
        watch->reason = "fs.inotify.max_user_watches is used up";
    else if (error == EMFILE)
        watch->reason = "fs.inotify.max_user_instances or the limit of open files is used up";
    else if (error == ENOMEM || error == ENFILE)
        watch->reason = strerror(error);
    else
        return false;
    return true;
}

void tail_watch_open(struct tail_watch *watch)
{
    *watch = (struct tail_watch){ .fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC) };
    if (watch->fd < 0) {
        watch->reason = strerror(errno);
        (void)note_failure(watch, errno);
    }
}

void tail_watch_close(struct tail_watch *watch)
{
    if (watch->fd >= 0)
        (void)close(watch->fd);
    free(watch->folders);
    free(watch->folders_before);
    *watch = (struct tail_watch){ .fd = -1 };
}

/* ---- folders ---- */

void tail_watch_begin(struct tail_watch *watch)
{
    watch->folder_count = 0;
    watch->is_listing_cut = false;
    watch->folders_refused = 0;
    if (watch->fd >= 0)
        watch->reason = NULL;
}

/* Both lists have the same room, so that they can change places. */
static bool make_room(struct tail_watch *watch)
{
    size_t room = watch->folder_room == 0 ? FIRST_FOLDERS : watch->folder_room * 2;

    if (watch->folder_count < watch->folder_room)
        return true;
    int *longer = realloc(watch->folders, room * sizeof(int));
    watch->folders = longer == NULL ? watch->folders : longer;
    int *before = longer == NULL ? NULL : realloc(watch->folders_before, room * sizeof(int));
    watch->folders_before = before == NULL ? watch->folders_before : before;
    if (longer == NULL || before == NULL)
        return false;
    watch->folder_room = room;
    return true;
}

void tail_watch_folder(struct tail_watch *watch, const char *path)
{
    int folder = watch->fd < 0 ? -1 : inotify_add_watch(watch->fd, path, FOLDER_EVENTS);

    if (folder < 0) {
        if (watch->fd < 0 || note_failure(watch, errno))
            watch->folders_refused++;
    } else if (make_room(watch)) {
        watch->folders[watch->folder_count++] = folder;
    } else {
        watch->is_listing_cut = true;
    }
}

static int order(const void *a, const void *b)
{
    int left = *(const int *)a, right = *(const int *)b;
    return (left > right) - (left < right);
}

void tail_watch_end(struct tail_watch *watch)
{
    int *now = watch->folders;

    if (watch->folder_count > 0)
        qsort(now, watch->folder_count, sizeof(*now), order);
    for (size_t i = 0, at = 0; i < watch->folders_before_count && !watch->is_listing_cut; i++) {
        int before = watch->folders_before[i];
        while (at < watch->folder_count && now[at] < before)
            at++;
        if (at == watch->folder_count || now[at] != before)
            (void)inotify_rm_watch(watch->fd, before); /* fails if it is gone already */
    }
    watch->folders = watch->folders_before;
    watch->folders_before = now;
    watch->folders_before_count = watch->folder_count;
}

/* ---- files ---- */

int tail_watch_file(struct tail_watch *watch, int fd, const char *path)
{
    char by_fd[32];

    if (watch->fd < 0)
        return -1;
    (void)snprintf(by_fd, sizeof(by_fd), "/proc/self/fd/%d",
                   fd); /* the path may be another file by now */
    int file_watch = inotify_add_watch(watch->fd, by_fd, IN_MODIFY);
    if (file_watch < 0 && errno == ENOENT)
        file_watch = inotify_add_watch(watch->fd, path, IN_MODIFY);
    if (file_watch < 0)
        (void)note_failure(watch, errno);
    return file_watch;
}

void tail_watch_drop(struct tail_watch *watch, int file_watch)
{
    if (watch->fd >= 0 && file_watch >= 0)
        (void)inotify_rm_watch(watch->fd, file_watch); /* fails if the file is gone already */
}

static void take_one(struct tail_news *news, const struct inotify_event *event)
{
    if (event->mask & IN_Q_OVERFLOW)
        news->folders = true;
    else if (event->mask & NAME_EVENTS)
        news->folders |= (event->mask & IN_ISDIR) != 0 || event->len == 0 ||
                         news->is_ours(news->context, event->name);
    else if (event->mask & IN_ATTRIB)
        news->rights = true;
    else if (event->mask & IN_MODIFY)
        news->file(news->context, event->wd);
}

void tail_watch_read(struct tail_watch *watch, struct tail_news *news)
{
    _Alignas(struct inotify_event) char events[NEWS_BYTES];

    ssize_t bytes = NEWS_BYTES;

    /* A read that had room for one more event has taken all there were. */
    for (int reads = 0; watch->fd >= 0 && reads < READS_AT_ONCE && bytes > NEWS_BYTES - EVENT_BYTES;
         reads++) {
        bytes = read(watch->fd, events, sizeof(events));
        for (ssize_t at = 0; at < bytes;) {
            const struct inotify_event *event = (const struct inotify_event *)(events + at);
            take_one(news, event);
            at += (ssize_t)(sizeof(*event) + event->len);
        }
    }
}
