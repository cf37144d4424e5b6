/* SPDX-License-Identifier: Apache-2.0 */
/* cgroup: a limit of a group counts for all beneath it, so the walk goes up. In a container the
 * path in /proc may be one of the host's, which is not there: the walk then begins at what is. */
#include "base/cgroup.h"

#include "base/auto.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"

#include <ctype.h>
#include <string.h>

enum { TEXT_BYTES = 64 * 1024 };

struct search {
    const char *root;
    bool has_found;
    uint64_t bytes;
    char *file; /* PATH_MAX */
};

static void look_at(struct search *search, const char *folder, const char *name)
{
    AUTO(buf_fini) struct buf text = { .limit = TEXT_BYTES };
    char file[PATH_MAX];
    struct err ignored;

    if (snprintf(file, sizeof(file), "%s/%s", folder, name) >= (int)sizeof(file) ||
        !file_read(file, &text, &ignored) || text.bytes == 0 ||
        !isdigit((unsigned char)text.data[0])) /* "max" */
        return;
    uint64_t bytes = strtoull(text.data, NULL, 10);
    if (bytes > INT64_MAX / 2) /* version 1 writes "none" as the largest number of whole pages */
        return;
    if (search->has_found && search->bytes <= bytes)
        return;
    search->has_found = true;
    search->bytes = bytes;
    (void)strcpy(search->file, file);
}

static void walk_up(struct search *search, const char *mount, struct slice path, const char *name)
{
    char folder[PATH_MAX];
    int bytes = snprintf(folder, sizeof(folder), "%s%s%.*s", search->root, mount, (int)path.bytes,
                         path.data);
    size_t top = strlen(search->root) + strlen(mount);

    if (bytes < 0 || bytes >= (int)sizeof(folder))
        return;
    for (;;) {
        look_at(search, folder, name);
        char *slash = strrchr(folder, '/');
        if (slash == NULL || (size_t)(slash - folder) < top)
            return;
        *slash = '\0';
    }
}

/* "0::/system.slice/spillway.service", "4:memory:/docker/…" */
static void read_line(struct search *search, struct slice line)
{
    const char *first = memchr(line.data, ':', line.bytes);
    const char *end = line.data + line.bytes;
    const char *second = first == NULL ? NULL : memchr(first + 1, ':', (size_t)(end - first - 1));

    if (second == NULL)
        return;
    struct slice controller = { first + 1, (size_t)(second - first - 1) };
    struct slice path = { second + 1, (size_t)(end - second - 1) };
    if (controller.bytes == 0) {
        walk_up(search, "/sys/fs/cgroup", path, "memory.max");
        walk_up(search, "/sys/fs/cgroup/unified", path, "memory.max");
    } else if (slice_equals(controller, SLICE("memory"))) {
        walk_up(search, "/sys/fs/cgroup/memory", path, "memory.limit_in_bytes");
    }
}

bool cgroup_memory_limit(const char *root, uint64_t *ret_bytes, char ret_file[PATH_MAX])
{
    AUTO(buf_fini) struct buf text = { .limit = TEXT_BYTES };
    struct search search = { .root = root, .file = ret_file };
    char file[PATH_MAX];
    struct err ignored;

    if (snprintf(file, sizeof(file), "%s/proc/self/cgroup", root) >= (int)sizeof(file) ||
        !file_read(file, &text, &ignored))
        return false;
    for (const char *line = buf_slice(&text).data; *line != '\0';) {
        size_t bytes = strcspn(line, "\n");
        read_line(&search, (struct slice){ line, bytes });
        line += bytes + (line[bytes] == '\n' ? 1 : 0);
    }
    if (search.has_found)
        *ret_bytes = search.bytes;
    return search.has_found;
}
