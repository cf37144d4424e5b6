/* SPDX-License-Identifier: Apache-2.0 */
/* tail: the lines of files, over rotation, truncation and restarts.
 * It sleeps until inotify speaks. After data it naps for a moment without listening, so that a busy
 * writer costs a few wake-ups a second and not one for each line; what came meanwhile counts as if
 * it had waited in the lane, so no line waits longer for its batch because of that. The parts are
 * named in state.h.
 */
#include "tail/account.h"
#include "tail/copy.h"

#include <sys/resource.h>

static const int64_t NAP_LEAST_MS = 20, NAP_MOST_MS = 50, FAILED_NAP_MS = 1000;
enum { NAPS_IN_A_WAIT = 5 };
enum { OPEN_MAX = 1024, OPEN_MIN = 16, OPEN_RESERVE = 64, SLACK_BYTES = 1024 };

static uint64_t tail_max_event_bytes(const void *config)
{
    const struct tail_config *cfg = config;
    return tail_join_event_bytes(cfg) + SLACK_BYTES;
}

static bool check_patterns(const char *key, const struct text_list *patterns, struct err *err)
{
    struct err why;

    for (size_t i = 0; i < patterns->count; i++) {
        if (!patterns_check(patterns->items[i], &why))
            return err_set(err, "%s: %s", key, why.text);
    }
    return true;
}

static bool tail_check(const void *config, struct err *err)
{
    const struct tail_config *cfg = config;
    AUTO(tail_join_free) struct tail_join *join = NULL;

    if (cfg->paths.count == 0)
        return err_set(err, "paths: names no file");
    return check_patterns("paths", &cfg->paths, err) &&
           check_patterns("exclude", &cfg->exclude, err) && tail_join_new(cfg, &join, err);
}

static void tail_globs(const void *config, struct file_globs *ret)
{
    const struct tail_config *cfg = config;

    *ret = (struct file_globs){ .paths = cfg->paths,
                                .exclude = cfg->exclude,
                                .folders_max = (size_t)cfg->max_folders };
}

static unsigned descriptors_for_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= OPEN_MAX + OPEN_RESERVE)
        return OPEN_MAX;
    bool roomy = limit.rlim_cur > OPEN_MIN + OPEN_RESERVE;
    return roomy ? (unsigned)limit.rlim_cur - OPEN_RESERVE : OPEN_MIN;
}

static uint64_t tail_memory_bytes(const void *config)
{
    return tail_join_memory_bytes(config);
}

/* The buffer never shrinks, so that there is a way back. */
static bool make_buffer(struct tail *tail, const struct tail_config *cfg, const struct host *host,
                        struct err *err)
{
    size_t least = tail_join_room(cfg) * (tail_join_needs_copy(cfg) ? 2 : 1);
    size_t room = host->buffer_bytes > least ? host->buffer_bytes : least;
    char *larger = room > tail->buffer_room ? realloc(tail->buffer, room) : tail->buffer;

    if (larger == NULL)
        return err_set(err, "no memory for a read buffer of %zu bytes", room);
    tail->buffer = larger;
    tail->buffer_room = room > tail->buffer_room ? room : tail->buffer_room;
    return true;
}

static void use_config(struct tail *tail, const struct tail_config *cfg, const struct host *host)
{
    tail->config = cfg;
    tail->host = host;
    tail->buffer_bytes = tail->buffer_room / (tail_join_needs_copy(cfg) ? 2 : 1);
    tail->line_room = tail_join_room(cfg);
    tail->table.max = (uint32_t)cfg->max_files;
    patterns_plain_free(&tail->exclude);
    (void)patterns_plain_make(cfg->exclude.items, cfg->exclude.count, &tail->exclude);
}

/* The one of before is kept: to go back to it must not fail. */
static bool change_join(struct tail *tail, const struct tail_config *cfg, struct err *err)
{
    struct tail_join *before = tail->join, *next = tail->spare_join;

    if (tail_join_suits(tail->join, cfg))
        return true;
    if (!tail_join_suits(tail->spare_join, cfg)) {
        if (!tail_join_new(cfg, &next, err))
            return false;
        tail_join_free(&tail->spare_join);
    }
    tail->join = next;
    tail->spare_join = before;
    return true;
}

