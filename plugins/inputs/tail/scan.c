/* SPDX-License-Identifier: Apache-2.0 */
/* scan: all patterns against the table. It runs when the kernel says that names changed, and slowly
 * anyway: so what inotify cannot see (network file systems, lost notifications, mounts, new
 * permissions) is found later, and not never. */
#include "copy.h"

static const int64_t STAMP_SLACK_NS = NS_PER_S; /* file systems stamp with a coarse clock */
static const int64_t GONE_KEPT_NS = INT64_C(24) * 3600 * NS_PER_S;
enum { SCAN_REST_MS = 100, POLL_MS = 1000 };
/* A look at very many names takes long: then it is taken less often, for a share of a core. */
enum { MANY_NAMES = 2000, REST_FACTOR = 20, REST_MOST_MS = 5000, POLL_FACTOR = 100 };

bool tail_scan_is_ours(const struct tail *tail, const char *name)
{
    for (size_t i = 0; i < tail->config->paths.count; i++) {
        if (patterns_may_end_with(tail->config->paths.items[i], name))
            return true;
    }
    return false;
}

/* Unfolded already, if there was memory. */
static struct text_list excluding(const struct tail *tail)
{
    const struct patterns_plain *plain = &tail->exclude;

    if (plain->items == NULL)
        return tail->config->exclude;
    return (struct text_list){ (const char **)plain->items, plain->count };
}

bool tail_scan_excludes(const struct tail *tail, const char *path)
{
    struct text_list exclude = excluding(tail);

    return patterns_excluding(exclude.items, exclude.count, path) != NULL;
}

static bool begins_at_end(const struct tail *tail, const struct tail_stat *stat)
{
    int64_t age_ms = (clock_real_ns() - stat->modified_ns) / NS_PER_MS;

    int64_t born_ns = stat->identity.born_ns;

    if (tail->config->ignore_older > 0 && age_ms > tail->config->ignore_older)
        return true;
    if (born_ns == 0 && tail->has_checkpoint)
        born_ns = stat->modified_ns; /* not known: rather read twice than not at all */
    /* the user's "now" is exact; what a checkpoint may lack is rather read than left out */
    int64_t known_ns = tail->known_ns - (tail->has_checkpoint ? STAMP_SLACK_NS : 0);
    return !tail->has_scanned && tail->config->start_at == TAIL_START_END && born_ns <= known_ns;
}

/* Its inode belongs to another file now, so it is gone itself. It must not be found by it again. */
static void part_with(struct tail *tail, struct sink *sink, struct tail_file *file)
{
    tail_table_set_identity(&tail->table, file,
                            (struct tail_identity){ .born_ns = file->identity.born_ns });
    file->seen = file->at_home = false;
    if (!file->moved)
        tail_file_move(tail, sink, file);
    if (file->fd < 0 && !file->finished)
        tail_file_vanish(tail, sink, file);
}

/* After a boot a device may have another number: known by path, inode, and then by content. */
static struct tail_file *find_on_other_device(struct tail *tail, const char *path,
                                              const struct tail_stat *stat)
{
    struct tail_file *file = NULL;

    while ((file = tail_table_by_path(&tail->table, path, file)) != NULL) {
        struct tail_identity as_before = stat->identity;
        as_before.device = file->identity.device;
        if (!file->loaded && !file->is_new && tail_identity_same(&file->identity, &as_before)) {
            tail_table_set_identity(&tail->table, file, stat->identity);
            return file;
        }
    }
    return NULL;
}

struct tail_file *tail_scan_find(struct tail *tail, struct sink *sink, const struct tail_stat *stat)
{
    struct tail_file *file =
        tail_table_by_inode(&tail->table, stat->identity.device, stat->identity.inode);

    if (file == NULL || tail_identity_same(&file->identity, &stat->identity))
        return file;
    part_with(tail, sink, file);
    return NULL;
}

