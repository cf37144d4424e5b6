/* SPDX-License-Identifier: Apache-2.0 */
#include "config/texts.h"

#include "base/file.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct texts_memory {
    glob_t names;
    struct buf texts[1 + TEXTS_MAX];
    struct config_text items[1 + TEXTS_MAX];
    size_t bytes; /* of all texts */
};

static bool read_text(struct texts *texts, const char *path, struct buf *ret_problems)
{
    struct texts_memory *memory = texts->memory;
    struct buf *text = &memory->texts[texts->count];
    struct err err;

    text->limit = TEXTS_BYTES_MAX - memory->bytes;
    if (text->limit == 0) {
        (void)buf_printf(ret_problems,
                         "%s: the files before it have %d bytes already, a "
                         "configuration may have no more\n",
                         path, TEXTS_BYTES_MAX);
        return false;
    }
    if (!file_read(path, text, &err)) {
        (void)buf_printf(ret_problems, "%s\n", err.text);
        return false;
    }
    memory->bytes += text->bytes;
    memory->items[texts->count++] = (struct config_text){ path, buf_slice(text) };
    return true;
}

/* "/etc/spillway/spillway.yaml" → "/etc/spillway/conf.d/" followed by `name`, which is a pattern:
 * so what the folder's own name has of one is quoted. */
static bool name_pattern(const char *path, const char *name, char ret[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    size_t folder = slash == NULL ? 0 : (size_t)(slash - path) + 1, used = 0;

    for (size_t i = 0; i < folder && used + 2 < PATH_MAX; i++) {
        if (strchr("*?[\\", path[i]) != NULL)
            ret[used++] = '\\';
        ret[used++] = path[i];
    }
    return used + 2 < PATH_MAX &&
           snprintf(ret + used, PATH_MAX - used, "conf.d/%s", name) < (int)(PATH_MAX - used);
}

static bool tell_folder(const char *path, int error, struct buf *ret_problems)
{
    const char *slash = strrchr(path, '/');

    (void)buf_printf(ret_problems, "cannot list '%.*sconf.d': %s\n",
                     slash == NULL ? 0 : (int)(slash - path) + 1, path, strerror(error));
    return false;
}

/* glob() calls it without a context, and stops with what it returns. */
static int stop_at(const char *path, int error)
{
    (void)path;
    return error == ENOENT || error == ENOTDIR ? 0 : error;
}

static bool list_others(struct texts *texts, const char *path, struct buf *ret_problems)
{
    struct texts_memory *memory = texts->memory;
    char pattern[PATH_MAX];

    if (!name_pattern(path, "*.yaml", pattern))
        return true; /* the first file could be opened: no room for a name is no folder */
    errno = 0;
    switch (glob(pattern, GLOB_NOSORT, stop_at, &memory->names)) {
    case 0:
    case GLOB_NOMATCH:
        return true;
    case GLOB_ABORTED:
        return tell_folder(path, errno != 0 ? errno : EIO, ret_problems);
    default:
        return tell_folder(path, ENOMEM, ret_problems);
    }
}

/* Not glob's own order, which is the locale's: a test and a service would differ. */
static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

bool texts_read(const char *path, struct texts *ret, struct buf *ret_problems)
{
    *ret = (struct texts){ .memory = calloc(1, sizeof(*ret->memory)) };
    if (ret->memory == NULL) {
        (void)buf_printf(ret_problems, "%s: out of memory\n", path);
        return false;
    }
    glob_t *names = &ret->memory->names;
    ret->items = ret->memory->items;
    if (!read_text(ret, path, ret_problems) || !list_others(ret, path, ret_problems))
        return false;
    if (names->gl_pathc > TEXTS_MAX) {
        (void)buf_printf(ret_problems,
                         "%s: there are %zu files in conf.d beside it, at most %d are "
                         "taken\n",
                         path, names->gl_pathc, TEXTS_MAX);
        return false;
    }
    if (names->gl_pathc > 1)
        qsort(names->gl_pathv, names->gl_pathc, sizeof(char *), by_bytes);
    bool ok = true;
    for (size_t i = 0; i < names->gl_pathc; i++)
        ok = read_text(ret, names->gl_pathv[i], ret_problems) && ok;
    return ok;
}

void texts_fini(struct texts *texts)
{
    if (texts->memory == NULL)
        return;
    for (size_t i = 0; i < 1 + TEXTS_MAX; i++)
        buf_fini(&texts->memory->texts[i]);
    globfree(&texts->memory->names);
    free(texts->memory);
    *texts = (struct texts){ 0 };
}