static bool tail_open(void *state, const void *config, const struct host *host, struct err *err)
{
    struct tail *tail = state;
    const struct tail_config *cfg = config;

    tail->watch.fd = -1;
    tail->max_open = descriptors_for_files();
    tail->known_ns = clock_real_ns();
    tail_table_init(&tail->table, (uint32_t)cfg->max_files);
    if (!make_buffer(tail, cfg, host, err))
        return false;
    if (!tail_join_new(cfg, &tail->join, err)) {
        free(tail->buffer);
        tail->buffer = NULL;
        return false;
    }
    use_config(tail, cfg, host);
    tail_watch_open(&tail->watch);
    return true;
}

/* As after a restart: which files there are is found out by a scan, and those that were not known
 * before begin where start_at says. */
static bool tail_change(void *state, const void *config, const struct host *host, struct err *err)
{
    struct tail *tail = state;
    const struct tail_config *cfg = config;

    if (!make_buffer(tail, cfg, host, err) || !change_join(tail, cfg, err))
        return false;
    use_config(tail, cfg, host);
    tail->told_full = tail->has_scanned = false;
    tail->has_checkpoint = true;
    for (uint32_t i = 0; i < tail->table.room; i++) {
        struct tail_file *file = tail_table_at(&tail->table, i);
        if (file == NULL)
            continue;
        resource_unref(&file->resource); /* made anew, by the host of now */
        file->ahead = AHEAD_NONE;        /* how long a line may be has changed */
        file->hold = (struct tail_hold){ .any = false };
        if (!file->finished)
            tail_queue_push(&tail->table, file);
    }
    return true;
}

static bool tail_restore(void *state, struct slice checkpoint, struct err *err)
{
    return tail_checkpoint_restore(state, checkpoint, err);
}

static void hear_of_file(void *context, int watch)
{
    struct tail *tail = context;
    struct tail_file *file = tail_table_by_watch(&tail->table, watch);
    if (file != NULL)
        tail_queue_push(&tail->table, file);
}

static bool is_ours(void *context, const char *name)
{
    return tail_scan_is_ours(context, name);
}

static void expire_rotated(struct tail *tail, int64_t now_ms)
{
    tail->next_expiry_ms = 0;
    for (uint32_t i = 0; i < tail->table.room; i++) {
        struct tail_file *file = tail_table_at(&tail->table, i);
        if (file == NULL || !file->moved || file->finished || file->finishing)
            continue;
        if (file->active_ms + tail->config->rotate_wait > now_ms) {
            tail_file_expect(tail, file);
        } else {
            file->finishing = true;
            tail_queue_push(&tail->table, file);
        }
    }
}

static void expire_held(struct tail *tail, int64_t now_ms)
{
    tail->next_join_ms = 0;
    for (uint32_t i = 0; i < tail->table.room; i++) {
        struct tail_file *file = tail_table_at(&tail->table, i);
        int64_t due_ms = file == NULL ? 0 : tail_join_due_ms(tail->join, &file->hold);
        if (due_ms != 0 && due_ms <= now_ms)
            tail_queue_push(&tail->table, file);
        else if (due_ms != 0)
            tail_file_expect_line(tail, file);
    }
}

/* A wake-up costs as much as a hundred lines. The longer lines wait in the lane anyway, the longer
 * they may wait in the file; where much comes, a short nap keeps the distance to the writer, and to
 * its next rotation, small. */
static int64_t nap_ms(const struct tail *tail, const struct sink *sink)
{
    int64_t share_ms = sink_max_wait_ms(sink) / NAPS_IN_A_WAIT;

    if (tail->round_bytes > tail->buffer_bytes / 2 || share_ms < NAP_LEAST_MS)
        return NAP_LEAST_MS;
    return share_ms < NAP_MOST_MS ? share_ms : NAP_MOST_MS;
}

/* Since the round before, if that was followed by a nap. */
static int64_t rested_ms(const struct tail *tail, int64_t now_ms)
{
    if (tail->nap_until_ms == 0)
        return 0;
    return now_ms - tail->round_ms < NAP_MOST_MS ? now_ms - tail->round_ms : NAP_MOST_MS;
}

static enum collected tail_collect(void *state, struct sink *sink)
{
    struct tail *tail = state;
    int64_t now_ms = clock_now_ms();
    struct tail_news news = { .context = tail, .file = hear_of_file, .is_ours = is_ours };

