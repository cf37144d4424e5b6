/* SPDX-License-Identifier: Apache-2.0 */
/* log: a line is built on the stack and leaves in one write(2) or one datagram, so lines of threads
 * never mix. The limits are asked and paid under the mutex, nothing is written under it. */
#include "base/log.h"

#include "base/clock.h"
#include "base/log_limit.h"
#include "base/log_line.h"
#include "base/log_ring.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { MARK_BYTES_MOST = 8 };

static _Atomic int out_fd = STDERR_FILENO;
static _Atomic int journal_fd = -1;
static struct sockaddr_un journal_address; /* constant once journal_fd is set */
static _Atomic int min_level = LOG_INFO;
static _Atomic int out_format = LOG_LOGFMT;
static _Atomic bool marks_priorities;

static pthread_mutex_t limit_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct log_limit limit;

/* ---- limits ---- */

static bool ask(struct log_ask *ask)
{
    (void)pthread_mutex_lock(&limit_mutex);
    bool may = log_limit_ask(&limit, ask, clock_now_ms());
    (void)pthread_mutex_unlock(&limit_mutex);
    return may;
}

/* Another kind may have taken the place of this one meanwhile: then the count is told with that. */
static bool pay(const struct log_ask *ask, size_t bytes)
{
    (void)pthread_mutex_lock(&limit_mutex);
    bool may = log_limit_pay(&limit, ask, bytes, clock_now_ms());
    (void)pthread_mutex_unlock(&limit_mutex);
    return may;
}

static void give_up(const struct log_ask *ask)
{
    (void)pthread_mutex_lock(&limit_mutex);
    log_limit_give_up(&limit, ask);
    (void)pthread_mutex_unlock(&limit_mutex);
}

static struct slice find_text(const struct log_field *fields, const char *key)
{
    for (const struct log_field *field = fields; field->kind != LOG_END; field++) {
        if (field->kind == LOG_TEXT && strcmp(field->key, key) == 0)
            return field->text;
    }
    return SLICE("");
}

/* ---- writing ---- */

static void write_out(const struct log_line *line, enum log_level level)
{
    char marked[MARK_BYTES_MOST + LOG_LINE_BYTES];
    int fd = atomic_load_explicit(&out_fd, memory_order_relaxed);

    if (!atomic_load_explicit(&marks_priorities, memory_order_relaxed)) {
        (void)!write(fd, line->data, line->bytes);
        return;
    }
    size_t bytes = (size_t)snprintf(marked, MARK_BYTES_MOST, "<%d>", log_priority(level));
    memcpy(marked + bytes, line->data, line->bytes);
    (void)!write(fd, marked, bytes + line->bytes);
}

/* false: it is busy. */
static bool send_journal(int fd, const struct log_line *line, enum log_level level, const char *msg,
                         const struct log_field *fields)
{
    struct log_datagram datagram;
    struct slice text = { line->data, line->bytes - 1 };

    log_line_datagram(&datagram, text, level, msg, fields);
    if (sendto(fd, datagram.data, datagram.bytes, MSG_NOSIGNAL | MSG_DONTWAIT,
               (const struct sockaddr *)&journal_address, sizeof(journal_address)) >= 0)
        return true;
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS)
        return false;
    write_out(line, level);
    return true;
}

/* What the ring keeps is logfmt without time and level, whatever the format, and without what may
 * quote events: the status page shows it. */
static void keep_news(int64_t real_ns, enum log_level level, const char *msg,
                      const struct log_field *fields, const struct log_ask *ask)
{
    static const struct log_field none[] = { { 0 } };
    struct log_line line;

    log_line_begin(&line, LOG_LOGFMT, 0, level, msg, none);
    for (const struct log_field *field = fields; field->kind != LOG_END; field++) {
        if (!field->is_foreign)
            log_line_add(&line, LOG_LOGFMT, field);
    }
    if (ask->held_back > 0)
        log_line_add(&line, LOG_LOGFMT, &LU("held_back", ask->held_back));
    size_t skip = sizeof("level= ") - 1 + strlen(log_level_names[level]);
    log_ring_put(real_ns, level, (struct slice){ line.data + skip, line.bytes - skip });
}

static bool write_line(const struct log_ask *ask, const struct log_field *fields)
{
    enum log_format format =
        (enum log_format)atomic_load_explicit(&out_format, memory_order_relaxed);
    int journal = atomic_load(&journal_fd);
    int64_t real_ns = clock_real_ns();
    struct log_line line;

    log_line_begin(&line, format, journal < 0 ? real_ns : 0, ask->level, ask->msg, fields);
    if (ask->held_back > 0)
        log_line_add(&line, format, &LU("held_back", ask->held_back));
    log_line_end(&line, format);
    if (!pay(ask, line.bytes))
        return false;
    if (ask->purse != LOG_REPORT)
        keep_news(real_ns, ask->level, ask->msg, fields, ask);
    if (journal < 0) {
        write_out(&line, ask->level);
    } else if (!send_journal(journal, &line, ask->level, ask->msg, fields)) {
        give_up(ask);
        return false;
    }
    return true;
}

