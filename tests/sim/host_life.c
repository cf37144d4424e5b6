/* SPDX-License-Identifier: Apache-2.0 */
/* host_life: starts, clean stops and crashes of the agent. The books are the real ones, a file on
 * tmpfs that the next start finds and closes. A crash keeps that file as it is in this very step;
 * what lies in memory is then thrown away. */
#include "host.h"

#include "base/auto.h"
#include "base/file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { REPORT_MS = 10 * 1000 };

/* ---- start ---- */

static void find_closing(const struct sim *host, const struct source *source,
                         struct lane_snapshot *ret)
{
    memset(ret, 0, sizeof(*ret));
    for (unsigned i = 0; i < ledger_lane_count(host->ledger); i++) {
        struct lane_snapshot lane;
        ledger_snapshot(host->ledger, i, &lane);
        if (strcmp(lane.input, source->name) == 0 && strcmp(lane.output, source->outlet->name) == 0)
            *ret = lane;
    }
}

static void check_predecessor(struct sim *host, enum predecessor expected)
{
    struct lane_snapshot lane;

    if (ledger_predecessor(host->ledger) != expected || ledger_predecessor_note(host->ledger)[0])
        host_fail(host, "the books of the start before: kind %d, not %d; %s",
                  (int)ledger_predecessor(host->ledger), (int)expected,
                  ledger_predecessor_note(host->ledger));
    for (unsigned i = 0; i < host->outlet_count && host->start > 1; i++) {
        for (unsigned j = 0; j < host->outlets[i].source_count; j++) {
            find_closing(host, &host->outlets[i].sources[j], &lane);
            audit_stop(&host->outlets[i].sources[j], lane.closing);
        }
    }
}

struct found {
    struct ledger_found items[HOST_OUTLETS * (OUTLET_SOURCES + 1)];
    size_t count;
};

static void find_spools(struct sim *host, struct found *ret)
{
    ret->count = 0;
    for (unsigned i = 0; i < host->outlet_count; i++) {
        struct outlet *outlet = &host->outlets[i];
        const struct spool_index *index;
        spool_find(outlet);
        index = outlet->spool == NULL ? NULL : spool_index_of(outlet->spool);
        if (index != NULL && index->is_partial)
            ret->items[ret->count++] = (struct ledger_found){ .input = "", .output = outlet->name };
        for (unsigned j = 0; index != NULL && j < index->lane_count; j++)
            ret->items[ret->count++] =
                (struct ledger_found){ .input = index->lanes[j].input,
                                       .output = outlet->name,
                                       .amount = spool_index_live(index, j) };
    }
}

static void start_after(struct sim *host, enum predecessor expected)
{
    struct found found;
    struct ledger_config config = { .state_dir = host->folder, .runtime_dir = host->folder };
    struct err err = { "" };

    host->start++;
    host->is_draining = host->is_aborting = host->is_torn_down = false;
    host->ledger = ledger_prepare(&config, &err);
    if (host->ledger != NULL) {
        find_spools(host, &found);
        ledger_begin(host->ledger, found.items, found.count);
    }
    if (host->ledger == NULL || strncmp(ledger_place(host->ledger), "file ", 5) != 0)
        host_fail(host, "no books in '%s': %s", host->folder, err.text);
    check_predecessor(host, expected);
    memset(host->left, 0, sizeof(host->left));
    memset(host->on_disk, 0, sizeof(host->on_disk));
    memset(host->unmarked, 0, sizeof(host->unmarked));
    memset(host->unseen, 0, sizeof(host->unseen));
    memset(host->unhidden, 0, sizeof(host->unhidden));
    memset(host->untold, 0, sizeof(host->untold));
    memset(host->untold_write, 0, sizeof(host->untold_write));
    for (unsigned i = 0; i < host->outlet_count; i++)
        outlet_start(&host->outlets[i]);
    bool was_full = host->disk_is_full;
    host->disk_is_full = false; /* there is a saved copy of each start */
    life_report(host);
    host->disk_is_full = was_full;
    TRACE(host, "start %u", host->start);
}

void life_start(struct sim *host)
{
    for (unsigned i = 0; i < host->outlet_count; i++) {
        for (unsigned j = 0; j < host->outlets[i].source_count; j++) {
            struct source *source = &host->outlets[i].sources[j];
            source->fates = calloc(SOURCE_IDS, sizeof(*source->fates));
            source->reads = calloc(SOURCE_IDS, sizeof(*source->reads));
            CHECK(source->fates != NULL && source->reads != NULL);
        }
    }
    start_after(host, PREDECESSOR_NONE);
}

/* ---- the sums of a start ---- */

static void close_sums(struct sim *host)
{
    for (unsigned i = 0; i < host->outlet_count; i++) {
        for (unsigned j = 0; j < host->outlets[i].source_count; j++) {
            struct source *source = &host->outlets[i].sources[j];
            uint64_t dropped = audit_dropped(source->books);
            host->spilled += ledger_flow(source->books, FLOW_spill).events;
            source->dropped_before += dropped;
            host->offered += source->handled - source->first;
            host->delivered += source->acked + source->acked_from_disk;
            host->dropped += dropped;
        }
    }
}