/* A rotated file is looked for beside its path, and this may be in another folder. */
static void note_other_path(struct tail_file *file, const char *path)
{
    if (file->other_path != NULL && strcmp(file->other_path, path) == 0)
        return;
    free(file->other_path);
    file->other_path = strdup(path);
}

static void note_seen(struct tail *tail, struct tail_file *file, const char *path,
                      const struct tail_stat *stat)
{
    bool has_news = stat->size != file->size || stat->modified_ns != file->modified_ns;

    file->seen = true;
    file->left_out = false;
    if (strcmp(file->path, path) == 0) {
        file->at_home = true;
        file->home_ns = tail->scan_ns;
    } else {
        note_other_path(file, path);
    }
    file->modified_ns = stat->modified_ns;
    file->gone_ns = 0;
    if (file->identity.born_ns == 0 && stat->identity.born_ns != 0)
        tail_table_set_identity(&tail->table, file, stat->identity);
    if (has_news || file->failed || !file->loaded || file->held_ms != 0) {
        file->finished = false;
        tail_queue_push(&tail->table, file);
    }
}

struct look {
    struct tail *tail;
    struct sink *sink;
};

static void leave_folder_out(void *context, enum find_trouble trouble, const char *folder,
                             int error)
{
    const struct look *look = context;
    tail_refused_folder(&look->tail->refused, look->sink, trouble, folder, error);
}

/* Its folder lets names be read, and no files. */
static void cannot_look_at(void *context, const char *path, int error)
{
    const char *slash = strrchr(path, '/');
    char folder[PATH_MAX];

    (void)snprintf(folder, sizeof(folder), "%.*s", slash == NULL ? 1 : (int)(slash - path),
                   slash == NULL ? "." : path);
    leave_folder_out(context, FIND_REFUSED, folder[0] == '\0' ? "/" : folder, error);
}

static void visit(void *context, const char *path)
{
    const struct look *look = context;
    struct tail *tail = look->tail;
    struct tail_stat stat;

    if (tail_scan_excludes(tail, path))
        return;
    if (!tail_stat_path(path, &stat)) {
        if (!tail_is_absence(errno))
            cannot_look_at(context, path, errno);
        return;
    }
    if (!stat.is_regular || tail_own_leaves_out(tail, look->sink, path, &stat))
        return;
    struct tail_file *file = tail_scan_find(tail, look->sink, &stat);
    if (file == NULL)
        file = find_on_other_device(tail, path, &stat);
    if (file == NULL)
        file = tail_file_add(tail, look->sink, path, &stat, begins_at_end(tail, &stat));
    if (file != NULL)
        note_seen(tail, file, path, &stat);
}

/* Watched before it is looked into, so that nothing falls between. */
static bool may_look_into(void *context, const char *folder)
{
    const struct look *look = context;
    struct text_list exclude = excluding(look->tail);

    if (patterns_exclude_below(exclude.items, exclude.count, folder))
        return false;
    tail_watch_folder(&look->tail->watch, folder);
    return true;
}

static void visit_all(struct tail *tail, struct sink *sink)
{
    struct look look = { tail, sink };
    struct find find = { .context = &look,
                         .file = visit,
                         .folder = may_look_into,
                         .left_out = leave_folder_out,
                         .folders_max = (size_t)tail->config->max_folders };

    tail_watch_begin(&tail->watch);
    tail_refused_begin(&tail->refused);
    for (size_t i = 0; i < tail->config->paths.count; i++)
        find_all(&find, tail->config->paths.items[i]);
    tail_refused_end(&tail->refused);
    tail_watch_end(&tail->watch);
    tail->folder_count = find.folders;
    sink_set(sink, SINK_FOLDERS_LEFT_OUT, tail->refused.folder_count);
}

/* A file under no name of ours is not met by the globs: is there more in it, or can it be read now?
 */
