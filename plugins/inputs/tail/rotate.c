/* SPDX-License-Identifier: Apache-2.0 */
/* rotate: files that have left their path. They are looked for by identity among all files of the
 * folder, whatever their names, since rotation renames them out of the glob. */
#include "state.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>

enum { SAME_PATH_MAX = 256 }; /* files of one path that are kept in order */
enum { LINKS_MAX = 8 };       /* one behind the other */
static const int64_t STAMP_SLACK_NS =
    20 * NS_PER_MS; /* the kernel stamps files with a coarse clock */

int tail_visit_folder_of(const char *path, tail_visit_fn *visit, void *context)
{
    const char *slash = strrchr(path, '/');
    size_t bytes = slash == NULL ? 0 : (size_t)(slash + 1 - path);
    char name[PATH_MAX];
    bool going = bytes < sizeof(name);

    if (!going)
        return ENAMETOOLONG;
    memcpy(name, path, bytes);
    name[bytes] = '\0';
    DIR *folder = opendir(bytes == 0 ? "." : name);
    int error = folder == NULL ? errno : 0;
    while (folder != NULL && going) {
        errno = 0;
        const struct dirent *entry = readdir(folder);
        if (entry == NULL) {
            error = errno;
            break;
        }
        if (entry->d_type != DT_REG && entry->d_type != DT_UNKNOWN)
            continue;
        if (strlen(entry->d_name) >= sizeof(name) - bytes)
            continue;
        strcpy(name + bytes, entry->d_name);
        going = visit(context, name, entry->d_name);
    }
    if (folder != NULL)
        (void)closedir(folder);
    return error;
}

int tail_open_same(const char *path, const struct tail_identity *identity)
{
    struct tail_stat stat;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return -1;
    if (tail_stat_fd(fd, &stat) && stat.is_regular && tail_identity_same(&stat.identity, identity))
        return fd;
    (void)close(fd);
    errno = ESTALE;
    return -1;
}

/* Where the file at a path really lies: rotation happens there, and not beside a link to it, as
 * Kubernetes makes them. Also of a link whose file is just being replaced. */
static const char *follow_links(const char *path, char ret[PATH_MAX])
{
    char target[PATH_MAX];

    if (strlen(path) >= PATH_MAX)
        return path;
    strcpy(ret, path);
    for (int i = 0; i < LINKS_MAX; i++) {
        ssize_t bytes = readlink(ret, target, sizeof(target) - 1);
        if (bytes <= 0)
            break;
        target[bytes] = '\0';
        char *slash = strrchr(ret, '/'), *name = ret;
        if (target[0] != '/' && slash != NULL)
            name = slash + 1;
        if ((size_t)(name - ret) + (size_t)bytes >= PATH_MAX)
            break;
        strcpy(name, target);
    }
    return ret;
}

struct search {
    const struct tail_file *file;
    int fd, error;
};

/* A device's number may be another one after a boot; inode and birth are enough within a folder,
 * and the cursor looks at the content afterwards. */
static bool is_searched(const struct tail_file *file, const struct tail_stat *stat)
{
    struct tail_identity identity = stat->identity;
    if (!file->loaded)
        identity.device = file->identity.device;
    return stat->is_regular && tail_identity_same(&identity, &file->identity);
}

static bool open_if_searched(void *context, const char *path, const char *name)
{
    struct search *search = context;
    struct tail_stat stat;

    (void)name;
    if (!tail_stat_path(path, &stat)) {
        search->error = errno == EACCES ? EACCES : search->error; /* it may be any of them */
        return true;
    }
    if (!is_searched(search->file, &stat))
        return true;
    search->fd = tail_open_same(path, &stat.identity);
    search->error = errno;
    return search->fd < 0 && search->error == ESTALE;
}

static void search_folder(struct search *search)
{
    char real[PATH_MAX];

    int error =
        tail_visit_folder_of(follow_links(search->file->path, real), open_if_searched, search);
    /* What cannot be listed may have it yet. */
    if (search->error == ENOENT && error != 0 && !tail_is_absence(error))
        search->error = error;
}

int tail_rotate_open(const struct tail_file *file)
{
    struct search search = { .file = file, .fd = -1, .error = ENOENT };

    if (file->other_path != NULL) {
        search.fd = tail_open_same(file->other_path, &file->identity);
        if (search.fd >= 0)
            return search.fd;
        search.error = errno == ESTALE || tail_is_absence(errno) ? ENOENT : errno;
    }
    search_folder(&search);
    if (search.fd < 0)
        errno = search.error;
    return search.fd;
}

