/* SPDX-License-Identifier: Apache-2.0 */
#include "spools.h"

#include "base/auto.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "delivery/spool_aside.h"
#include "delivery/spool_join.h"
#include "delivery/spool_shut.h"
#include "ledger/ledger_start.h"
#include "spool_places.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

/* The boot id as bytes; without one no start is of this boot, and ages are used. */
static void find_boot(unsigned char ret[SPOOL_BOOT_BYTES])
{
    AUTO(buf_fini) struct buf text = { .limit = 64 };
    struct err unused;
    unsigned digits = 0;

    memset(ret, 0, SPOOL_BOOT_BYTES);
    if (!file_read("/proc/sys/kernel/random/boot_id", &text, &unused))
        return;
    for (size_t i = 0; i < text.bytes && digits < 2 * SPOOL_BOOT_BYTES; i++) {
        int digit = (unsigned char)text.data[i];
        if (!isxdigit(digit))
            continue;
        digit = isdigit(digit) ? digit - '0' : tolower(digit) - 'a' + 10;
        ret[digits / 2] = (unsigned char)(ret[digits / 2] << 4 | digit);
        digits++;
    }
}

/* Of a mixed output the others' events would be dropped while those that can wait hold its memory,
 * so there a full spool gives up its oldest. */
static bool all_inputs_can_wait(const struct settings *settings, const struct settings_part *part)
{
    for (size_t i = 0; i < part->link_count; i++) {
        const struct settings_part *input = &settings->inputs[part->links[i]];
        if ((input->type->traits & INPUT_REREADABLE) == 0 ||
            input->input.lane__overflow != OVERFLOW_BLOCK || input->input.lane__block_for > 0)
            return false;
    }
    return true;
}

struct spool_config spools_config(const struct settings *settings, size_t output)
{
    const struct settings_part *part = &settings->outputs[output];
    const struct output_options *options = &part->output;
    static const enum spool_fsync policies[] = { [FSYNC_NEVER] = SPOOL_FSYNC_NEVER,
                                                 [FSYNC_INTERVAL] = SPOOL_FSYNC_INTERVAL,
                                                 [FSYNC_ALWAYS] = SPOOL_FSYNC_ALWAYS };
    struct spool_config config = { .max_bytes = options->spool__max_bytes,
                                   .min_free_bytes = options->spool__min_free,
                                   .fsync = policies[options->spool__fsync],
                                   .fsync_interval_ms = options->spool__fsync_interval,
                                   .max_age_ms = options->retry__max_age,
                                   .newest_first = options->spool__newest_first,
                                   .waits_when_full = all_inputs_can_wait(settings, part) };

    find_boot(config.boot);
    return config;
}

static void tell(const char *output, const char *path, const struct spool_scan *scan,
                 int64_t took_ms)
{
    if (scan->error != 0)
        LOG(LOG_ERROR, "spool cannot be read, batches are held in memory", LS("output", output),
            LS("path", path), LS("error", strerror(scan->error)),
            LS("fix", "mend the folder and restart: what is in it is sent then"));
    if (scan->unread > 0)
        LOG(LOG_ERROR, "segments of the spool cannot be read, the next start tries them again",
            LS("output", output), LS("path", path), LU("segments", scan->unread),
            LS("the_first", scan->unread_note));
    if (scan->left_alone > 0)
        LOG(LOG_WARN, "files in the spool are left alone", LS("output", output), LS("path", path),
            LU("files", scan->left_alone), LS("the_first", scan->note));
    if (scan->damaged > 0)
        LOG(LOG_WARN, "spool is damaged in part", LS("output", output), LS("path", path),
            LU("parts", scan->damaged));
    if (scan->segments > 0)
        LOG(LOG_INFO, "spool found", LS("output", output), LS("path", path),
            LU("bytes", scan->bytes), LU("segments", scan->segments), LU("walked", scan->walked),
            LU("torn", scan->torn), LI("took_ms", took_ms));
}

static bool add_found(struct spools *spools, struct spool *spool, const char *output)
{
    const struct spool_index *index = spool_index_of(spool);
    size_t room = spools->found_count + index->lane_count;
    struct ledger_found *found = realloc(spools->found, (room + 1) * sizeof(*found));

    if (found == NULL)
        return false;
    spools->found = found;
    for (unsigned i = 0; i < index->lane_count; i++)
        found[spools->found_count++] = (struct ledger_found){
            .input = index->lanes[i].input, .output = output, .amount = spool_index_live(index, i)
        };
    if (index->is_partial)
        found[spools->found_count++] = (struct ledger_found){ .input = "", .output = output };
    return true;
}

static struct spool_place left_before(const struct ledger *ledger, const char *output)
{
    return (struct spool_place){ ledger_before(ledger, output, NUMBER_spool_left_segment),
                                 ledger_before(ledger, output, NUMBER_spool_left_at) };
}

