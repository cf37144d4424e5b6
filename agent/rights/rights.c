/* SPDX-License-Identifier: Apache-2.0 */
#include "rights/rights.h"

#include "base/capability.h"
#include "base/file.h"
#include "base/log.h"
#include "rights/capabilities.h"
#include "rights/landlock.h"
#include "rights/system_calls.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RUNTIME_MODE = 0755 };

bool rights_begin(struct rights *ret, const struct settings *settings, struct err *err)
{
    return command_list_start(&ret->commands, settings, &ret->starter, err);
}

/* ---- down to what is needed ---- */

static uint64_t bit_of(int capability)
{
    return 1ULL << capability;
}

/* Root writes into a folder of another user by a capability alone. */
static bool has_foreign_folder(const struct needs *needs)
{
    for (size_t i = 0; i < needs->count; i++) {
        struct stat info;
        if (needs->items[i].kind == NEED_FOLDER && stat(needs->items[i].path, &info) == 0 &&
            info.st_uid != geteuid())
            return true;
    }
    return false;
}

static uint64_t capabilities_of(const struct needs *needs)
{
    uint64_t wanted = has_foreign_folder(needs) ? bit_of(CAP_DAC_OVERRIDE) : 0;

    for (size_t i = 0; i < needs->count; i++) {
        if (needs->items[i].kind == NEED_CAPABILITY)
            wanted |= bit_of(needs->items[i].capability);
    }
    return wanted;
}

static void list_capabilities(uint64_t set, struct buf *ret)
{
    for (int capability = 0; capability <= CAP_LAST_CAP; capability++) {
        const char *name = capability_name(capability);
        if ((set & bit_of(capability)) == 0)
            continue;
        (void)buf_add_text(ret, ret->bytes > 0 ? " " : "");
        if (name[0] != '\0')
            (void)buf_add_text(ret, name);
        else
            (void)buf_printf(ret, "%d", capability);
    }
    if (ret->bytes == 0)
        (void)buf_add_text(ret, "none");
}

static enum log_level level_of(const struct rights *rights)
{
    bool is_whole = rights->no_capset[0] == '\0' && rights->no_landlock[0] == '\0' &&
                    rights->no_filter[0] == '\0';

    return is_whole ? LOG_INFO : LOG_WARN;
}

static void tell(const struct rights *rights)
{
    struct buf kept = { 0 };

    list_capabilities(rights->kept, &kept);
    (void)buf_add_text(&kept, rights->no_capset);
    LOG_AS(LOG_ALWAYS, level_of(rights), "rights given up", LB("capabilities", buf_slice(&kept)),
           LS("system_calls", rights->no_filter[0] == '\0' ? "filtered" : rights->no_filter),
           LS("writing", rights->no_landlock[0] == '\0' ? "own folders" : rights->no_landlock),
           LI("landlock", rights->landlock), LU("commands", rights->commands.count));
    buf_fini(&kept);
}

static bool add_folder(struct needs *needs, const char *path, size_t bytes)
{
    struct need *items = realloc(needs->items, (needs->count + 1) * sizeof(*items));
    char *copy = strndup(path, bytes);

    if (items != NULL)
        needs->items = items;
    if (items == NULL || copy == NULL) {
        free(copy);
        return false;
    }
    needs->items[needs->count++] =
        (struct need){ .kind = NEED_FOLDER, .section = "agent", .name = "", .path = copy };
    return true;
}

/* The settings do not say of them. */
static bool add_others(struct needs *needs, const char *live_file, const char *const *folders,
                       size_t count)
{
    const char *slash = strrchr(live_file, '/');
    bool ok = slash == NULL || add_folder(needs, live_file, (size_t)(slash - live_file));

    for (size_t i = 0; ok && i < count; i++)
        ok = add_folder(needs, folders[i], strlen(folders[i]));
    return ok;
}

