/* SPDX-License-Identifier: Apache-2.0 */
/* spool_scan: what lies on disk when the agent starts. A segment with a sum and without marks is
 * taken at its word; others are read head by head, bodies never. */
#include "base/auto.h"
#include "delivery/spool_aside.h"
#include "delivery/spool_segment.h"
#include "delivery/spool_state.h"

#include <errno.h>
#include <stdio.h>

enum { SUM_MOST = SPOOL_LANES_MAX * (LEDGER_NAME + 16) + 64, NAMES_MAX = 4 * SPOOL_SEGMENTS_MAX };

struct scan {
    struct spool_files *files;
    struct spool *spool;
    const unsigned char *boot;
    const struct spool_stamp *now;
    struct spool_scan *ret;
    uint64_t *ids;
    size_t id_count, id_room;
};

static void leave_alone(struct scan *scan, const char *name, const char *why)
{
    if (scan->ret->left_alone++ == 0)
        (void)snprintf(scan->ret->note, sizeof(scan->ret->note), "'%.80s': %s", name, why);
}

static void note_unread(struct scan *scan, const char *name, const char *why)
{
    spool_index_of(scan->spool)->is_partial = true;
    if (scan->ret->unread++ == 0)
        (void)snprintf(scan->ret->unread_note, sizeof(scan->ret->unread_note), "'%.80s': %s", name,
                       why);
}

/* ---- names ---- */

static void take_file(void *context, const char *name)
{
    struct scan *scan = context;
    uint64_t id;

    if (strcmp(name, SPOOL_ASIDE_FOLDER) == 0)
        return;
    if (!spool_name_is_ours(name, &id)) {
        leave_alone(scan, name, "not a name of a segment");
        return;
    }
    if (scan->id_count == scan->id_room && scan->id_room < NAMES_MAX) {
        size_t room = scan->id_room == 0 ? 64 : 2 * scan->id_room;
        uint64_t *ids = realloc(scan->ids, room * sizeof(*ids));
        if (ids != NULL) {
            scan->ids = ids;
            scan->id_room = room;
        }
    }
    spool_reserve_ids(scan->spool, id + 1);
    if (scan->id_count == scan->id_room)
        note_unread(scan, name, "there are too many segments");
    else
        scan->ids[scan->id_count++] = id;
}

static int compare_ids(const void *a, const void *b)
{
    const uint64_t *left = a, *right = b;

    return (*left > *right) - (*left < *right);
}

/* ---- the sum ---- */

static int64_t to_this_boot(const struct scan *scan, bool is_other_boot, int64_t boot_ms,
                            int64_t age_ms, int64_t real_ms)
{
    int64_t since_ms = scan->now->real_ms - real_ms;

    return is_other_boot ? scan->now->boot_ms - age_ms - (since_ms > 0 ? since_ms : 0) : boot_ms;
}

/* Where the records end; the sum is in ret_sum if there is one. */
static bool read_sum(struct scan *scan, int fd, uint64_t size, uint64_t *ret_end,
                     struct spool_sum *ret_sum, char buffer[SUM_MOST])
{
    struct spool_disk *disk = scan->files->disk;
    char tail[SPOOL_TAIL];
    uint64_t at;

    if (size < SPOOL_SEGMENT_HEAD + SPOOL_TAIL ||
        disk->read(disk, fd, tail, sizeof(tail), size - SPOOL_TAIL) != SPOOL_TAIL ||
        spool_read_tail((struct slice){ tail, sizeof(tail) }, &at) != SPOOL_READ ||
        at < SPOOL_SEGMENT_HEAD || at > size - SPOOL_TAIL || size - SPOOL_TAIL - at > SUM_MOST)
        return false;
    size_t bytes = (size_t)(size - SPOOL_TAIL - at);
    if (disk->read(disk, fd, buffer, bytes, at) != (int64_t)bytes ||
        spool_read_sum((struct slice){ buffer, bytes }, ret_sum) != SPOOL_READ)
        return false;
    *ret_end = at;
    return true;
}

static bool take_sum(struct scan *scan, struct spool_segment *segment, const struct spool_sum *sum)
{
    for (unsigned i = 0; i < sum->row_count; i++) {
        unsigned lane = spool_index_lane(spool_index_of(scan->spool), sum->rows[i].lane);
        if (lane == SPOOL_LANES_MAX || !spool_segment_add(segment, lane, sum->rows[i].amount))
            return false;
    }
    segment->records = sum->records;
    segment->last_at = sum->last_at;
    segment->newest_boot_ms = to_this_boot(scan, segment->is_of_other_boot, sum->newest_boot_ms,
                                           sum->newest_age_ms, sum->newest_real_ms);
    return true;
}

