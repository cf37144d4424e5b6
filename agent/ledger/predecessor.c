/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/predecessor.h"

#include "base/auto.h"
#include "ledger/books_left.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>

enum finding { FOUND_NOTHING, FOUND_DAMAGED, FOUND_BOOKS };

struct candidate {
    enum finding finding;
    struct buf bytes;
    struct books_image image;
    struct err err;
};

static void load(struct candidate *ret, const char *path, bool is_saved)
{
    AUTO(auto_close)
    int fd = -1;

    *ret = (struct candidate){ .finding = FOUND_NOTHING };
    if (path[0] == '\0')
        return;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT)
        return;
    struct err why = { "" };
    bool ok =
        fd >= 0 ? books_file_read(fd, &ret->bytes, &why) : err_set(&why, "%s", strerror(errno));
    if (ok && books_image_open(&ret->image, buf_slice(&ret->bytes), is_saved, &why)) {
        ret->finding = FOUND_BOOKS;
        return;
    }
    ret->finding = FOUND_DAMAGED;
    (void)err_set(&ret->err, "cannot use '%s': %s", path, why.text);
    buf_fini(&ret->bytes);
}

/* The saved copy, or the one before it where that is damaged. */
static void load_saved(struct candidate *ret, const char *save_path)
{
    char previous[PATH_MAX];
    struct candidate older;

    load(ret, save_path, true);
    if (ret->finding == FOUND_BOOKS ||
        snprintf(previous, sizeof(previous), "%s.previous", save_path) >= (int)sizeof(previous))
        return;
    load(&older, previous, true);
    if (older.finding == FOUND_BOOKS) {
        if (ret->finding == FOUND_DAMAGED)
            older.err = ret->err;
        *ret = older;
    }
}

static bool is_of_boot(const struct candidate *books, const char *boot_id)
{
    return books->finding == FOUND_BOOKS && boot_id[0] != '\0' &&
           strcmp(books->image.header.boot_id, boot_id) == 0;
}

static bool was_closed(const struct candidate *books)
{
    return atomic_load(&books->image.header.state) == BOOKS_CLOSED;
}

/* A start whose books lay in anonymous memory leaves the live file of an earlier start behind: that
 * one was closed already. */
static bool is_later(const struct candidate *saved, const struct candidate *live,
                     const char *boot_id)
{
    return is_of_boot(saved, boot_id) &&
           saved->image.header.started_boot_ms > live->image.header.started_boot_ms;
}

static enum predecessor judge(const struct candidate *live, const struct candidate *saved,
                              const char *boot_id, const struct candidate **ret_chosen)
{
    if (is_of_boot(live, boot_id) && !is_later(saved, live, boot_id)) {
        *ret_chosen = live;
        return was_closed(live) ? PREDECESSOR_CLEAN : PREDECESSOR_EXACT;
    }
    if (saved->finding == FOUND_BOOKS && !was_closed(saved)) {
        *ret_chosen = saved;
        return PREDECESSOR_STALE;
    }
    if (saved->finding == FOUND_BOOKS) /* closed: it may have a spool to hand over */
        *ret_chosen = saved;
    if (live->finding == FOUND_DAMAGED || saved->finding == FOUND_DAMAGED)
        return PREDECESSOR_UNREADABLE;
    return saved->finding == FOUND_BOOKS ? PREDECESSOR_CLEAN : PREDECESSOR_NONE;
}

void predecessor_find(const char *live_path, const char *save_path, const char *boot_id,
                      struct predecessor_books *ret)
{
    struct candidate live, saved;
    const struct candidate *chosen = NULL;

    memset(ret, 0, sizeof(*ret));
    load(&live, live_path, false);
    load_saved(&saved, save_path);
    ret->kind = judge(&live, &saved, boot_id, &chosen);
    (void)snprintf(ret->note, sizeof(ret->note), "%s%s%s", live.err.text,
                   live.err.text[0] != '\0' && saved.err.text[0] != '\0' ? "; " : "",
                   saved.err.text);
    if (chosen == &live) {
        ret->bytes = live.bytes;
        live.bytes = (struct buf){ 0 };
    } else if (chosen == &saved) {
        ret->bytes = saved.bytes;
        saved.bytes = (struct buf){ 0 };
    }
    if (chosen != NULL)
        memcpy(&ret->image, &chosen->image, sizeof(ret->image));
    buf_fini(&live.bytes);
    buf_fini(&saved.bytes);
}

/* With nothing found, all of the stock of a spool would be closed as lost. */
bool predecessor_has_spooled(const struct predecessor_books *books, const char *output)
{
    struct books_left left;

    for (unsigned i = 0; i < atomic_load(&books->image.header.lanes_used); i++) {
        if (books_left_in(&books->image, i, &left) && strcmp(left.output, output) == 0 &&
            left.closing[FLOW_crash_spool].events > 0)
            return true;
    }
    return false;
}

void predecessor_fini(struct predecessor_books *books)
{
    buf_fini(&books->bytes);
}