/* ---- a crash ---- */

static struct amount unmarked_of(const struct source *source)
{
    const struct numbers *numbers = &source->books->numbers;

    return (struct amount){ numbers_get(numbers, NUMBER_spool_unmarked_events),
                            numbers_get(numbers, NUMBER_spool_unmarked_bytes) };
}

static void note_disk(struct sim *host, const struct outlet *outlet)
{
    const struct sim_spooler *spooler = &outlet->spooler;

    if (outlet->spool == NULL)
        return;
    for (unsigned i = 0; i < outlet->source_count; i++) {
        unsigned number = outlet->sources[i].number;
        host->unmarked[number] = unmarked_of(&outlet->sources[i]);
        if (!spooler->has_job)
            continue;
        if (spooler->job.kind == SPOOL_WRITE)
            host->untold_write[number] = spooler->job_events[i]; /* also if it failed in the end */
        else if (spooler->result.error == 0)
            host->untold[number] = spooler->job_events[i];
    }
}

static void note_stocks(const struct sim *host,
                        struct amount ret[HOST_OUTLETS * OUTLET_SOURCES][ACCOUNTS])
{
    for (unsigned i = 0; i < host->outlet_count; i++) {
        for (unsigned j = 0; j < host->outlets[i].source_count; j++) {
            const struct source *source = &host->outlets[i].sources[j];
            for (unsigned account = 0; account < ACCOUNTS; account++) {
                if (account_infos[account].held)
                    ret[source->number][account] =
                        ledger_stock(source->books, (enum account)account);
            }
        }
    }
}

static void note_left(struct sim *host)
{
    for (unsigned i = 0; i < host->outlet_count; i++)
        note_disk(host, &host->outlets[i]);
    note_stocks(host, host->left);
}

static void throw_memory_away(struct sim *host)
{
    host->is_torn_down = true;
    for (unsigned i = 0; i < host->outlet_count; i++) {
        outlet_abandon(&host->outlets[i], false);
        outlet_free(&host->outlets[i]);
    }
    ledger_close(&host->ledger);
}

/* The books stay as they are now. */
static void end_process(struct sim *host)
{
    static char image[sizeof(struct books_file)];
    char path[PATH_MAX];
    size_t bytes =
        offsetof(struct books_file, lanes) + ledger_lane_count(host->ledger) * sizeof(struct books);

    (void)snprintf(path, sizeof(path), "%s", ledger_place(host->ledger) + 5);
    AUTO(auto_close) int fd = open(path, O_RDWR | O_CLOEXEC);
    CHECK(fd >= 0 && pread(fd, image, bytes, 0) == (ssize_t)bytes);
    throw_memory_away(host);
    CHECK(pwrite(fd, image, bytes, 0) == (ssize_t)bytes);
}

void life_crash(struct sim *host)
{
    TRACE(host, "crash");
    host->crashes++;
    host->faults++;
    close_sums(host);
    note_left(host);
    end_process(host);
    int64_t away_ms = (int64_t)between(host, 100, 60000);
    host->now_ms += away_ms;
    host->boot_ms += away_ms;
    start_after(host, PREDECESSOR_EXACT);
}

/* ---- a power loss ---- */

void life_report(struct sim *host)
{
    host->next_report_ms = host->now_ms + REPORT_MS;
    if (host->disk_is_full)
        return;
    buf_clear(&host->saved_books);
    CHECK(ledger_save_image(host->ledger, &host->saved_books));
    note_stocks(host, host->saved_left);
    for (unsigned i = 0; i < host->outlet_count; i++) {
        for (unsigned j = 0; j < host->outlets[i].source_count; j++) {
            const struct source *source = &host->outlets[i].sources[j];
            host->saved_unmarked[source->number] = unmarked_of(source);
        }
    }
}

/* What lay on tmpfs is gone: of the books the last saved copy is left, if there is one. */
static void leave_saved_books(struct sim *host)
{
    char live[PATH_MAX], saved[PATH_MAX];
    struct err err;

    (void)snprintf(live, sizeof(live), "%s", ledger_place(host->ledger) + 5);
    (void)snprintf(saved, sizeof(saved), "%s", ledger_save_path(host->ledger));
    throw_memory_away(host);
    CHECK(unlink(live) == 0);
    CHECK(file_replace(saved, buf_slice(&host->saved_books), false, &err));
    memcpy(host->left, host->saved_left, sizeof(host->left));
    memcpy(host->unmarked, host->saved_unmarked, sizeof(host->unmarked));
}

void life_lose_power(struct sim *host)
{
    TRACE(host, "the power is lost");
    host->crashes++;
    host->faults++;
    host->power_losses++;
    close_sums(host);
    for (unsigned i = 0; i < host->outlet_count; i++) {
        struct outlet *outlet = &host->outlets[i];
        power_note_before(outlet);
        disk_lose_power(&outlet->disk);
        power_check_after(outlet);
    }
    leave_saved_books(host);
    int64_t away_ms = (int64_t)between(host, 1000, 600000), boot_ms = host->boot_ms;
    host->now_ms += away_ms;
    host->boot_ms = (int64_t)between(host, 5000, 100000);
    host->boots_ms += boot_ms + away_ms - host->boot_ms;
    host->boot++;
    host->has_lost_power = true;
    start_after(host, PREDECESSOR_STALE);
    host->has_lost_power = false;
}

