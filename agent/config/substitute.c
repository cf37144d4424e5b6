/* SPDX-License-Identifier: Apache-2.0 */
/* substitute: one pass, no nesting: what a variable contains is data, never syntax. */
#include "config/substitute.h"

#include "base/file.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { NAME_MAX_BYTES = 128 };

static bool is_name(struct slice name)
{
    for (size_t i = 0; i < name.bytes; i++) {
        char c = name.data[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!is_letter && (i == 0 || c < '0' || c > '9'))
            return false;
    }
    return name.bytes > 0 && name.bytes < NAME_MAX_BYTES;
}

static bool add_variable(struct slice inside, struct buf *ret_text, struct err *err)
{
    const char *dash = memmem(inside.data, inside.bytes, ":-", 2);
    struct slice name = { inside.data, dash == NULL ? inside.bytes : (size_t)(dash - inside.data) };
    char variable[NAME_MAX_BYTES];

    if (!is_name(name))
        return err_set(err,
                       "'${%.*s}' is not ${VAR}, ${VAR:-default} or ${file:/path}; "
                       "write $$ for a '$'",
                       (int)(inside.bytes < 60 ? inside.bytes : 60), inside.data);
    memcpy(variable, name.data, name.bytes);
    variable[name.bytes] = '\0';
    const char *value = getenv(variable);
    if (value == NULL && dash == NULL)
        return err_set(err, "the environment variable '%s' is not set; ${%s:-…} gives a default",
                       variable, variable);
    if (dash != NULL && (value == NULL || value[0] == '\0'))
        (void)buf_add(ret_text, dash + 2, inside.bytes - name.bytes - 2);
    else
        (void)buf_add_text(ret_text, value);
    return true;
}

static bool add_file(struct slice name, struct buf *ret_text, struct err *err)
{
    char path[PATH_MAX];
    struct stat info;
    size_t start = ret_text->bytes;

    if (name.bytes == 0 || name.bytes >= sizeof(path) || name.data[0] != '/')
        return err_set(err, "${file:…} wants an absolute path");
    memcpy(path, name.data, name.bytes);
    path[name.bytes] = '\0';
    if (stat(path, &info) != 0)
        return err_set(err, "cannot read the file '%.200s': %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode)) /* a pipe or a terminal would hold `check` for ever */
        return err_set(err, "'%.200s' is not a regular file", path);
    if (!file_read(path, ret_text, err))
        return false;
    if (memchr(ret_text->data + start, '\0', ret_text->bytes - start) != NULL)
        return err_set(err, "the file '%.200s' contains a NUL character", path);
    while (ret_text->bytes > start && strchr("\r\n", ret_text->data[ret_text->bytes - 1]) != NULL)
        ret_text->data[--ret_text->bytes] = '\0';
    return true;
}

static bool add_inside(struct slice inside, struct buf *ret_text, struct err *err)
{
    static const struct slice file = { "file:", 5 };

    if (inside.bytes >= file.bytes && memcmp(inside.data, file.data, file.bytes) == 0)
        return add_file((struct slice){ inside.data + file.bytes, inside.bytes - file.bytes },
                        ret_text, err);
    return add_variable(inside, ret_text, err);
}

static void add_source(struct slice inside, struct buf *ret)
{
    const char *dash = memmem(inside.data, inside.bytes, ":-", 2);
    size_t name_bytes = dash == NULL ? inside.bytes : (size_t)(dash - inside.data);
    char variable[NAME_MAX_BYTES];

    if (inside.bytes > 5 && memcmp(inside.data, "file:", 5) == 0) {
        (void)buf_printf(ret, "file %.*s", (int)inside.bytes - 5, inside.data + 5);
        return;
    }
    if (name_bytes >= sizeof(variable))
        return;
    memcpy(variable, inside.data, name_bytes);
    variable[name_bytes] = '\0';
    const char *value = getenv(variable);
    bool is_preset = dash != NULL && (value == NULL || value[0] == '\0');
    (void)buf_printf(ret, "environment variable %s%s", variable,
                     is_preset ? " is not set: the default written there" : "");
}

void substitute_sources(const char *text, struct buf *ret)
{
    size_t before = ret->bytes;

    for (const char *at = text; (at = strchr(at, '$')) != NULL;) {
        const char *end = at[1] == '{' ? strchr(at, '}') : NULL;
        if (end == NULL) {
            at += at[1] == '$' ? 2 : 1;
            continue;
        }
        (void)buf_add_text(ret, ret->bytes > before ? ", " : "");
        add_source((struct slice){ at + 2, (size_t)(end - at) - 2 }, ret);
        at = end + 1;
    }
}

bool substitute(const char *text, struct buf *ret_text, struct substituted *ret, struct err *err)
{
    size_t outer_limit = ret_text->limit;
    const char *at = text;
    bool ok = true;

    *ret = (struct substituted){ 0 };
    ret_text->limit = ret_text->bytes + SUBSTITUTED_MAX;
    (void)buf_add(ret_text, "", 0);
    while (ok && *at != '\0') {
        const char *dollar = strchr(at, '$');
        size_t plain = dollar == NULL ? strlen(at) : (size_t)(dollar - at);
        (void)buf_add(ret_text, at, plain);
        at += plain;
        if (dollar == NULL)
            break;
        ret->offset = (size_t)(at - text);
        if (at[1] != '{') {
            (void)buf_add(ret_text, "$", 1);
            at += at[1] == '$' ? 2 : 1;
            continue;
        }
        const char *end = strchr(at, '}');
        if (end == NULL) {
            ok = err_set(err, "'${' without a closing '}'; write $$ for a '$'");
            break;
        }
        ret->is_changed = true;
        ok = add_inside((struct slice){ at + 2, (size_t)(end - at) - 2 }, ret_text, err);
        at = end + 1;
    }
    ret_text->limit = outer_limit;
    if (ok && ret_text->no_memory)
        return err_set(err, "out of memory for the value");
    if (ok && ret_text->failed)
        return err_set(err, "the value has more than %d bytes after substitution", SUBSTITUTED_MAX);
    return ok;
}