/* NULL in *ret: there is none, or it cannot be had, which is said. false: another has it. */
static bool open_place(const char *output, const char *path, const char *msg,
                       struct spool_disk **ret, struct err *err)
{
    struct err why = { "" };
    bool is_taken = false;

    *ret = path[0] == '\0' ? NULL : spool_disk_open(path, &is_taken, &why);
    if (*ret == NULL && is_taken)
        return err_set(err, "output '%s': spool: %s", output, why.text);
    if (*ret == NULL && path[0] != '\0')
        LOG(LOG_ERROR, msg, LS("output", output), LS("error", why.text),
            LS("fix", "mend the folder and restart"));
    return true;
}

/* Where it is to be, and where it was before a reload: if it is to be nowhere there alone, and
 * nothing is added. path: where it is to be, in return where it is. */
static bool open_places(const struct settings *settings, const struct settings_part *part,
                        struct opened_spool *item, struct spool_disk **ret, struct err *err)
{
    struct spool_disk *first = NULL, *second = NULL;
    char *path = item->path, *before = item->before;

    spool_place_before(settings, part->name, before);
    if (settings_same_path(before, path))
        before[0] = '\0';
    if (!open_place(part->name, path, "spool cannot be opened, batches are held in memory", &first,
                    err))
        return false;
    if (!open_place(part->name, before,
                    "spool of before cannot be opened, what lies there is not sent", &second,
                    err)) {
        if (first != NULL)
            first->free(&first);
        return false;
    }
    if (second != NULL)
        LOG(LOG_INFO, "what lies in the spool of before is sent too", LS("output", part->name),
            LS("path", before), LS("new", path[0] == '\0' ? "none" : path));
    item->misses_before = before[0] != '\0' && second == NULL;
    if (first != NULL && second != NULL)
        *ret = spool_join(&first, &second);
    else if (path[0] == '\0')
        *ret = second;
    else
        *ret = first;
    if (path[0] == '\0')
        (void)snprintf(path, PATH_MAX, "%s", before);
    else if (second != NULL) /* without the first it waits for a start that has it */
        second->free(&second);
    return *ret != NULL || first == NULL || err_set(err, "out of memory for a spool");
}

bool spools_open_one(struct spools *spools, const struct settings *settings, size_t output,
                     const struct ledger *ledger, struct err *err)
{
    const struct settings_part *part = &settings->outputs[output];
    struct opened_spool *item = &spools->items[output];
    struct spool_stamp now = { clock_boot_ms(), clock_real_ns() / NS_PER_MS, 0 };
    int64_t began_ms = clock_now_ms();
    struct spool_disk *disk = NULL;
    struct spool_scan scan;
    char *path = item->path;
    bool is_shut;

    CHECK(spools->items != NULL); /* prepared */
    if (!settings_spool_folder(settings, part, path))
        return err_set(err, "output '%s': the path of its spool is too long", part->name);
    if (!open_places(settings, part, item, &disk, err))
        return false;
    is_shut = disk == NULL;
    if (is_shut && (path[0] == '\0' || !ledger_before_has_spooled(ledger, part->name)))
        return true;
    if (is_shut)
        disk = spool_shut();
    struct spool_config config = spools_config(settings, output);
    item->spool = spool_new(&config);
    item->files = spool_files_new(&disk);
    if (disk != NULL)
        disk->free(&disk);
    if (item->spool == NULL || item->files == NULL)
        return err_set(err, "out of memory for the spool of output '%s'", part->name);
    spool_set_left(item->spool, left_before(ledger, part->name));
    spool_files_scan(item->files, item->spool, config.boot, &now, &scan);
    if (item->misses_before)
        spool_index_of(item->spool)->is_partial = true;
    if (!is_shut) /* which was told */
        tell(part->name, path, &scan, clock_now_ms() - began_ms);
    return add_found(spools, item->spool, part->name) ||
           err_set(err, "out of memory for the spool of output '%s'", part->name);
}

/* ---- folders of no output ---- */

static bool is_configured(const struct settings *settings, const char *folder)
{
    char path[PATH_MAX];

    for (size_t i = 0; i < settings->output_count; i++) {
        const struct settings_part *part = &settings->outputs[i];
        if (settings_spool_folder(settings, part, path) && settings_same_path(path, folder))
            return true;
        spool_place_before(settings, part->name, path);
        if (settings_same_path(path, folder))
            return true;
    }
    return false;
}

