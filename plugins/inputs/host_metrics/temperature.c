/* SPDX-License-Identifier: Apache-2.0 */
/* temperature: the thermal zones, in thousandths of a degree Celsius: /sys/class/thermal, see
 * Documentation/driver-api/thermal/sysfs-api.rst of the Linux kernel. */
#include "groups.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>

enum { VALUE_BYTES = 64 };

/* The first line of a small file. false: it cannot be read; some sensors are asleep. */
static bool read_value(int folder, const char *zone, const char *name, char ret[VALUE_BYTES])
{
    char path[PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s/%s", zone, name);
    int fd = openat(folder, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t bytes = fd < 0 ? -1 : read(fd, ret, VALUE_BYTES - 1);
    if (fd >= 0)
        (void)close(fd);
    ret[bytes < 0 ? 0 : bytes] = '\0';
    ret[strcspn(ret, "\n")] = '\0';
    return bytes > 0;
}

static bool sample_zone(struct round *round, int folder, const char *zone)
{
    char type[VALUE_BYTES], value[VALUE_BYTES], *end;

    if (!read_value(folder, zone, "temp", value))
        return false;
    errno = 0;
    long thousandths = strtol(value, &end, 10);
    if (errno != 0 || end == value || *end != '\0')
        return false;
    struct event *event =
        round_sample(round, "hw.temperature", EVENT_GAUGE, "Cel", (double)thousandths / 1000);
    event_text(event, "hw.id", event_keep(event, slice_of(zone)));
    if (read_value(folder, zone, "type", type))
        event_text(event, "hw.name", event_keep(event, slice_of(type)));
    return true;
}

bool group_temperature(struct round *round, struct err *err)
{
    static const char prefix[] = "thermal_zone";
    char path[PATH_MAX];
    size_t count = 0;

    if (snprintf(path, sizeof(path), "%s/sys/class/thermal", round->root) >= (int)sizeof(path))
        return err_set(err, "the path of sys/class/thermal is too long");
    DIR *folder = opendir(path);
    if (folder == NULL)
        return err_set(err, "cannot open '%s': %s", path, strerror(errno));
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL && count <= GROUP_ROWS;) {
        if (strncmp(entry->d_name, prefix, sizeof(prefix) - 1) == 0 && count == GROUP_ROWS)
            round_tell_left_out(round, "temperature");
        else if (strncmp(entry->d_name, prefix, sizeof(prefix) - 1) != 0 ||
                 !sample_zone(round, dirfd(folder), entry->d_name))
            continue;
        count++;
    }
    (void)closedir(folder);
    return count > 0 || err_set(err, "no thermal zone in '%s' can be read", path);
}
