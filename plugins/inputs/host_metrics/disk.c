/* SPDX-License-Identifier: Apache-2.0 */
/* disk: /proc/diskstats, see Documentation/admin-guide/iostats.rst of Linux. Loop and RAM disks,
 * and devices that never did anything, are left out. Times are 32 bits of milliseconds there, and
 * begin anew after 50 days of them: the rounds of each device are counted here. */
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

enum { TIMES = 3, NAME_BYTES = 40 };
static const int times[TIMES] = { DISK_READ_MS, DISK_WRITE_MS, DISK_IO_MS };

struct disk {
    uint64_t number[2]; /* major, minor */
    char name[NAME_BYTES];
    uint64_t seen;       /* in which collection; 0: the place is free */
    uint64_t operations; /* fewer than before: it is another device */
    uint64_t last_ms[TIMES], added_ms[TIMES];
};

struct disks {
    uint64_t collections;
    struct disk items[GROUP_ROWS];
};

void disks_free(struct disks **disksp)
{
    free(*disksp);
    *disksp = NULL;
}

static bool begins_with(struct slice text, struct slice begin)
{
    return text.bytes >= begin.bytes && memcmp(text.data, begin.data, begin.bytes) == 0;
}

static bool read_disk(struct slice line, uint64_t ret_number[2], struct slice *ret_name,
                      uint64_t ret[DISK_COLUMNS])
{
    return proc_take_numbers(&line, ret_number, 2) && proc_take_word(&line, ret_name) &&
           proc_take_numbers(&line, ret, DISK_COLUMNS);
}

static bool is_of_interest(struct slice name, const uint64_t columns[DISK_COLUMNS])
{
    return !begins_with(name, SLICE("loop")) && !begins_with(name, SLICE("ram")) &&
           columns[DISK_READS] + columns[DISK_WRITES] > 0;
}

/* ---- times that begin anew ---- */

/* The one of this device, or a place for it: one that was not seen in the last collection. NULL:
 * there is none. */
static struct disk *find_disk(struct disks *disks, const uint64_t number[2], struct slice name)
{
    struct disk *room = NULL;

    for (size_t i = 0; i < GROUP_ROWS; i++) {
        struct disk *disk = &disks->items[i];
        bool is_held = disk->seen + 1 >= disks->collections && disk->seen > 0;
        if (is_held && disk->number[0] == number[0] && disk->number[1] == number[1] &&
            slice_equals(slice_of(disk->name), name))
            return disk;
        if (!is_held && room == NULL)
            room = disk;
    }
    if (room == NULL || name.bytes >= NAME_BYTES)
        return NULL;
    *room = (struct disk){ .number = { number[0], number[1] } };
    memcpy(room->name, name.data, name.bytes);
    return room;
}

/* The kernel's own sums of these times may fall by a little; a new round is a fall by much. */
static void follow_times(struct disk *disk, uint64_t collection, uint64_t columns[DISK_COLUMNS])
{
    uint64_t operations = columns[DISK_READS] + columns[DISK_WRITES];

    if (operations < disk->operations)
        memset(disk->added_ms, 0, sizeof(disk->added_ms));
    for (size_t i = 0; i < TIMES; i++) {
        uint64_t now_ms = columns[times[i]];
        if (operations >= disk->operations && disk->last_ms[i] <= UINT32_MAX &&
            disk->last_ms[i] > now_ms + UINT32_MAX / 2)
            disk->added_ms[i] += (uint64_t)UINT32_MAX + 1;
        disk->last_ms[i] = now_ms;
        columns[times[i]] = now_ms + disk->added_ms[i];
    }
    disk->operations = operations;
    disk->seen = collection;
}

/* ---- samples ---- */

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
    uint64_t columns[DISK_COLUMNS], number[2];
    size_t count = 0, lines = 0;

    if (*round->disks == NULL)
        *round->disks = calloc(1, sizeof(**round->disks));
    struct disks *disks = *round->disks;
    if (disks == NULL)
        return err_set(err, "out of memory");
    if (!round_read(round, HOST_DISKSTATS, &text, err))
        return false;
    disks->collections++;
    bool is_empty = text.bytes == 0; /* some containers have no disks: nothing failed */
    while (proc_take_line(&text, &line)) {
        if (!read_disk(line, number, &name, columns))
            continue;
        lines++;
        if (!is_of_interest(name, columns))
            continue;
        if (++count > GROUP_ROWS) {
            round_tell_left_out(round, "disk");
            break;
        }
        struct disk *disk = find_disk(disks, number, name);
        if (disk != NULL)
            follow_times(disk, disks->collections, columns);
        sample_disk(round, name, columns);
    }
    return is_empty || lines > 0 || err_set(err, "no disk in proc/diskstats");
}
