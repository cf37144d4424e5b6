/* SPDX-License-Identifier: Apache-2.0 */
/* outlet_change: another configuration for an output that runs. */
#include "base/auto.h"
#include "base/log.h"
#include "config/settings_diff.h"
#include "delivery/spool_join.h"
#include "outlet.h"
#include "spool_places.h"

enum { OPTIONS = DIFF_TYPE | DIFF_PLUGIN | DIFF_COMMON | DIFF_SPOOL };

/* Another plugin state, with its transport, beside the one that runs. */
static bool open_beside(struct outlet *outlet, size_t index, struct err *err)
{
    struct outlet_change *next = &outlet->next;
    struct err why = { "" };

    next->plugin = (const struct output *)(const void *)next->part->type;
    next->state = calloc(1, next->part->type->state_bytes + 1);
    if (next->state == NULL)
        return err_set(err, "out of memory for output '%s'", outlet->name);
    next->is_open = next->plugin->open(next->state, next->part->config, &outlet->host, &why);
    if (!next->is_open)
        return err_set(err, "output '%s': %s", outlet->name, why.text);
    struct sender_config config =
        outlet_sender_config(outlet, &next->from->settings, index, next->plugin, next->state);
    next->sender = sender_prepare(&config, &why);
    return next->sender != NULL || err_set(err, "output '%s': %s", outlet->name, why.text);
}

static bool prepare_batchers(struct outlet *outlet, struct err *err)
{
    struct outlet_change *next = &outlet->next;
    const struct settings_part *part = next->part != NULL ? next->part : outlet->part;
    struct err why = { "" };

    for (size_t i = 0; i < outlet->worker_count; i++) {
        struct worker_config config = outlet_worker_config(outlet, i, part);
        if (next->changes_lanes) {
            config.batcher.lanes = next->lanes;
            config.batcher.lane_count = next->lane_count;
        }
        next->batchers[i] = batcher_prepare(&config.batcher, next->part != NULL, &why);
        if (next->batchers[i] == NULL)
            return err_set(err, "output '%s': %s", outlet->name, why.text);
    }
    return true;
}

/* Those that are needed beyond the ones that there are: they take nothing before the commit. */
static bool add_workers(struct outlet *outlet, struct err *err)
{
    struct err why = { "" };

    while (outlet->worker_count < outlet->next.part->output.workers) {
        struct worker_config config =
            outlet_worker_config(outlet, outlet->worker_count, outlet->part);
        config.leaves = true;
        struct worker *worker = worker_start(&config, &why);
        if (worker == NULL)
            return err_set(err, "output '%s': %s", outlet->name, why.text);
        outlet_list_worker(outlet, worker);
    }
    return true;
}

bool outlet_prepare_lanes(struct outlet *outlet, struct err *err)
{
    return !outlet->next.changes_lanes || prepare_batchers(outlet, err);
}

/* One place of before is enough to know of, for this start and for the next: so a third is not
 * begun while there are two. */
static bool refuse_second_move(const struct outlet *outlet, const char *before, struct err *err)
{
    struct spool_left left = spool_place_left(before);

    return err_set(err,
                   "output '%s': its spool was moved before, and what lies in '%s' is still being "
                   "sent: %u files, %llu bytes. Each goes when its batches are sent (ls shows it): "
                   "reload again when none is left",
                   outlet->name, before, left.files, (unsigned long long)left.bytes);
}

/* Where it was is kept on disk, so that a start in between finds both. */
static bool prepare_move(struct outlet *outlet, const struct settings *settings, const char *path,
                         struct err *err)
{
    struct outlet_change *next = &outlet->next;
    struct err why = { "" };
    char before[PATH_MAX];
    uint64_t free_bytes;
    bool is_taken;

    spool_place_before(settings, outlet->name, before);
    if (before[0] != '\0' && !settings_same_path(before, outlet->spool_path))
        return refuse_second_move(outlet, before, err);
    next->moved = spool_disk_open(path, &is_taken, &why);
    if (next->moved == NULL)
        return err_set(err, "output '%s': spool: %s", outlet->name, why.text);
    if (spool_has_segments(next->moved))
        return err_set(err,
                       "output '%s': spool: '%s' has batches of another time in it: restart "
                       "the agent, which sends them, or give it an empty folder",
                       outlet->name, path);
    if (next->moved->free_bytes(next->moved, &free_bytes) == 0 &&
        free_bytes < next->spool.min_free_bytes)
        return err_set(
            err,
            "output '%s': spool: '%s' has %llu bytes free, and min_free is to leave %llu: "
            "make room there, or set less",
            outlet->name, path, (unsigned long long)free_bytes,
            (unsigned long long)next->spool.min_free_bytes);
    (void)snprintf(next->moved_path, sizeof(next->moved_path), "%s", path);
    return spool_place_remember(settings, outlet->name, outlet->spool_path, err);
}

/* One that is to be no more stays until what it has is sent, and takes nothing. */
static bool prepare_spool(struct outlet *outlet, const struct settings *settings, size_t index,
                          struct spools *spools, struct err *err)
{
    char wanted[PATH_MAX];