/* ---- the records ---- */

static int64_t record_boot_ms(const struct scan *scan, const struct spool_segment *segment,
                              const struct spool_record *record)
{
    return to_this_boot(scan, segment->is_of_other_boot, record->oldest_boot_ms, record->age_ms,
                        record->written_real_ms);
}

/* A sum does not know how old its first record is. Where that cannot be read now: at least as old
 * as the youngest. */
static void find_front_age(struct scan *scan, struct spool_segment *segment)
{
    struct spool_record record;
    enum spool_read found;
    uint64_t at;

    scan->files->is_scanning = false; /* one head alone */
    bool is_read = spool_find_record(scan->files, segment->id, segment->front_at, 0, &found, &at,
                                     &record) == 0;
    scan->files->is_scanning = true;
    segment->front_boot_ms = segment->newest_boot_ms;
    if (is_read && found == SPOOL_READ)
        segment->front_boot_ms = record_boot_ms(scan, segment, &record);
}

static bool take_record(struct scan *scan, struct spool_segment *segment,
                        const struct spool_record *record, uint64_t at)
{
    struct spool_index *index = spool_index_of(scan->spool);
    int64_t boot_ms = record_boot_ms(scan, segment, record);

    segment->last_at = at;
    if (record->is_done)
        return true;
    for (size_t i = 0; i < record->run_count; i++) {
        unsigned lane;
        struct amount amount = spool_record_run(record, i, &lane);
        lane = spool_index_lane(index, record->lanes[lane]);
        if (lane == SPOOL_LANES_MAX || !spool_segment_add(segment, lane, amount))
            return false;
    }
    if (segment->records++ == 0) {
        segment->front_at = at;
        segment->newest_boot_ms = segment->front_boot_ms = boot_ms;
    }
    if (boot_ms > segment->newest_boot_ms)
        segment->newest_boot_ms = boot_ms;
    return true;
}

static bool walk(struct scan *scan, struct spool_segment *segment, uint64_t end_at, bool has_sum)
{
    uint64_t at = SPOOL_SEGMENT_HEAD, found_at, whole_end = at;
    bool is_ok = true;

    scan->ret->walked++;
    segment->front_at = end_at;
    while (at < end_at && is_ok) {
        struct spool_record record;
        enum spool_read found;
        int failed =
            spool_find_record(scan->files, segment->id, at, end_at, &found, &found_at, &record);
        if (failed != 0)
            return false;
        if (found != SPOOL_READ)
            break;
        scan->ret->damaged += found_at != at;
        is_ok = take_record(scan, segment, &record, found_at);
        whole_end = at = found_at + spool_record_bytes(&record);
    }
    if (whole_end < end_at)
        *(has_sum ? &scan->ret->damaged : &scan->ret->torn) += 1;
    segment->stop_at = segment->end_at = whole_end;
    if (segment->front_at > whole_end)
        segment->front_at = whole_end;
    return is_ok;
}

/* ---- a segment ---- */

/* *ret_error: an errno, then it is not known what it is. */
static const char *check_head(struct scan *scan, int fd, uint64_t id, char why[64],
                              struct spool_segment_head *ret, int *ret_error)
{
    struct spool_disk *disk = scan->files->disk;
    char bytes[SPOOL_SEGMENT_HEAD];
    int64_t got = disk->read(disk, fd, bytes, sizeof(bytes), 0);

    if (got < 0) {
        *ret_error = (int)-got;
        return NULL;
    }
    switch (spool_read_segment_head((struct slice){ bytes, (size_t)got }, ret)) {
    case SPOOL_READ:
        return ret->id == id ? NULL : "it has the name of another segment";
    case SPOOL_DAMAGED:
        return "its head is damaged";
    case SPOOL_MORE:
    case SPOOL_FOREIGN:
        break;
    }
    if (ret->version == 0)
        return "not a segment of a spool";
    (void)snprintf(why, 64, "its version is %u, this build reads %d", ret->version, SPOOL_VERSION);
    return why;
}

/* Of an earlier start of this boot some may still be in the memory of the kernel alone: that start
 * may have died before its sync, or have had fsync: never. To sync what is on disk costs nothing.
 */
static void note_unsynced(struct spool *spool, struct spool_segment *segment)
{
    bool may_have_failed = segment->is_unsynced || spool_never_syncs(spool);

    segment->is_unsynced = !segment->is_of_other_boot;
    segment->must_rewrite = segment->is_unsynced && may_have_failed;
    if (segment->is_unsynced)
        spool->unsynced_bytes += segment->bytes;
}