    tail_watch_read(&tail->watch, &news);
    tail->scan_due |= news.folders || (news.rights && tail_refused_any(&tail->refused));
    if (!tail->has_scanned || now_ms >= tail->next_scan_ms ||
        (tail->scan_due && now_ms >= tail->scan_rest_ms))
        tail_scan(tail, sink, now_ms);
    if (tail->next_expiry_ms != 0 && now_ms >= tail->next_expiry_ms)
        expire_rotated(tail, now_ms);
    if (tail->next_join_ms != 0 && now_ms >= tail->next_join_ms)
        expire_held(tail, now_ms);
    sink_waited(sink, rested_ms(tail, now_ms));
    enum tail_round round = tail_read_round(tail, sink, now_ms);
    tail->round_ms = now_ms;
    sink_set(sink, SINK_SOURCES_OPEN, tail->open_count);
    sink_set(sink, SINK_SOURCES_REFUSED, tail->refused.file_count);
    sink_set(sink, SINK_LAG_BYTES, tail->lag_bytes);
    tail->nap_until_ms = round == TAIL_ROUND_TOOK     ? now_ms + nap_ms(tail, sink)
                         : round == TAIL_ROUND_FAILED ? now_ms + FAILED_NAP_MS
                                                      : 0;
    if (round == TAIL_ROUND_STOPPED)
        return COLLECT_IDLE;
    if (round == TAIL_ROUND_FAILED)
        return COLLECT_FAILED;
    return tail->table.queue_first == NULL ? COLLECT_IDLE : COLLECT_MORE;
}

static int64_t earlier(int64_t a_ms, int64_t b_ms) /* 0: never */
{
    if (a_ms == 0 || b_ms == 0)
        return a_ms == 0 ? b_ms : a_ms;
    return a_ms < b_ms ? a_ms : b_ms;
}

static void tail_wait(void *state, struct waits *waits)
{
    const struct tail *tail = state;
    int64_t scan_ms = tail->scan_due ? tail->scan_rest_ms : tail->next_scan_ms;

    waits->until_ms = earlier(earlier(scan_ms, tail->next_expiry_ms), tail->nap_until_ms);
    waits->until_ms = earlier(waits->until_ms, tail->next_join_ms);
    if (tail->nap_until_ms == 0 && tail->watch.fd >= 0)
        waits->fds[waits->fd_count++] = tail->watch.fd;
}

static void tail_settle(void *state, const void *mark, size_t bytes)
{
    struct tail *tail = state;
    struct tail_pending_position settled;
    struct tail_mark position;

    CHECK(bytes == sizeof(position));
    memcpy(&position, mark, sizeof(position));
    while (tail_pending_pop(&tail->pending, position.pushed, &settled)) {
        struct tail_file *file = tail_table_get(&tail->table, settled.ref);
        if (file != NULL && file->generation == settled.generation)
            file->settled = settled.position;
        else if (file != NULL && file->generation == settled.generation + 1)
            file->cut.settled = settled.position; /* a copy may be found yet */
    }
}

static bool tail_save(void *state, struct buf *ret_checkpoint)
{
    return tail_checkpoint_save(state, ret_checkpoint);
}

static void tail_sources(void *state, source_tell_fn *tell, void *context)
{
    tail_account(state, tell, context);
}

static void tail_close(void *state)
{
    struct tail *tail = state;

    tail_table_fini(&tail->table);
    tail_pending_fini(&tail->pending);
    patterns_plain_free(&tail->exclude);
    tail_watch_close(&tail->watch);
    tail_join_free(&tail->join);
    tail_join_free(&tail->spare_join);
    free(tail->buffer);
    tail->buffer = NULL;
}

const struct input input_tail = {
    .type = { PLUGIN_TYPE("tail", "Lines of files, over rotation, truncation and restarts",
                          tail_config, tail),
              .traits = INPUT_REREADABLE, .max_event_bytes = tail_max_event_bytes,
              .memory_bytes = tail_memory_bytes, .globs = tail_globs, .check = tail_check },
    .open = tail_open,
    .restore = tail_restore,
    .collect = tail_collect,
    .wait = tail_wait,
    .settle = tail_settle,
    .save = tail_save,
    .sources = tail_sources,
    .recall = tail_checkpoint_recall,
    .close = tail_close,
    .change = tail_change,
};