static void count_segments(const char *folder, uint64_t *ret_segments, uint64_t *ret_bytes)
{
    DIR *list = opendir(folder);
    const struct dirent *entry;
    struct stat status;

    *ret_segments = *ret_bytes = 0;
    while (list != NULL && (entry = readdir(list)) != NULL) {
        size_t length = strlen(entry->d_name);
        if (length < 4 || strcmp(entry->d_name + length - 4, ".seg") != 0 ||
            fstatat(dirfd(list), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        *ret_segments += 1;
        *ret_bytes += (uint64_t)status.st_size;
    }
    if (list != NULL)
        (void)closedir(list);
}

/* An output, or its spool, that was taken out of the configuration leaves its batches behind. */
static void tell_forgotten(const struct settings *settings)
{
    char spools[PATH_MAX], folder[PATH_MAX];
    const struct dirent *entry;
    uint64_t segments, bytes;
    DIR *list = NULL;

    if (snprintf(spools, sizeof(spools), "%s/spool", settings->agent.state_dir) < PATH_MAX)
        list = opendir(spools);
    while (list != NULL && (entry = readdir(list)) != NULL) {
        if (entry->d_name[0] == '.' ||
            snprintf(folder, sizeof(folder), "%s/%s", spools, entry->d_name) >= PATH_MAX ||
            is_configured(settings, folder))
            continue;
        count_segments(folder, &segments, &bytes);
        if (segments > 0)
            LOG(LOG_WARN, "spool of no output, its batches are not sent", LS("path", folder),
                LU("segments", segments), LU("bytes", bytes),
                LS("fix", "give an output of that name a spool again, or remove the folder"));
    }
    if (list != NULL)
        (void)closedir(list);
}

bool spools_prepare(struct spools *spools, const struct settings *settings, struct err *err)
{
    *spools = (struct spools){ .count = settings->output_count };
    spools->items = calloc(settings->output_count, sizeof(*spools->items));
    return spools->items != NULL || err_set(err, "out of memory");
}

bool spools_open(struct spools *spools, const struct settings *settings,
                 const struct ledger *ledger, struct err *err)
{
    if (!spools_prepare(spools, settings, err))
        return false;
    tell_forgotten(settings);
    for (size_t i = 0; i < settings->output_count; i++) {
        if (!spools_open_one(spools, settings, i, ledger, err))
            return false;
    }
    return true;
}

/* ---- after repeated crashes ---- */

static void tell_set_aside(const char *output, const char *path, const struct spool_aside *aside)
{
    LOG(LOG_ERROR, "batches of the spool set aside", LS("output", output), LS("path", path),
        LS("file", aside->file[0] != '\0' ? aside->file : "none"), LU("batches", aside->batches),
        LU("events", aside->events), LU("bytes", aside->bytes), LU("not_kept", aside->not_kept),
        LS("error", aside->error == 0 ? "none" : strerror(aside->error)));
}

void spools_set_aside(struct opened_spool *spool, const char *output, struct numbers *numbers)
{
    uint64_t crashes = numbers_get(numbers, NUMBER_spool_crashes);
    uint64_t batches = numbers_get(numbers, NUMBER_spool_in_hand);
    struct spool_stamp now = { clock_boot_ms(), clock_real_ns() / NS_PER_MS, 0 };
    struct spool_disk *folder = NULL;
    struct spool_aside aside;
    struct err why = { "" };
    char path[PATH_MAX];
    bool is_taken;

    if (crashes < SPOOL_ASIDE_AFTER || batches == 0) {
        numbers_set(numbers, NUMBER_spool_in_hand, 0);
        return;
    }
    LOG(LOG_ERROR, "the agent crashed again and again on batches of its spool, setting them aside",
        LS("output", output), LU("crashes", crashes), LU("batches", batches));
    if (snprintf(path, sizeof(path), "%s/%s", spool->path, SPOOL_ASIDE_FOLDER) < PATH_MAX)
        folder = spool_disk_open(path, &is_taken, &why);
    if (folder == NULL)
        LOG(LOG_ERROR, "what is set aside cannot be kept", LS("output", output),
            LS("error", why.text));
    spool_set_aside(spool->spool, spool->files, &folder, batches, &now, clock_now_ms(), &aside);
    tell_set_aside(output, path, &aside);
}

size_t spools_list_before(const struct spools *spools, const char *ret[LEDGER_OUTPUTS])
{
    size_t count = 0;

    for (size_t i = 0; i < spools->count && count < LEDGER_OUTPUTS; i++) {
        if (spools->items[i].before[0] != '\0')
            ret[count++] = spools->items[i].before;
    }
    return count;
}

void spools_close(struct spools *spools)
{
    for (size_t i = 0; spools->items != NULL && i < spools->count; i++) {
        spool_files_free(&spools->items[i].files);
        spool_free(&spools->items[i].spool);
    }
    free(spools->items);
    free(spools->found);
    *spools = (struct spools){ .count = 0 };
}