static bool fill_segment(struct scan *scan, struct spool_segment *segment, int fd, uint64_t size,
                         const struct spool_segment_head *head)
{
    AUTO(auto_free) char *buffer = malloc(SUM_MOST);
    struct spool_sum sum = { .records = 0 };
    uint64_t end_at = size;
    bool has_sum;

    if (buffer == NULL)
        return false;
    segment->is_touched = head->is_touched;
    segment->is_of_other_boot = memcmp(head->boot, scan->boot, SPOOL_BOOT_BYTES) != 0;
    has_sum = read_sum(scan, fd, size, &end_at, &sum, buffer);
    segment->is_unsynced = !has_sum;
    if (!has_sum || head->is_touched)
        return walk(scan, segment, end_at, has_sum);
    segment->stop_at = segment->end_at = end_at;
    if (!take_sum(scan, segment, &sum))
        return false;
    find_front_age(scan, segment);
    return true;
}

/* As if what a failed write left behind were not there. */
static int64_t size_of(struct scan *scan, int fd, uint64_t id)
{
    struct spool_disk *disk = scan->files->disk;
    struct spool_place left = spool_left(scan->spool);
    int64_t size = disk->size(disk, fd);

    if (id != left.segment || size <= (int64_t)left.at)
        return size;
    return left.at == SPOOL_ALL_OF_IT ? 0 : (int64_t)left.at;
}

/* A link, a pipe, one that is gone: nothing that was a segment of ours. */
static bool is_none_of_ours(int error)
{
    return error == EINVAL || error == ENXIO || error == ELOOP || error == ENOENT;
}

static void skip_segment(struct scan *scan, uint64_t id, const char *why, int error)
{
    char name[SPOOL_NAME_BYTES];

    spool_name(id, name);
    spool_close_segment(scan->files, id);
    if (why == NULL)
        why = strerror(error);
    if (error == 0 || is_none_of_ours(error))
        leave_alone(scan, name, why);
    else
        note_unread(scan, name, why);
}

static void take_segment(struct scan *scan, uint64_t id, int fd, uint64_t size,
                         const struct spool_segment_head *head)
{
    struct spool_index *index = spool_index_of(scan->spool);
    struct spool_segment *segment = spool_index_add(index, id, size);

    if (segment == NULL) {
        skip_segment(scan, id, "there are too many segments", ENOMEM);
        return;
    }
    if (!fill_segment(scan, segment, fd, size, head)) {
        spool_index_remove(index, segment);
        skip_segment(scan, id, "it cannot be read, or has more lanes than the books", EIO);
        return;
    }
    note_unsynced(scan->spool, segment);
    scan->ret->segments++;
    scan->ret->bytes += size;
}

static void read_segment(struct scan *scan, uint64_t id)
{
    struct spool_disk *disk = scan->files->disk;
    struct spool_segment_head head = { .version = 0 };
    char name[SPOOL_NAME_BYTES], text[64];
    int fd = spool_open_segment(scan->files, id, false), error = 0;
    int64_t size = fd < 0 ? fd : size_of(scan, fd, id);

    if (size < 0) {
        skip_segment(scan, id, NULL, (int)-size);
        return;
    }
    if (size == 0) { /* a start that died before it wrote a byte */
        spool_name(id, name);
        spool_close_segment(scan->files, id);
        (void)disk->remove(disk, name);
        return;
    }
    const char *why = check_head(scan, fd, id, text, &head, &error);
    if (why != NULL || error != 0)
        skip_segment(scan, id, why, error);
    else
        take_segment(scan, id, fd, (uint64_t)size, &head);
}

void spool_files_scan(struct spool_files *files, struct spool *spool, const unsigned char *boot,
                      const struct spool_stamp *now, struct spool_scan *ret)
{
    struct scan scan = { .files = files, .spool = spool, .boot = boot, .now = now, .ret = ret };

    *ret = (struct spool_scan){ .error = 0 };
    ret->error = -files->disk->list(files->disk, take_file, &scan);
    if (ret->error != 0)
        spool_index_of(spool)->is_partial = spool_index_of(spool)->is_blind = true;
    if (scan.id_count > 0)
        qsort(scan.ids, scan.id_count, sizeof(*scan.ids), compare_ids);
    files->is_scanning = true;
    for (size_t i = 0; i < scan.id_count; i++) {
        if (i == 0 ||
            scan.ids[i] != scan.ids[i - 1]) /* the same in both folders of one that moved */
            read_segment(&scan, scan.ids[i]);
    }
    files->is_scanning = false;
    files->is_folder_dirty = true; /* as that start may have left it */
    free(scan.ids);
}