/* "1", "20240131", "2024-01-31T10:00:00Z", "old": never letters, so compressed ones are not meant.
 */
static bool is_rotation_mark(const char *text, size_t bytes)
{
    static const char *const words[] = { "old", "bak", "prev" };
    bool has_digit = false;

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (bytes == strlen(words[i]) && memcmp(text, words[i], bytes) == 0)
            return true;
    }
    for (size_t i = 0; i < bytes; i++) {
        if (isdigit((unsigned char)text[i]))
            has_digit = true;
        else if (strchr("-_.:TZ", text[i]) == NULL)
            return false;
    }
    return has_digit;
}

/* The number of a mark, 0 if it is none: app.log.3 is older than app.log.2. */
static uint32_t rotation_number(const char *text)
{
    uint32_t number = 0;
    for (size_t i = 0; i < 6 && isdigit((unsigned char)text[i]); i++)
        number = number * 10 + (uint32_t)(text[i] - '0');
    return number;
}

/* Where the mark begins in a rotated name of app.log: app.log.1, app.log-20240131, app.1.log,
 * app-20240131.log. NULL: it is none. */
static const char *find_mark(const char *name, const char *base)
{
    size_t name_bytes = strlen(name), base_bytes = strlen(base);
    const char *dot = strrchr(base, '.');
    size_t stem = dot == NULL ? 0 : (size_t)(dot - base);

    if (name_bytes <= base_bytes + 1)
        return NULL;
    size_t mark_bytes = name_bytes - base_bytes - 1;
    const char *mark = name + base_bytes + 1;
    if (strncmp(name, base, base_bytes) == 0 && strchr(".-_~", mark[-1]) != NULL)
        return is_rotation_mark(mark, mark_bytes) ? mark : NULL;
    if (stem == 0 || strncmp(name, base, stem) != 0 || strchr(".-_", name[stem]) == NULL)
        return NULL;
    mark = name + stem + 1;
    return strcmp(mark + mark_bytes, dot) == 0 && is_rotation_mark(mark, mark_bytes) ? mark : NULL;
}

/* Which of two files of a path was begun earlier. The file at the path is the last in any case. */
static bool is_earlier(const struct tail_file *a, const struct tail_file *b)
{
    int64_t born_a = a->identity.born_ns, born_b = b->identity.born_ns;

    if (a->moved != b->moved)
        return a->moved;
    if (born_a != 0 && born_b != 0 && born_a != born_b)
        return born_a < born_b;
    if (a->modified_ns != b->modified_ns)
        return a->modified_ns < b->modified_ns;
    if (a->rotation != 0 && b->rotation != 0)
        return a->rotation > b->rotation;
    return a->ref.serial < b->ref.serial;
}

void tail_rotate_order(struct tail *tail, const char *path)
{
    struct tail_file *files[SAME_PATH_MAX], *file = NULL;
    size_t count = 0;

    while ((file = tail_table_by_path(&tail->table, path, file)) != NULL && count < SAME_PATH_MAX) {
        size_t at = count++;
        for (; at > 0 && is_earlier(file, files[at - 1]); at--)
            files[at] = files[at - 1];
        files[at] = file;
    }
    for (size_t i = 0; i < count; i++)
        files[i]->after = i == 0 ? (struct tail_ref){ 0 } : files[i - 1]->ref;
}

/* When a file was seen at its path, written and begun. */
struct times {
    int64_t home_ns, modified_ns, born_ns;
};

static struct times times_of(const struct tail_file *file)
{
    return (struct times){ file->home_ns, file->modified_ns, file->identity.born_ns };
}

struct missed {
    struct tail *tail;
    struct sink *sink;
    /* Of those known before and behind what may have been missed. Copies: in a full table the one
     * before may give way to what is found. */
    struct times last;
    int64_t newest_born_ns; /* 0: not known */
    bool is_last_look;      /* the next one asks for what comes after `newest` */
    const char *path, *base;
};

/* Was it begun after the other one had left its path? Copies of older files were not. */
static bool is_later(struct times file, const struct tail_stat *stat)
{
    int64_t since_ns = file.home_ns - STAMP_SLACK_NS;

    if (stat->identity.born_ns == 0)
        return stat->modified_ns >= since_ns && stat->modified_ns >= file.modified_ns;
    return stat->identity.born_ns >= since_ns && stat->identity.born_ns >= file.born_ns;
}

static bool is_between(const struct missed *missed, const struct tail_stat *stat)
{
    int64_t newest_ns = missed->newest_born_ns;
    return is_later(missed->last, stat) && (newest_ns == 0 || stat->identity.born_ns <= newest_ns);
}