bool log_write(enum log_purse purse, enum log_level level, const char *msg,
               const struct log_field *fields)
{
    struct log_ask asked = { .purse = purse,
                             .level = level,
                             .msg = msg,
                             .input = find_text(fields, "input"),
                             .output = find_text(fields, "output") };

    if ((int)level < atomic_load_explicit(&min_level, memory_order_relaxed))
        return true;
    return ask(&asked) && write_line(&asked, fields);
}

/* ---- what was held back ---- */

static bool take_untold(struct log_kind *ret)
{
    (void)pthread_mutex_lock(&limit_mutex);
    struct log_kind *kind = log_limit_untold(&limit, clock_now_ms());
    if (kind != NULL) {
        *ret = *kind;
        kind->held_back = 0;
    }
    (void)pthread_mutex_unlock(&limit_mutex);
    return kind != NULL;
}

static void put_back(const struct log_kind *kind)
{
    (void)pthread_mutex_lock(&limit_mutex);
    limit.others.held_back += kind->held_back;
    limit.others.level = kind->level;
    (void)pthread_mutex_unlock(&limit_mutex);
}

void log_tell_held_back(void)
{
    struct log_kind kind;

    while (take_untold(&kind)) {
        const char *of = kind.msg[0] != '\0' ? kind.msg : "other lines";
        struct log_field fields[] = {
            LS("of", of), LU("held_back", kind.held_back), { 0 }, { 0 }, { 0 }
        };
        size_t count = 2;
        if (kind.input[0] != '\0')
            fields[count++] = LS("input", kind.input);
        if (kind.output[0] != '\0')
            fields[count++] = LS("output", kind.output);
        if (log_write(LOG_KEPT, kind.level, "lines held back", fields))
            continue;
        put_back(&kind);
        return;
    }
}

uint64_t log_end(void)
{
    (void)pthread_mutex_lock(&limit_mutex);
    uint64_t untold = log_limit_take_untold(&limit);
    (void)pthread_mutex_unlock(&limit_mutex);
    if (untold > 0)
        LOG_AS(LOG_ALWAYS, LOG_WARN, "lines held back", LS("of", "all kinds"),
               LU("held_back", untold));
    return log_held_back();
}

uint64_t log_held_back(void)
{
    (void)pthread_mutex_lock(&limit_mutex);
    uint64_t held_back = limit.held_back;
    (void)pthread_mutex_unlock(&limit_mutex);
    return held_back;
}

/* ---- settings ---- */

void log_set_level(enum log_level level)
{
    atomic_store(&min_level, (int)level);
}

void log_set_format(enum log_format format)
{
    atomic_store(&out_format, (int)format);
}

static void swap_journal(int fd)
{
    int before = atomic_exchange(&journal_fd, fd);

    if (before >= 0)
        (void)close(before);
}

void log_set_fd(int fd)
{
    swap_journal(-1);
    atomic_store(&out_fd, fd);
    (void)pthread_mutex_lock(&limit_mutex);
    limit = (struct log_limit){ .count = 0 };
    (void)pthread_mutex_unlock(&limit_mutex);
}

void log_mark_priorities(void)
{
    const char *stream = getenv("JOURNAL_STREAM"); /* its device and inode: "8:1234" */
    struct stat info;
    char own[64];

    if (stream == NULL || fstat(atomic_load(&out_fd), &info) != 0)
        return;
    (void)snprintf(own, sizeof(own), "%llu:%llu", (unsigned long long)info.st_dev,
                   (unsigned long long)info.st_ino);
    atomic_store(&marks_priorities, strcmp(own, stream) == 0);
}

bool log_use_journal(const char *path, struct err *err)
{
    struct stat info;

    journal_address = (struct sockaddr_un){ .sun_family = AF_UNIX };
    if (snprintf(journal_address.sun_path, sizeof(journal_address.sun_path), "%s", path) >=
        (int)sizeof(journal_address.sun_path))
        return err_set(err, "the path of the journal's socket is too long");
    if (stat(path, &info) != 0 || !S_ISSOCK(info.st_mode))
        return err_set(err, "there is no socket '%s'", path);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_set(err, "cannot make a socket: %s", strerror(errno));
    swap_journal(fd);
    return true;
}