bool rights_drop(struct rights *rights, const struct settings *settings, const char *live_file,
                 const char *const *folders, size_t count, struct err *err)
{
    struct err why = { "" };

    if (!settings->agent.sandbox)
        return true;
    if (!needs_gather(&rights->needs, settings, err))
        return false;
    if (!add_others(&rights->needs, live_file, folders, count))
        return err_set(err, "out of memory for the rights");
    /* The admin's socket is made there later. */
    (void)file_make_dirs(settings->agent.runtime_dir, RUNTIME_MODE, &why);
    why.text[0] = '\0';
    rights->held = capabilities_held();
    rights->kept = rights->held & capabilities_of(&rights->needs);
    rights->landlock = landlock_version();
    if (rights->landlock == 0)
        (void)snprintf(rights->no_landlock, sizeof(rights->no_landlock),
                       "anywhere: this kernel has no Landlock");
    else if (!landlock_confine(&rights->needs, &why))
        (void)snprintf(rights->no_landlock, sizeof(rights->no_landlock), "anywhere: %.200s",
                       why.text);
    if (!capabilities_keep(rights->kept, &why)) {
        (void)snprintf(rights->no_capset, sizeof(rights->no_capset), ": %.200s", why.text);
        rights->kept = rights->held;
    }
    if (!system_calls_filter(&why))
        (void)snprintf(rights->no_filter, sizeof(rights->no_filter), "all: %.200s", why.text);
    rights->is_dropped = true;
    tell(rights);
    return true;
}

/* ---- another configuration ---- */

/* The folder, or the nearest one above it that is there, without links. */
static bool resolve(const char *path, char ret[PATH_MAX])
{
    char above[PATH_MAX];

    if (snprintf(above, sizeof(above), "%s", path) >= (int)sizeof(above))
        return false;
    while (realpath(above, ret) == NULL) {
        char *slash = strrchr(above, '/');
        if (errno != ENOENT || slash == NULL)
            return false;
        slash[slash == above ? 1 : 0] = '\0';
    }
    return true;
}

static bool is_below(const char *path, const char *folder)
{
    size_t bytes = strlen(folder);

    return strncmp(path, folder, bytes) == 0 &&
           (path[bytes] == '\0' || path[bytes] == '/' || strcmp(folder, "/") == 0);
}

static bool may_write(const struct rights *rights, const char *path)
{
    char wanted[PATH_MAX], kept[PATH_MAX];

    if (!resolve(path, wanted))
        return false;
    for (size_t i = 0; i < rights->needs.count; i++) {
        const struct need *need = &rights->needs.items[i];
        if (need->kind != NEED_CAPABILITY && realpath(need->path, kept) != NULL &&
            is_below(wanted, kept))
            return true;
    }
    return false;
}

static void refuse(const struct need *need, const char *what, const char *object,
                   struct buf *ret_problems)
{
    if (need->mark.file != NULL)
        (void)buf_printf(ret_problems, "%s:%u:%u: ", need->mark.file, need->mark.line,
                         need->mark.column);
    (void)buf_printf(
        ret_problems,
        "%s%s%s: %s%s, which the agent gave up the right to at its start: restart it\n",
        need->section, need->name[0] == '\0' ? "" : ".", need->name, what, object);
}

static bool covers(const struct rights *rights, const struct need *need, struct buf *ret_problems)
{
    switch (need->kind) {
    case NEED_FOLDER:
    case NEED_FILE:
        if (rights->no_landlock[0] != '\0' || may_write(rights, need->path))
            return true;
        refuse(need, "it writes to ", need->path, ret_problems);
        return false;
    case NEED_CAPABILITY:
        /* What it never had it may do without: the part itself says what it cannot do. */
        if ((rights->held & ~rights->kept & bit_of(need->capability)) == 0)
            return true;
        refuse(need, "it takes ", capability_name(need->capability), ret_problems);
        return false;
    }
    return true;
}

bool rights_cover(const struct rights *rights, const struct settings *settings,
                  struct buf *ret_problems)
{
    bool ok = command_list_cover(&rights->commands, settings, ret_problems);
    struct needs wanted;
    struct err err = { "" };

    if (!rights->is_dropped)
        return ok;
    if (!needs_gather(&wanted, settings, &err)) {
        (void)buf_printf(ret_problems, "%s\n", err.text);
        return false;
    }
    for (size_t i = 0; i < wanted.count; i++)
        ok = covers(rights, &wanted.items[i], ret_problems) && ok;
    needs_fini(&wanted);
    return ok;
}

const struct starter *rights_starter(const struct rights *rights)
{
    return rights->starter.pid > 0 ? &rights->starter : NULL;
}

void rights_end(struct rights *rights)
{
    starter_stop(&rights->starter);
    command_list_fini(&rights->commands);
    needs_fini(&rights->needs);
}
