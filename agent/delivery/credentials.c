/* SPDX-License-Identifier: Apache-2.0 */
/* credentials: a set lies in memfds, which libcurl reads by a path like any other file. With a new
 * path go new connections: it compares paths before it uses one again, or its cached authorities.
 * So the old set is kept open until the next is there: no two in a row have the same path. */
#include "delivery/credentials.h"

#include "base/crc32c.h"
#include "base/file.h"

#include <sys/mman.h>

enum { CA_FILE, CERT_FILE, KEY_FILE, TLS_FILES, TOKEN_FILE = TLS_FILES, FILES };
enum { FILE_BYTES = 1 << 20, TOKEN_BYTES = 8 * 1024, PATH_BYTES = 40, LOOK_MS = 1000 };

struct set {
    unsigned number; /* 0: there is none */
    int fds[TLS_FILES];
    char paths[TLS_FILES][PATH_BYTES];
    uint32_t sums[TLS_FILES];
    size_t bytes[TLS_FILES];
};

struct credentials {
    struct set current, previous; /* previous: while current is on trial */
    bool is_on_trial;
    bool has_failed; /* current fails: what is on disk may be better, though it has not changed */
    unsigned numbers;
    int64_t next_look_ms;
    struct file_mark seen[FILES];
    struct buf token;
    bool is_token_unread; /* and that was told */
    enum credentials_news news;
    struct err why;
};

static void note_refusal(struct credentials *credentials, const char *why)
{
    credentials->news = CREDENTIALS_REFUSED;
    (void)err_set(&credentials->why, "%s", why);
}

/* ---- sets ---- */

static void drop_set(struct set *set)
{
    for (size_t i = 0; set->number != 0 && i < TLS_FILES; i++) {
        if (set->fds[i] >= 0)
            (void)close(set->fds[i]);
    }
    *set = (struct set){ .fds = { -1, -1, -1 } };
}

static bool keep_file(struct set *set, size_t file, struct slice text, struct err *err)
{
    int fd = memfd_create("credentials", MFD_CLOEXEC);

    if (fd < 0 || write(fd, text.data, text.bytes) != (ssize_t)text.bytes) {
        (void)err_set(err, "cannot keep a file in memory: %s", strerror(errno));
        if (fd >= 0)
            (void)close(fd);
        return false;
    }
    set->fds[file] = fd;
    set->bytes[file] = text.bytes;
    set->sums[file] = crc32c(0, text.data, text.bytes);
    (void)snprintf(set->paths[file], PATH_BYTES, "/proc/self/fd/%d", fd);
    return true;
}

static bool load_set(const char *const files[FILES], struct set *ret, struct err *err)
{
    struct set set = { .number = 1, .fds = { -1, -1, -1 } };
    struct buf text = { .limit = FILE_BYTES };
    bool ok = true;

    for (size_t i = 0; ok && i < TLS_FILES; i++) {
        if (files[i] == NULL || files[i][0] == '\0')
            continue;
        buf_clear(&text);
        ok = file_read(files[i], &text, err) && keep_file(&set, i, buf_slice(&text), err);
    }
    buf_fini(&text);
    if (!ok)
        drop_set(&set);
    *ret = set;
    return ok;
}

