/* SPDX-License-Identifier: Apache-2.0 */
#include "base/kept_counts.h"

#include "base/auto.h"
#include "base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const char magic[16] = "spillway-kept 1";

struct row {
    struct kept_key key; /* zeros: free */
    atomic_uint_fast64_t count;
};

struct image {
    char magic[sizeof(magic)];
    struct row rows[KEPT_COUNTS];
};

struct kept_counts {
    int fd; /* holds the file's lock */
    struct image *image;
    struct lock lock;
    bool has_user[KEPT_COUNTS]; /* under lock, as the keys are */
};

/* All of it has a place before it is mapped: there is no room later is a SIGBUS. */
static bool allocate(int fd, const char *path, struct err *err)
{
    struct stat stat;

    if (fstat(fd, &stat) != 0 || !S_ISREG(stat.st_mode))
        return err_set(err, "'%s' is no file", path);
    int failed = posix_fallocate(fd, 0, (off_t)sizeof(struct image));
    return failed == 0 || err_set(err, "no room for '%s': %s", path, strerror(failed));
}

struct kept_counts *kept_counts_open(const char *path, struct err *err)
{
    AUTO(kept_counts_free) struct kept_counts *counts = calloc(1, sizeof(*counts));

    if (counts == NULL) {
        (void)err_set(err, "out of memory");
        return NULL;
    }
    counts->fd = -1;
    lock_init(&counts->lock, "kept counts");
    counts->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (counts->fd < 0 || flock(counts->fd, LOCK_EX | LOCK_NB) != 0) {
        bool is_taken = counts->fd >= 0 && errno == EWOULDBLOCK;
        (void)err_set(err, "cannot open '%s': %s", path,
                      is_taken ? "another process has it" : strerror(errno));
        return NULL;
    }
    if (!allocate(counts->fd, path, err))
        return NULL;
    void *image =
        mmap(NULL, sizeof(struct image), PROT_READ | PROT_WRITE, MAP_SHARED, counts->fd, 0);
    if (image == MAP_FAILED) {
        (void)err_set(err, "cannot map '%s': %s", path, strerror(errno));
        return NULL;
    }
    counts->image = image;
    if (memcmp(counts->image->magic, magic, sizeof(magic)) != 0) {
        memset(image, 0, sizeof(struct image));
        memcpy(counts->image->magic, magic, sizeof(magic));
    }
    struct kept_counts *opened = counts;
    counts = NULL;
    return opened;
}

void kept_counts_free(struct kept_counts **countsp)
{
    struct kept_counts *counts = *countsp;

    *countsp = NULL;
    if (counts == NULL)
        return;
    if (counts->image != NULL)
        (void)munmap(counts->image, sizeof(struct image));
    auto_close(&counts->fd);
    lock_fini(&counts->lock);
    free(counts);
}

static bool is_lower(struct kept_key a, struct kept_key b)
{
    return a.high < b.high || (a.high == b.high && a.low < b.low);
}

/* The row of that key, else the one that it may have; KEPT_COUNTS: none. */
static size_t find_row(const struct kept_counts *counts, struct kept_key key, bool *ret_is_new)
{
    const struct row *rows = counts->image->rows;
    size_t best = KEPT_COUNTS;

    for (size_t i = 0; i < KEPT_COUNTS; i++) {
        if (rows[i].key.high == key.high && rows[i].key.low == key.low) {
            *ret_is_new = false;
            return i;
        }
        if (!counts->has_user[i] && (best == KEPT_COUNTS || is_lower(rows[i].key, rows[best].key)))
            best = i;
    }
    *ret_is_new = true;
    return best;
}

atomic_uint_fast64_t *kept_counts_find(struct kept_counts *counts, struct kept_key key,
                                       bool *ret_is_new)
{
    atomic_uint_fast64_t *found = NULL;

    lock_take(&counts->lock);
    size_t row = find_row(counts, key, ret_is_new);
    if (row < KEPT_COUNTS) {
        counts->has_user[row] = true;
        if (*ret_is_new) {
            atomic_store(&counts->image->rows[row].count, 0);
            counts->image->rows[row].key = key;
        }
        found = &counts->image->rows[row].count;
    }
    lock_drop(&counts->lock);
    return found;
}
