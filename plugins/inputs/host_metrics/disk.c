/* SPDX-License-Identifier: Apache-2.0 */
/* disk: /proc/diskstats, see Documentation/admin-guide/iostats.rst of Linux. Loop and RAM disks,
 * and devices that never did anything, are left out. */
#include "groups.h"

enum { SECTOR_BYTES = 512 }; /* whatever the device's own is */
enum {
    DISK_READS,
    DISK_READS_MERGED,
    DISK_SECTORS_READ,
    DISK_READ_MS,
    DISK_WRITES,
    DISK_WRITES_MERGED,
    DISK_SECTORS_WRITTEN,
    DISK_WRITE_MS,
    DISK_IN_FLIGHT,
    DISK_IO_MS,
    DISK_COLUMNS
};

static bool begins_with(struct slice text, struct slice begin)
{
    return text.bytes >= begin.bytes && memcmp(text.data, begin.data, begin.bytes) == 0;
}

static bool read_disk(struct slice line, struct slice *ret_name, uint64_t ret[DISK_COLUMNS])
{
    uint64_t numbers[2]; /* major, minor */

    return proc_take_numbers(&line, numbers, 2) && proc_take_word(&line, ret_name) &&
           proc_take_numbers(&line, ret, DISK_COLUMNS);
}

static bool is_of_interest(struct slice name, const uint64_t columns[DISK_COLUMNS])
{
    return !begins_with(name, SLICE("loop")) && !begins_with(name, SLICE("ram")) &&
           columns[DISK_READS] + columns[DISK_WRITES] > 0;
}

static void sample_direction(struct round *round, struct slice device, const char *direction,
                             const uint64_t *columns)
{
    struct {
        const char *name, *unit;
        double number;
    } samples[] = {
        { "system.disk.io", "By", (double)columns[DISK_SECTORS_READ] * SECTOR_BYTES },
        { "system.disk.operations", "{operation}", (double)columns[DISK_READS] },
        { "system.disk.operation_time", "s", (double)columns[DISK_READ_MS] / 1000 },
    };

    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        struct event *event =
            round_sample(round, samples[i].name, EVENT_SUM, samples[i].unit, samples[i].number);
        event_text(event, "system.device", device);
        event_text(event, "disk.io.direction", slice_of(direction));
    }
}

static void sample_disk(struct round *round, struct slice device,
                        const uint64_t columns[DISK_COLUMNS])
{
    sample_direction(round, device, "read", columns);
    sample_direction(round, device, "write", columns + DISK_WRITES); /* the same columns again */
    struct event *event = round_sample(round, "system.disk.io_time", EVENT_SUM, "s",
                                       (double)columns[DISK_IO_MS] / 1000);
    event_text(event, "system.device", device);
}

bool group_disk(struct round *round, struct err *err)
{
    struct slice text, line, name;
    uint64_t columns[DISK_COLUMNS];
    size_t count = 0, lines = 0;

    if (!round_read(round, HOST_DISKSTATS, &text, err))
        return false;
    bool is_empty = text.bytes == 0; /* some containers have no disks: nothing failed */
    while (proc_take_line(&text, &line)) {
        if (!read_disk(line, &name, columns))
            continue;
        lines++;
        if (!is_of_interest(name, columns))
            continue;
        if (++count > GROUP_ROWS) {
            round_tell_left_out(round, "disk");
            break;
        }
        sample_disk(round, name, columns);
    }
    return is_empty || lines > 0 || err_set(err, "no disk in proc/diskstats");
}