static bool may_have_news(const struct tail_file *file)
{
    struct tail_stat stat;

    if (file->fd < 0)
        return file->failed || !file->loaded || file->watch < 0;
    return tail_stat_fd(file->fd, &stat) && stat.size != file->size;
}

/* A newcomer, or one of the checkpoint: nothing of it was read. */
static bool is_copy(struct tail *tail, struct sink *sink, struct tail_file *file)
{
    return file->at_home && !file->moved && !file->loaded && !file->snap &&
           file->settled.offset == 0 && tail_copy_judge(tail, sink, file) != TAIL_COPY_NOT;
}

/* Rotated, and could not be opened for so long that it would only fill the table. */
static bool is_out_of_reach(const struct tail_file *file)
{
    return file->moved && !file->finished && file->failed && file->fd < 0 &&
           clock_now_ms() - file->failed_ms > GONE_KEPT_NS / NS_PER_MS;
}

/* A folder above it was not looked into, as far as that goes it is at its path. */
static bool is_hidden(const struct tail *tail, const struct tail_file *file)
{
    struct tail_stat stat;

    if (file->seen || (file->moved && !file->finished) ||
        !tail_refused_hides(&tail->refused, file->path))
        return false;
    if (!tail_stat_path(file->path, &stat))
        return !tail_is_absence(errno);
    return tail_identity_same(&stat.identity, &file->identity);
}

static bool is_wanted_path(const struct tail *tail, const char *path)
{
    const struct text_list *paths = &tail->config->paths;

    for (size_t i = 0; i < paths->count; i++) {
        if (patterns_fit(paths->items[i], path).fits)
            return !tail_scan_excludes(tail, path);
    }
    return false;
}

/* The look did not meet it, as it was not to. Patterns change with the configuration alone. */
static bool is_left_out(const struct tail *tail, const struct tail_file *file)
{
    if (file->seen || file->finished)
        return false;
    return tail_own_is(tail, &file->identity) ||
           (!tail->has_scanned && !is_wanted_path(tail, file->path));
}

/* What the look at all names says about one file. */
static void conclude(struct tail *tail, struct sink *sink, struct tail_file *file)
{
    if (is_copy(tail, sink, file))
        return;
    if (is_left_out(tail, file)) {
        tail_file_leave_out(tail, file);
        return;
    }
    if (is_hidden(tail, file))
        return; /* nothing is said: neither that it has left its path nor that it is gone */
    if (file->at_home && file->moved) {
        file->moved = file->finishing = file->finished = false;
        tail_queue_push(&tail->table, file);
        tail_rotate_order(tail, file->path);
    } else if (!file->at_home && !file->moved) {
        tail_file_move(tail, sink, file);
    } else if (file->moved && !file->finished && may_have_news(file)) {
        tail_queue_push(&tail->table, file);
    }
    if (is_out_of_reach(file))
        tail_file_vanish(tail, sink, file);
    if (file->moved && !file->finished)
        tail_rotate_find_missed(tail, sink, file->path, NULL);
    if (file->finished && !file->seen && file->gone_ns == 0)
        file->gone_ns = clock_real_ns();
}

static void conclude_newcomer(struct tail *tail, struct sink *sink, struct tail_file *file)
{
    file->is_new = false;
    if (!file->at_home)
        conclude(tail, sink, file);
    else if (is_copy(tail, sink, file))
        return;
    else if (!tail_rotate_adopt(tail, sink, file))
        tail_rotate_find_missed(tail, sink, file->path, file);
}

static void conclude_all(struct tail *tail, struct sink *sink)
{
    /* who has left comes before who is new: a newcomer asks for the last one of its path */
    for (uint32_t i = 0; i < tail->table.room; i++) {
        struct tail_file *file = tail_table_at(&tail->table, i);
        if (file != NULL && !file->is_new)
            conclude(tail, sink, file);
    }
    for (uint32_t i = 0; i < tail->table.room; i++) {
        struct tail_file *file = tail_table_at(&tail->table, i);
        if (file != NULL && file->is_new)
            conclude_newcomer(tail, sink, file);
    }
}

