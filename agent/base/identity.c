/* SPDX-License-Identifier: Apache-2.0 */
#include "base/identity.h"

#include "base/auto.h"
#include "base/capability.h"
#include "base/err.h"
#include "base/file.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>

enum { STATUS_BYTES = 64 * 1024 };

/* ---- who ---- */

/* What follows "\nKey:"; NULL: there is no such line. */
static const char *find_line(const char *text, const char *key)
{
    const char *line = strstr(text, key);
    return line == NULL ? NULL : line + strlen(key);
}

/* "Uid:	real	effective	saved	filesystem" */
static bool read_effective(const char *text, const char *key, unsigned *ret)
{
    const char *line = find_line(text, key);
    return line != NULL && sscanf(line, "%*u %u", ret) == 1;
}

static void read_groups(const char *line, struct identity *ret)
{
    while (line != NULL && ret->group_count < IDENTITY_GROUPS) {
        char *end = NULL;
        line += strspn(line, " \t");
        unsigned long group = strtoul(line, &end, 10);
        if (end == line) /* the end of the line */
            return;
        ret->groups[ret->group_count++] = (gid_t)group;
        line = *end == ' ' ? end : NULL;
    }
}

bool identity_parse(struct slice status, struct identity *ret)
{
    char text[8192];
    size_t bytes = status.bytes < sizeof(text) - 1 ? status.bytes : sizeof(text) - 1;
    unsigned uid = 0, gid = 0;

    memcpy(text, status.data, bytes);
    text[bytes] = '\0';
    *ret = (struct identity){ .group_count = 0 };
    if (!read_effective(text, "\nUid:", &uid) || !read_effective(text, "\nGid:", &gid))
        return false;
    ret->uid = uid;
    ret->gid = gid;
    read_groups(find_line(text, "\nGroups:"), ret);
    const char *caps = find_line(text, "\nCapEff:");
    unsigned long long bits = caps == NULL ? 0 : strtoull(caps, NULL, 16);
    ret->reads_all = (bits & (1ULL << CAP_DAC_OVERRIDE | 1ULL << CAP_DAC_READ_SEARCH)) != 0;
    return true;
}

bool identity_of(long pid, struct identity *ret)
{
    AUTO(buf_fini) struct buf text = { .limit = STATUS_BYTES };
    char path[64] = "/proc/self/status";
    struct err ignored;

    if (pid != 0)
        (void)snprintf(path, sizeof(path), "/proc/%ld/status", pid);
    return file_read(path, &text, &ignored) && identity_parse(buf_slice(&text), ret);
}

/* ---- what modes allow ---- */

static bool is_in_group(const struct identity *identity, gid_t group)
{
    for (unsigned i = 0; i < identity->group_count; i++) {
        if (identity->groups[i] == group)
            return true;
    }
    return identity->gid == group;
}

/* bit: 4 to read, 1 to pass. The owner's bits count for the owner, also where others have more. */
static bool mode_allows(const struct identity *identity, const struct stat *info, unsigned bit)
{
    if (info->st_uid == identity->uid)
        return (info->st_mode >> 6 & bit) != 0;
    if (is_in_group(identity, info->st_gid))
        return (info->st_mode >> 3 & bit) != 0;
    return (info->st_mode & bit) != 0;
}

bool identity_may_read(const struct identity *identity, const struct stat *info)
{
    return identity->reads_all || mode_allows(identity, info, 4);
}

bool identity_may_pass(const struct identity *identity, const struct stat *info)
{
    return identity->reads_all || mode_allows(identity, info, 1);
}

/* ---- words ---- */

void identity_add_name(const struct identity *identity, struct buf *ret)
{
    const struct passwd *user = getpwuid(identity->uid);

    if (user != NULL)
        (void)buf_printf(ret, "user '%s'", user->pw_name);
    else
        (void)buf_printf(ret, "user %u", (unsigned)identity->uid);
}

static void add_owner(const struct stat *info, struct buf *ret)
{
    const struct passwd *user = getpwuid(info->st_uid);
    const struct group *group;

    (void)buf_printf(ret, " (mode %04o, owner ", (unsigned)info->st_mode & 07777);
    if (user != NULL)
        (void)buf_add_text(ret, user->pw_name);
    else
        (void)buf_printf(ret, "%u", (unsigned)info->st_uid);
    group = getgrgid(info->st_gid);
    if (group != NULL)
        (void)buf_printf(ret, ":%s)", group->gr_name);
    else
        (void)buf_printf(ret, ":%u)", (unsigned)info->st_gid);
}

/* What would help: the group, if it has what is missing; else the capability, or the mode. */
static void add_advice(const struct identity *identity, const struct stat *info, unsigned bit,
                       struct buf *ret)
{
    const struct group *group = getgrgid(info->st_gid);

    if ((info->st_mode >> 3 & bit) != 0 && info->st_uid != identity->uid && group != NULL)
        (void)buf_printf(ret, ": add it to the group '%s', or give it %s", group->gr_name,
                         capability_advice(CAP_DAC_READ_SEARCH));
    else
        (void)buf_printf(ret, ": change the mode, or give it %s",
                         capability_advice(CAP_DAC_READ_SEARCH));
}

static bool explain_one(const struct identity *identity, const char *path, bool is_folder,
                        struct buf *ret)
{
    struct stat info;

    if (stat(path, &info) != 0)
        return false;
    if (is_folder ? identity_may_pass(identity, &info) : identity_may_read(identity, &info))
        return false;
    (void)buf_printf(ret, "%s'%s'", is_folder ? "the folder " : "", path);
    add_owner(&info, ret);
    (void)buf_add_text(ret, is_folder ? " does not let " : " is not to be read by ");
    identity_add_name(identity, ret);
    (void)buf_add_text(ret, is_folder ? " pass" : "");
    add_advice(identity, &info, is_folder ? 1 : 4, ret);
    return true;
}

bool identity_explain(const struct identity *identity, const char *path, struct buf *ret)
{
    char part[PATH_MAX];
    size_t bytes = strlen(path);

    if (bytes >= sizeof(part))
        return false;
    memcpy(part, path, bytes + 1);
    for (size_t i = 1; i < bytes; i++) {
        if (part[i] != '/')
            continue;
        part[i] = '\0';
        if (explain_one(identity, part, true, ret))
            return true;
        part[i] = '/';
    }
    return explain_one(identity, path, false, ret);
}