/* ---- a clean stop ---- */

void life_begin_drain(struct sim *host)
{
    host->drains++;
    host->is_draining = true;
    host->grace_until_ms = host->now_ms + (int64_t)between(host, 0, 8000);
    TRACE(host, "drain, grace %lld ms", (long long)(host->grace_until_ms - host->now_ms));
    for (unsigned i = 0; i < host->outlet_count; i++) {
        struct outlet *outlet = &host->outlets[i];
        wake_bump(&outlet->feed.wake);
        delivery_drain(outlet->delivery, host->now_ms);
        outlet->pause_until_ms = 0;
        outlet->sender_is_awake = true;
    }
}

static bool is_empty(const struct outlet *outlet)
{
    for (unsigned i = 0; i < outlet->source_count; i++) {
        if (lane_level(outlet->sources[i].lane).events > 0 || outlet->sources[i].is_reading)
            return false;
    }
    for (unsigned i = 0; i < outlet->worker_count; i++) {
        if (!outlet->workers[i].is_idle)
            return false;
    }
    return delivery_is_empty(outlet->delivery);
}

bool life_is_drained(const struct sim *host)
{
    for (unsigned i = 0; i < host->outlet_count; i++) {
        if (!is_empty(&host->outlets[i]))
            return false;
    }
    return true;
}

/* What is being written by one who does not come back, nothing else. */
static uint64_t still_held(const struct source *source, unsigned index, enum account account)
{
    const struct sim_spooler *spooler = &source->outlet->spooler;

    return account == ACCOUNT_ready && spooler->is_hung && spooler->job.kind == SPOOL_WRITE
               ? spooler->job_events[index]
               : 0;
}

static void check_given_back(const struct source *source, unsigned index)
{
    for (unsigned account = 0; account < ACCOUNTS; account++) {
        uint64_t replayed, dropped = 0;
        if (!account_infos[account].held ||
            (account == ACCOUNT_spool && source->outlet->spool != NULL))
            continue;
        if (ledger_stock(source->books, (enum account)account).events !=
            still_held(source, index, (enum account)account))
            host_fail(source->host, "%s: something is left in %s after a stop", source->name,
                      account_infos[account].name);
        replayed = audit_flows(source->books, (enum account)account, ACCOUNT_world);
        for (unsigned flow = 0; flow < FLOWS; flow++) {
            if (strncmp(flow_infos[flow].name, "drain_timeout", 13) == 0)
                dropped += ledger_flow(source->books, (enum flow)flow).events;
        }
        if (source->rereadable ? dropped > 0 : replayed > 0)
            host_fail(source->host, "%s: given up by the wrong flow", source->name);
    }
}

static void stop_agent(struct sim *host)
{
    host->is_aborting = true;
    for (unsigned i = 0; i < host->outlet_count; i++) {
        struct outlet *outlet = &host->outlets[i];
        for (unsigned j = 0; j < outlet->source_count; j++)
            source_abort(&outlet->sources[j]);
        outlet_abandon(outlet, true);
        host->touched = outlet;
        audit_step(host);
        for (unsigned j = 0; j < outlet->source_count; j++) {
            check_given_back(&outlet->sources[j], j);
            source_finish(&outlet->sources[j]);
        }
    }
    close_sums(host);
    note_left(host);
}

static bool is_anything_held(const struct sim *host)
{
    uint64_t held = 0;

    for (unsigned i = 0; i < HOST_OUTLETS * OUTLET_SOURCES; i++)
        held += host->left[i][ACCOUNT_ready].events;
    return held > 0;
}

/* As the agent does: books in which something is held are left to the next start. */
void life_end_drain(struct sim *host)
{
    TRACE(host, "stop, %s", life_is_drained(host) ? "all is out" : "the grace is over");
    host->may_hang = true;
    stop_agent(host);
    host->may_hang = false;
    bool is_held = is_anything_held(host);
    if (!is_held)
        ledger_mark_closed(host->ledger);
    end_process(host);
    host->now_ms += 1000;
    host->boot_ms += 1000;
    start_after(host, is_held ? PREDECESSOR_EXACT : PREDECESSOR_CLEAN);
}

void life_close(struct sim *host)
{
    stop_agent(host);
    throw_memory_away(host);
    audit_end(host);
    buf_fini(&host->saved_books);
    for (unsigned i = 0; i < host->outlet_count; i++) {
        spool_result_fini(&host->outlets[i].spooler.result);
        free(host->outlets[i].unsynced);
        disk_end(&host->outlets[i].disk);
    }
    for (unsigned i = 0; i < host->outlet_count; i++) {
        for (unsigned j = 0; j < host->outlets[i].source_count; j++) {
            free(host->outlets[i].sources[j].fates);
            free(host->outlets[i].sources[j].reads);
        }
    }
}
