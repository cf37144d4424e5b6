/* SPDX-License-Identifier: Apache-2.0 */
/* proc: the buffer grows to what the file needs and stays, so a round allocates nothing. */
#include "proc.h"

#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <sys/resource.h>

enum { FIRST_ROOM = 4096, KEPT_LEAST_LIMIT = 4096, KEPT_PART = 4 };

void proc_file_init(struct proc_file *file)
{
    *file = (struct proc_file){ .fd = -1 };
}

static void close_file(struct proc_file *file)
{
    if (file->fd >= 0)
        (void)close(file->fd);
    file->fd = -1;
}

void proc_file_fini(struct proc_file *file)
{
    close_file(file);
    free(file->text);
    file->text = NULL;
}

static bool open_file(struct proc_file *file, const char *root, const char *path, struct err *err)
{
    char whole[PATH_MAX];

    if (file->fd >= 0)
        return true;
    if (snprintf(whole, sizeof(whole), "%s/%s", root, path) >= (int)sizeof(whole))
        return err_set(err, "the path of %s is too long", path);
    /* O_NONBLOCK: a FIFO in its place would hold the thread. */
    file->fd = open(whole, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    return file->fd >= 0 || err_set(err, "cannot open '%s': %s", whole, strerror(errno));
}

static bool grow(struct proc_file *file)
{
    size_t room = file->room == 0 ? FIRST_ROOM : file->room * 2;
    char *text = room > PROC_FILE_LARGEST ? NULL : realloc(file->text, room);

    if (text == NULL)
        return false;
    file->text = text;
    file->room = room;
    return true;
}

bool proc_file_read(struct proc_file *file, const char *root, const char *path,
                    struct slice *ret_text, struct err *err)
{
    size_t bytes = 0;

    if (!open_file(file, root, path, err))
        return false;
    for (;;) {
        if (bytes == file->room && !grow(file))
            return err_set(err, "%s is over 1 MiB, or memory ran out", path);
        ssize_t more = pread(file->fd, file->text + bytes, file->room - bytes, (off_t)bytes);
        if (more < 0 && errno == EINTR)
            continue;
        if (more < 0) {
            (void)err_set(err, "cannot read '%s/%s': %s", root, path, strerror(errno));
            close_file(file); /* perhaps the next one can */
            return false;
        }
        if (more == 0)
            break;
        bytes += (size_t)more;
    }
    *ret_text = (struct slice){ file->text, bytes };
    return true;
}

static int open_small(int folder, const char *name, const char *file)
{
    char path[PATH_MAX];

    if (snprintf(path, sizeof(path), "%s/%s", name, file) >= (int)sizeof(path))
        return -1;
    return openat(folder, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

static bool read_small(int fd, char *ret, size_t room, struct slice *ret_text)
{
    ssize_t bytes = fd < 0 ? -1 : pread(fd, ret, room, 0);

    *ret_text = (struct slice){ ret, bytes > 0 ? (size_t)bytes : 0 };
    return bytes > 0;
}

bool proc_read_small(int folder, const char *name, const char *file, char *ret, size_t room,
                     struct slice *ret_text)
{
    int fd = open_small(folder, name, file);
    bool has_text = read_small(fd, ret, room, ret_text);

    if (fd >= 0)
        (void)close(fd);
    return has_text;
}

bool proc_read_whole(int folder, const char *name, const char *file, char *ret, size_t room,
                     struct slice *ret_text)
{
    int fd = open_small(folder, name, file);
    size_t bytes = 0;
    ssize_t more = -1;

    while (fd >= 0 && bytes < room &&
           (more = pread(fd, ret + bytes, room - bytes, (off_t)bytes)) > 0)
        bytes += (size_t)more;
    if (fd >= 0)
        (void)close(fd);
    *ret_text = (struct slice){ ret, bytes };
    return more == 0 && bytes > 0;
}

/* Descriptors are given from the lowest on: a low one says that few are in use. Where the limit is
 * tight, all are for others: files to be read, connections. */
static bool may_keep(int fd)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur >= KEPT_LEAST_LIMIT &&
           (rlim_t)fd < limit.rlim_cur / KEPT_PART;
}

bool proc_read_kept(int *fd, int folder, const char *name, const char *file, char *ret, size_t room,
                    struct slice *ret_text)
{
    if (*fd >= 0 && read_small(*fd, ret, room, ret_text))
        return true;
    proc_close_kept(fd);
    *fd = open_small(folder, name, file);
    bool has_text = read_small(*fd, ret, room, ret_text);
    if (!has_text || !may_keep(*fd))
        proc_close_kept(fd);
    return has_text;
}

void proc_close_kept(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

bool proc_take_line(struct slice *text, struct slice *ret_line)
{
    if (text->bytes == 0)
        return false;
    const char *newline = memchr(text->data, '\n', text->bytes);
    size_t bytes = newline == NULL ? text->bytes : (size_t)(newline - text->data);
    size_t taken = newline == NULL ? bytes : bytes + 1;
    *ret_line = (struct slice){ text->data, bytes };
    *text = (struct slice){ text->data + taken, text->bytes - taken };
    return true;
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

bool proc_take_word(struct slice *line, struct slice *ret_word)
{
    size_t begin = 0;

    while (begin < line->bytes && is_blank(line->data[begin]))
        begin++;
    size_t end = begin;
    while (end < line->bytes && !is_blank(line->data[end]))
        end++;
    if (end == begin)
        return false;
    *ret_word = (struct slice){ line->data + begin, end - begin };
    *line = (struct slice){ line->data + end, line->bytes - end };
    return true;
}

bool proc_take_number(struct slice *line, uint64_t *ret)
{
    struct slice word;
    uint64_t number = 0;

    if (!proc_take_word(line, &word))
        return false;
    for (size_t i = 0; i < word.bytes; i++) {
        unsigned digit = (unsigned)(unsigned char)word.data[i] - '0';
        if (digit > 9 || __builtin_mul_overflow(number, UINT64_C(10), &number) ||
            __builtin_add_overflow(number, digit, &number))
            return false;
    }
    *ret = number;
    return true;
}

bool proc_take_numbers(struct slice *line, uint64_t *ret, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!proc_take_number(line, &ret[i]))
            return false;
    }
    return true;
}

/* Not strtod(), which would take the locale's point. */
bool proc_take_decimal(struct slice *line, double *ret)
{
    struct slice word;
    double number = 0, place = 0;

    if (!proc_take_word(line, &word))
        return false;
    for (size_t i = 0; i < word.bytes; i++) {
        char byte = word.data[i];
        if (byte == '.' && place == 0) {
            place = 1;
            continue;
        }
        if (byte < '0' || byte > '9')
            return false;
        place *= 10;
        number = number * 10 + (byte - '0');
    }
    *ret = place > 1 ? number / place : number;
    return isfinite(*ret);
}