static bool is_long_gone(const struct tail_file *file, int64_t now_ns)
{
    return file->gone_ns != 0 && !file->queued && now_ns - file->gone_ns > GONE_KEPT_NS &&
           tail_file_is_settled(file);
}

/* What was not read yet is held open, though its turn may come late: it may be removed until then.
 */
static void hold_and_forget(struct tail *tail, struct sink *sink)
{
    int64_t now_ns = clock_real_ns();

    for (uint32_t i = 0; i < tail->table.room; i++) {
        struct tail_file *file = tail_table_at(&tail->table, i);
        if (file != NULL && is_long_gone(file, now_ns))
            tail_file_drop(tail, &file);
        else if (file != NULL && file->queued && !file->finished &&
                 tail->open_count < tail->max_open)
            (void)tail_file_open(tail, sink, file);
    }
}

/* Those that are open and could not be watched: again, until the kernel refuses. Returns how many
 * are left. */
static uint64_t watch_files(struct tail *tail)
{
    uint64_t unwatched = 0;

    for (uint32_t i = 0; i < tail->table.room; i++) {
        struct tail_file *file = tail_table_at(&tail->table, i);
        if (file == NULL || file->finished || !file->loaded || file->watch >= 0)
            continue;
        if (file->fd >= 0 && tail->watch.reason == NULL)
            tail_table_set_watch(&tail->table, file,
                                 tail_watch_file(&tail->watch, file->fd, file->path));
        unwatched += file->watch < 0;
    }
    return unwatched;
}

/* As long as `factor` times what the look took, within bounds. */
static int64_t pause_of(int64_t took_ms, int64_t factor, int64_t least_ms, int64_t most_ms)
{
    int64_t pause_ms = took_ms * factor > least_ms ? took_ms * factor : least_ms;
    return pause_ms < most_ms ? pause_ms : most_ms;
}

static void plan_next(struct tail *tail, struct sink *sink, int64_t now_ms)
{
    bool are_many = tail->table.count + tail->folder_count >= MANY_NAMES;
    int64_t took_ms = are_many ? clock_now_ms() - now_ms : 0;
    int64_t pause_ms = tail->config->rescan;

    sink_set(sink, SINK_SOURCES_UNWATCHED, tail->watch.folders_refused + watch_files(tail));
    const char *reason = tail->watch.reason;
    if (reason == NULL && tail->told_polling)
        sink_tell(sink, LOG_INFO, "file notifications are back", "inotify", "all are watched");
    if (reason != NULL && !tail->told_polling)
        sink_tell(sink, LOG_WARN, "no more file notifications, polling", "inotify", reason);
    tail->told_polling = reason != NULL;
    if (reason != NULL)
        pause_ms = pause_of(took_ms, POLL_FACTOR, POLL_MS, pause_ms);
    tail->next_scan_ms = now_ms + pause_ms;
    tail->scan_rest_ms = now_ms + pause_of(took_ms, REST_FACTOR, SCAN_REST_MS, REST_MOST_MS);
}

void tail_scan(struct tail *tail, struct sink *sink, int64_t now_ms)
{
    tail->scan_ns = clock_real_ns();
    tail_own_look(tail);
    tail->scan_due = false; /* unless something leaves meanwhile */
    for (uint32_t i = 0; i < tail->table.room; i++) {
        struct tail_file *file = tail_table_at(&tail->table, i);
        if (file != NULL)
            file->seen = file->at_home = false;
    }
    visit_all(tail, sink);
    conclude_all(tail, sink);
    hold_and_forget(tail, sink);
    tail_file_keep(tail, sink);
    plan_next(tail, sink, now_ms);
    tail->has_scanned = true;
    tail->known_ns = tail->scan_ns;
}