    if (!settings_spool_folder(settings, &settings->outputs[index], wanted))
        return err_set(err, "output '%s': the path of its spool is too long", outlet->name);
    if (settings_same_path(wanted, outlet->spool_path))
        return true;
    if (wanted[0] == '\0')
        return spool_place_remember(settings, outlet->name, outlet->spool_path, err);
    if (outlet->spool_path[0] != '\0')
        return prepare_move(outlet, settings, wanted, err);
    if (!spools_open_one(spools, settings, index, outlet->ledger, err))
        return false;
    if (spools->items[index].spool != NULL)
        outlet->next.opened = &spools->items[index];
    return true;
}

bool outlet_prepare(struct outlet *outlet, struct generation *next, size_t index,
                    struct spools *spools, struct err *err)
{
    const struct settings *settings = &outlet->from->settings;
    int old = settings_find(settings->outputs, settings->output_count, outlet->name);

    CHECK(old != SETTINGS_NONE);
    outlet->is_wanted = true;
    unsigned aspects =
        settings_compare_output(settings, (size_t)old, &next->settings, index).aspects;
    outlet->next.sealed_bytes = next->settings.sealed_bytes[index];
    outlet->next.spool = spools_config(&next->settings, index);
    if (!prepare_spool(outlet, &next->settings, index, spools, err))
        return false;
    if ((aspects & OPTIONS) == 0)
        return outlet_prepare_lanes(outlet, err);
    outlet->next.from = generation_hold(next);
    outlet->next.part = &next->settings.outputs[index];
    return open_beside(outlet, index, err) && add_workers(outlet, err) &&
           prepare_batchers(outlet, err);
}

bool outlet_changes_sender(const struct outlet *outlet)
{
    return outlet->next.sender != NULL;
}

void outlet_forget_change(struct outlet *outlet)
{
    struct outlet_change *next = &outlet->next;

    sender_change_free(&next->sender);
    for (size_t i = 0; i < LEDGER_CELLS; i++)
        batcher_change_free(&next->batchers[i]);
    if (next->is_open && next->plugin->close != NULL)
        next->plugin->close(next->state);
    free(next->state);
    if (next->moved != NULL)
        next->moved->free(&next->moved);
    generation_release(&next->from);
    *next = (struct outlet_change){ .from = NULL };
}

/* The first `count` of them work, the others finish what they have. */
static void set_workers(struct outlet *outlet)
{
    for (size_t i = 0; i < outlet->worker_count; i++)
        worker_leave(outlet->workers[i], i >= outlet->part->output.workers);
}

static void commit_options(struct outlet *outlet)
{
    struct outlet_change *next = &outlet->next;
    void *state_before = outlet->state;
    const struct output *plugin_before = outlet->plugin;
    struct generation *from_before = outlet->from;

    sender_commit(outlet->sender, &next->sender);
    outlet->state = next->state;
    outlet->plugin = next->plugin;
    outlet->part = next->part;
    outlet->from = next->from;
    outlet->letters = outlet_letters(outlet, outlet->part);
    outlet->feed.full_bytes = outlet->part->output.batch__max_bytes;
    outlet->feed.full_events = outlet->part->output.batch__max_events;
    outlet->feed.max_wait_ms = outlet->part->output.batch__max_wait;
    next->state = state_before; /* closed with the change */
    next->plugin = plugin_before;
    next->from = from_before;
}

/* Without memory for it, it stays as it is. */
static void commit_spool(struct outlet *outlet)
{
    struct outlet_change *next = &outlet->next;
    struct err err = { "out of memory" };
    bool ok = true;

    if (next->moved != NULL && (ok = sender_move_spool(outlet->sender, &next->moved)))
        memcpy(outlet->spool_path, next->moved_path, sizeof(outlet->spool_path));
    if (next->opened != NULL)
        ok = outlet_use_spool(outlet, next->opened, false, &err);
    if (!ok)
        LOG(LOG_ERROR, "the spool stays as it was", LS("output", outlet->name),
            LS("error", err.text));
}

void outlet_commit(struct outlet *outlet)
{
    struct outlet_change *change = &outlet->next;
    bool has_options = change->sender != NULL;

    if (has_options)
        commit_options(outlet);
    else if (change->sealed_bytes > 0)
        sender_set_memory(outlet->sender, change->sealed_bytes);
    if (change->sealed_bytes > 0) {
        outlet->feed.kept_most_bytes = change->sealed_bytes / 2;
        sender_set_spool(outlet->sender, &change->spool);
    }
    commit_spool(outlet);
    if (change->changes_lanes) {
        memcpy(outlet->lanes, change->lanes, change->lane_count * sizeof(struct lane *));
        outlet->lane_count = change->lane_count;
    }
    for (size_t i = 0; i < outlet->worker_count; i++) {
        if (change->batchers[i] != NULL)
            worker_commit(outlet->workers[i], outlet->lanes, &change->batchers[i]);
    }
    if (has_options)
        set_workers(outlet);
    outlet_forget_change(outlet);
}

/* From the end: the place of a worker among the others is its cell in the books. */
void outlet_dismiss(struct outlet *outlet)
{
    while (outlet->worker_count > outlet->part->output.workers &&
           worker_is_idle(outlet->workers[outlet->worker_count - 1])) {
        lock_take(outlet->list_lock);
        struct worker *last = outlet->workers[--outlet->worker_count];
        lock_drop(outlet->list_lock);
        worker_stop(last, FLOW_reload_drop_batch); /* which has nothing */
        worker_free(&last);
    }
}