static bool take_if_missed(void *context, const char *path, const char *name)
{
    struct missed *missed = context;
    struct tail *tail = missed->tail;
    const char *mark = find_mark(name, missed->base);
    struct tail_stat stat;

    if (mark == NULL || tail_scan_excludes(tail, path) || !tail_stat_path(path, &stat) ||
        !stat.is_regular || !is_between(missed, &stat) ||
        tail_scan_find(tail, missed->sink, &stat) != NULL)
        return true;
    struct tail_file *file = tail_file_add(tail, missed->sink, missed->path, &stat, false);
    if (file == NULL) {
        if (missed->is_last_look && !tail_scan_is_ours(tail, name)) /* nobody looks for it again */
            sink_lost(missed->sink, missed->path, 0, stat.size);
        return true;
    }
    file->is_new = false;
    file->rotation = rotation_number(mark);
    tail_file_move(tail, missed->sink, file);
    (void)tail_file_open(tail, missed->sink, file); /* while its name is known; else found again */
    return true;
}

/* The latest known file of a path, other than `but`. */
static struct tail_file *find_last(const struct tail *tail, const char *path,
                                   const struct tail_file *but)
{
    struct tail_file *file = NULL, *last = NULL;

    while ((file = tail_table_by_path(&tail->table, path, file)) != NULL) {
        if (file != but && (last == NULL || is_earlier(last, file)))
            last = file;
    }
    return last;
}

void tail_rotate_find_missed(struct tail *tail, struct sink *sink, const char *path,
                             const struct tail_file *newest)
{
    char buffer[PATH_MAX];
    const char *real = follow_links(path, buffer), *slash = strrchr(real, '/');
    struct missed missed = { .tail = tail,
                             .sink = sink,
                             .newest_born_ns = newest == NULL ? 0 : newest->identity.born_ns,
                             .is_last_look = newest != NULL,
                             .path = path,
                             .base = slash == NULL ? real : slash + 1 };

    const struct tail_file *last = find_last(tail, path, newest);
    if (last == NULL || (newest == NULL && !last->moved))
        return;
    missed.last = times_of(last);
    (void)tail_visit_folder_of(real, take_if_missed, &missed);
    tail_rotate_order(tail, path);
}

bool tail_rotate_is_rotated(const char *name, const char *path)
{
    const char *slash = strrchr(path, '/');
    return find_mark(name, slash == NULL ? path : slash + 1) != NULL;
}

/* Its path without the rotation's mark, from `cut` to `end`. */
static bool has_origin(const struct tail *tail, const struct tail_file *file, const char *cut,
                       const char *end, tail_origin_fn *is_origin, char *ret_path)
{
    if (!is_rotation_mark(cut + 1, (size_t)(end - cut - 1)) ||
        snprintf(ret_path, PATH_MAX, "%.*s%s", (int)(cut - file->path), file->path, end) >=
            PATH_MAX)
        return false;
    return is_origin(tail, file, ret_path);
}

bool tail_rotate_origin(const struct tail *tail, const struct tail_file *file,
                        tail_origin_fn *is_origin, char ret_path[PATH_MAX], uint32_t *ret_rotation)
{
    const char *slash = strrchr(file->path, '/');
    const char *base = slash == NULL ? file->path : slash + 1;
    const char *end = base + strlen(base), *dot = strrchr(base, '.');

    for (const char *cut = strpbrk(base, ".-_~"); cut != NULL; cut = strpbrk(cut + 1, ".-_~")) {
        if (cut > base && (has_origin(tail, file, cut, end, is_origin, ret_path) ||
                           (dot > cut && has_origin(tail, file, cut, dot, is_origin, ret_path)))) {
            *ret_rotation = rotation_number(cut + 1);
            return true;
        }
    }
    return false;
}

/* Has a file of that path been rotated away before this one was begun? */
static bool was_rotated_from(const struct tail *tail, const struct tail_file *file,
                             const char *path)
{
    struct tail_stat stat = { .identity = file->identity, .modified_ns = file->modified_ns };
    struct tail_file *older = NULL;

    while ((older = tail_table_by_path(&tail->table, path, older)) != NULL) {
        if (older->moved && !older->is_new && is_later(times_of(older), &stat))
            return true;
    }
    return false;
}

bool tail_rotate_adopt(struct tail *tail, struct sink *sink, struct tail_file *file)
{
    char path[PATH_MAX];

    if (!tail_rotate_origin(tail, file, was_rotated_from, path, &file->rotation) ||
        !tail_table_set_path(&tail->table, file, path))
        return false;
    tail_file_move(tail, sink, file);
    return true;
}