static bool is_same(const struct set *a, const struct set *b)
{
    return a->number != 0 && b->number != 0 && memcmp(a->sums, b->sums, sizeof(a->sums)) == 0 &&
           memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static void try_set(struct credentials *credentials, struct set *set)
{
    if (credentials->is_on_trial) {
        drop_set(&credentials->current);
    } else {
        drop_set(&credentials->previous);
        credentials->previous = credentials->current;
    }
    credentials->current = *set;
    credentials->current.number = ++credentials->numbers;
    credentials->is_on_trial = credentials->previous.number != 0;
}

/* ---- files ---- */

static bool look_at(struct credentials *credentials, size_t file, const char *path)
{
    return path != NULL && path[0] != '\0' && file_mark_look(&credentials->seen[file], path);
}

static void read_set(struct credentials *credentials, const char *const files[FILES])
{
    struct err err = { "" };
    struct set set;

    if (!load_set(files, &set, &err)) {
        note_refusal(credentials, err.text);
        return;
    }
    if (is_same(&set, &credentials->current))
        drop_set(&set);
    else
        try_set(credentials, &set);
}

static bool is_token(const struct buf *text)
{
    for (size_t i = 0; i < text->bytes; i++) {
        if ((unsigned char)text->data[i] <= ' ' || (unsigned char)text->data[i] >= 0x7f)
            return false;
    }
    return text->bytes > 0;
}

static void read_token(struct credentials *credentials, const char *path)
{
    struct buf text = { .limit = TOKEN_BYTES };
    struct err err = { "" };
    bool is_first = credentials->token.bytes == 0;

    bool was_read = file_read(path, &text, &err);
    if (!was_read) /* it may be readable the next time without having changed */
        credentials->seen[TOKEN_FILE] = (struct file_mark){ .device = 0 };
    while (was_read && text.bytes > 0 && strchr(" \t\r\n", text.data[text.bytes - 1]) != NULL)
        text.data[--text.bytes] = '\0';
    if (was_read && !is_token(&text))
        (void)err_set(&err, "'%s' is not a token: one word of printable characters", path);
    bool is_told = !was_read && credentials->is_token_unread;
    credentials->is_token_unread = !was_read;
    if (err.text[0] != '\0') {
        if (!is_told)
            note_refusal(credentials, err.text);
        buf_fini(&text);
        return;
    }
    buf_fini(&credentials->token);
    credentials->token = text;
    if (!is_first)
        credentials->news = CREDENTIALS_TAKEN;
}

static void look(struct credentials *credentials, const struct http_request *request)
{
    const char *const files[FILES] = { request->ca_file, request->cert_file, request->key_file,
                                       request->bearer_token_file };
    bool has_changed = false, has_tls = false;

    for (size_t i = 0; i < TLS_FILES; i++) {
        has_changed |= look_at(credentials, i, files[i]);
        has_tls |= files[i] != NULL && files[i][0] != '\0';
    }
    if (has_changed || (has_tls && credentials->has_failed))
        read_set(credentials, files);
    credentials->has_failed = false;
    if (look_at(credentials, TOKEN_FILE, files[TOKEN_FILE]))
        read_token(credentials, files[TOKEN_FILE]);
}

/* ---- exported ---- */

struct credentials *credentials_new(void)
{
    struct credentials *credentials = calloc(1, sizeof(*credentials));

    if (credentials == NULL)
        return NULL;
    drop_set(&credentials->current);
    drop_set(&credentials->previous);
    return credentials;
}

void credentials_free(struct credentials **credentialsp)
{
    struct credentials *credentials = *credentialsp;

    *credentialsp = NULL;
    if (credentials == NULL)
        return;
    drop_set(&credentials->current);
    drop_set(&credentials->previous);
    buf_fini(&credentials->token);
    free(credentials);
}

/* Without a set that could be read once, the files are named as they are: libcurl says what is
 * wrong. */
unsigned credentials_apply(struct credentials *credentials, struct http_request *request,
                           int64_t now_ms)
{
    const struct set *set = &credentials->current;

    if (now_ms >= credentials->next_look_ms) {
        look(credentials, request);
        credentials->next_look_ms = now_ms + LOOK_MS;
    }
    const char **const places[TLS_FILES] = { &request->ca_file, &request->cert_file,
                                             &request->key_file };
    for (size_t i = 0; set->number != 0 && i < TLS_FILES; i++) {
        if (set->fds[i] >= 0)
            *places[i] = set->paths[i];
    }
    if (credentials->token.bytes > 0)
        request->bearer_token = credentials->token.data;
    return set->number;
}

bool credentials_judge(struct credentials *credentials, unsigned set, enum credentials_use use)
{
    if (set == 0 || set != credentials->current.number || use == CREDENTIALS_UNTOLD)
        return false;
    if (!credentials->is_on_trial) {
        credentials->has_failed = use == CREDENTIALS_FAIL;
        return false;
    }
    credentials->is_on_trial = false;
    if (use == CREDENTIALS_WORK) {
        credentials->news = CREDENTIALS_TAKEN;
        return false;
    }
    struct set refused = credentials->current;
    credentials->current = credentials->previous;
    credentials->current.number = ++credentials->numbers;
    credentials->previous = (struct set){ .fds = { -1, -1, -1 } };
    drop_set(&refused);
    note_refusal(credentials, "the first request could not use them");
    return true;
}

enum credentials_news credentials_take_news(struct credentials *credentials, char *ret_why,
                                            size_t room)
{
    enum credentials_news news = credentials->news;

    (void)snprintf(ret_why, room, "%s", credentials->why.text);
    credentials->news = CREDENTIALS_SAME;
    return news;
}
