/* SPDX-License-Identifier: Apache-2.0 */
#include "refused.h"

#include <sys/stat.h>

/* Numbers and no names: to look those up may need what the agent has given away. */
const char *tail_refused_why(const char *path, int error, char why[TAIL_WHY_BYTES])
{
    struct stat info;
    char modes[128] = "";

    if (error != EACCES) {
        (void)snprintf(why, TAIL_WHY_BYTES, "%s", strerror(error));
        return why;
    }
    if (stat(path, &info) == 0)
        (void)snprintf(modes, sizeof(modes), " by mode %04o of owner %u, group %u",
                       (unsigned)info.st_mode & 07777, (unsigned)info.st_uid,
                       (unsigned)info.st_gid);
    (void)snprintf(why, TAIL_WHY_BYTES,
                   "%s to user %u%s: change the mode, add the user to the group that may, or give "
                   "it %s; spillway why FILE tells where it fails",
                   strerror(error), (unsigned)geteuid(), modes,
                   capability_advice(CAP_DAC_READ_SEARCH));
    return why;
}

static uint64_t add_to_sum(uint64_t sum, char byte)
{
    return (sum ^ (unsigned char)byte) * UINT64_C(1099511628211);
}

/* Bounds are told once for all that they leave out. */
static uint64_t sum_of(enum find_trouble trouble, const char *folder)
{
    uint64_t sum = UINT64_C(14695981039346656037) ^ (uint64_t)trouble;

    for (const char *at = folder; *at != '\0' && trouble == FIND_REFUSED; at++)
        sum = add_to_sum(sum, *at);
    return sum;
}

static bool has(const uint64_t *sums, size_t count, uint64_t sum)
{
    for (size_t i = 0; i < count; i++) {
        if (sums[i] == sum)
            return true;
    }
    return false;
}

static void tell(struct sink *sink, enum find_trouble trouble, const char *folder, int error)
{
    char why[TAIL_WHY_BYTES];

    switch (trouble) {
    case FIND_REFUSED:
        sink_tell(sink, LOG_WARN, "folder cannot be looked into", folder,
                  tail_refused_why(folder, error, why));
        break;
    case FIND_TOO_DEEP:
        (void)snprintf(why, sizeof(why),
                       "it is more than %d folders below the plain part of its pattern, or its "
                       "path is too long; so may be others",
                       FIND_DEPTH_MAX);
        sink_tell(sink, LOG_WARN, "folder is left out", folder, why);
        break;
    case FIND_TOO_MANY:
        sink_tell(sink, LOG_WARN, "folder is left out", folder,
                  "max_folders are looked into already; so may be others: raise it, or let the "
                  "patterns begin further down");
        break;
    case FIND_NO_MEMORY:
        sink_tell(sink, LOG_ERROR, "folder is left out", folder, "no memory");
        break;
    }
}

void tail_refused_begin(struct tail_refused *refused)
{
    refused->now_count = refused->unseen_count = 0;
    refused->folder_count = 0;
}

void tail_refused_end(struct tail_refused *refused)
{
    memcpy(refused->before, refused->now, sizeof(refused->now));
    refused->before_count = refused->now_count;
}

static void note_unseen(struct tail_refused *refused, uint64_t sum)
{
    if (refused->unseen_count < TAIL_UNSEEN && !has(refused->unseen, refused->unseen_count, sum))
        refused->unseen[refused->unseen_count++] = sum;
}

bool tail_refused_hides(const struct tail_refused *refused, const char *path)
{
    uint64_t sum = sum_of(FIND_REFUSED, "");

    if (refused->unseen_count == 0)
        return false;
    if (has(refused->unseen, refused->unseen_count,
            sum_of(FIND_REFUSED, path[0] == '/' ? "/" : ".")))
        return true;
    for (const char *at = path; *at != '\0'; at++) {
        if (*at == '/' && has(refused->unseen, refused->unseen_count, sum))
            return true;
        sum = add_to_sum(sum, *at);
    }
    return false;
}

void tail_refused_folder(struct tail_refused *refused, struct sink *sink, enum find_trouble trouble,
                         const char *folder, int error)
{
    uint64_t sum = sum_of(trouble, folder);
    bool is_known = has(refused->now, refused->now_count, sum);

    if (trouble == FIND_REFUSED || trouble == FIND_NO_MEMORY)
        note_unseen(refused, sum_of(FIND_REFUSED, folder));
    if (is_known && trouble == FIND_REFUSED)
        return; /* two patterns lead there, or several of its files were asked for */
    refused->folder_count++;
    if (is_known || refused->now_count == TAIL_REFUSED)
        return;
    refused->now[refused->now_count++] = sum;
    if (!has(refused->before, refused->before_count, sum))
        tell(sink, trouble, folder, error);
}
