/* SPDX-License-Identifier: Apache-2.0 */
/* table: fixed buckets and chains inside the files: with ten thousand files a chain has ten, and a
 * tail of one file pays 24 KiB of pages that are never touched. */
#include "table.h"

enum { FIRST_SLOTS = 16 };

static struct tail_file **inode_bucket(const struct tail_table *table, uint64_t device,
                                       uint64_t inode)
{
    uint64_t mixed = (inode ^ (device << 32)) * UINT64_C(0x9E3779B97F4A7C15);
    return (struct tail_file **)&table->by_inode[(mixed >> 32) % TAIL_BUCKETS];
}

static struct tail_file **path_bucket(const struct tail_table *table, const char *path)
{
    uint32_t hash = 5381;
    for (const char *at = path; *at != '\0'; at++)
        hash = hash * 33 + (unsigned char)*at;
    return (struct tail_file **)&table->by_path[hash % TAIL_BUCKETS];
}

static struct tail_file **watch_bucket(const struct tail_table *table, int watch)
{
    return (struct tail_file **)&table->by_watch[(unsigned)watch % TAIL_BUCKETS];
}

static void link_inode(struct tail_table *table, struct tail_file *file)
{
    struct tail_file **head = inode_bucket(table, file->identity.device, file->identity.inode);
    file->next_inode = *head;
    *head = file;
}

static void unlink_inode(struct tail_table *table, struct tail_file *file)
{
    struct tail_file **at = inode_bucket(table, file->identity.device, file->identity.inode);
    while (*at != file)
        at = &(*at)->next_inode;
    *at = file->next_inode;
}

static void link_path(struct tail_table *table, struct tail_file *file)
{
    struct tail_file **head = path_bucket(table, file->path);
    file->next_path = *head;
    *head = file;
}

static void unlink_path(struct tail_table *table, struct tail_file *file)
{
    struct tail_file **at = path_bucket(table, file->path);
    while (*at != file)
        at = &(*at)->next_path;
    *at = file->next_path;
}

void tail_table_set_watch(struct tail_table *table, struct tail_file *file, int watch)
{
    if (file->watch >= 0) {
        struct tail_file **at = watch_bucket(table, file->watch);
        while (*at != file)
            at = &(*at)->next_watch;
        *at = file->next_watch;
    }
    file->watch = watch;
    if (watch >= 0) {
        struct tail_file **head = watch_bucket(table, watch);
        file->next_watch = *head;
        *head = file;
    }
}

void tail_table_init(struct tail_table *table, uint32_t max)
{
    table->max = max;
}

static void free_file(struct tail_file *file)
{
    if (file->fd >= 0)
        (void)close(file->fd);
    resource_unref(&file->resource);
    free(file->path);
    free(file->other_path);
    free(file);
}

void tail_table_fini(struct tail_table *table)
{
    for (uint32_t i = 0; i < table->room; i++) {
        if (table->slots[i] != NULL)
            free_file(table->slots[i]);
    }
    free(table->slots);
    *table = (struct tail_table){ .max = 0 };
}

static bool grow(struct tail_table *table)
{
    uint32_t room = table->room == 0 ? FIRST_SLOTS : table->room * 2;
    room = room < table->max ? room : table->max;
    struct tail_file **slots = realloc(table->slots, room * sizeof(struct tail_file *));
    if (slots == NULL)
        return false;
    memset(slots + table->room, 0, (room - table->room) * sizeof(struct tail_file *));
    table->free_hint = table->room;
    table->slots = slots;
    table->room = room;
    return true;
}

static uint32_t take_slot(struct tail_table *table)
{
    while (table->slots[table->free_hint] != NULL)
        table->free_hint = (table->free_hint + 1) % table->room;
    return table->free_hint;
}

struct tail_file *tail_table_add(struct tail_table *table, const char *path,
                                 struct tail_identity identity)
{
    if (table->count >= table->max || (table->count == table->room && !grow(table)))
        return NULL;
    struct tail_file *file = calloc(1, sizeof(*file));
    char *own_path = strdup(path);
    if (file == NULL || own_path == NULL) {
        free(file);
        free(own_path);
        return NULL;
    }
    *file = (struct tail_file){
        .path = own_path,
        .identity = identity,
        .fd = -1,
        .watch = -1,
        .read = tail_cursor_make(),
    };
    if (++table->last_serial == 0)
        table->last_serial = 1;
    file->ref = (struct tail_ref){ take_slot(table), table->last_serial };
    table->slots[file->ref.slot] = file;
    table->count++;
    link_inode(table, file);
    link_path(table, file);
    return file;
}

void tail_table_remove(struct tail_table *table, struct tail_file **filep)
{
    struct tail_file *file = *filep;

    *filep = NULL;
    CHECK(!file->queued);
    unlink_inode(table, file);
    unlink_path(table, file);
    tail_table_set_watch(table, file, -1);
    table->slots[file->ref.slot] = NULL;
    table->count--;
    free_file(file);
}

struct tail_file *tail_table_at(const struct tail_table *table, uint32_t slot)
{
    return slot < table->room ? table->slots[slot] : NULL;
}

struct tail_file *tail_table_get(const struct tail_table *table, struct tail_ref ref)
{
    struct tail_file *file = tail_table_at(table, ref.slot);
    return file != NULL && file->ref.serial == ref.serial ? file : NULL;
}

struct tail_file *tail_table_by_inode(const struct tail_table *table, uint64_t device,
                                      uint64_t inode)
{
    struct tail_file *file = *inode_bucket(table, device, inode);
    while (file != NULL && (file->identity.inode != inode || file->identity.device != device))
        file = file->next_inode;
    return file;
}

struct tail_file *tail_table_by_watch(const struct tail_table *table, int watch)
{
    struct tail_file *file = *watch_bucket(table, watch);
    while (file != NULL && file->watch != watch)
        file = file->next_watch;
    return file;
}

struct tail_file *tail_table_by_path(const struct tail_table *table, const char *path,
                                     const struct tail_file *previous)
{
    struct tail_file *file = previous == NULL ? *path_bucket(table, path) : previous->next_path;
    while (file != NULL && strcmp(file->path, path) != 0)
        file = file->next_path;
    return file;
}

bool tail_table_set_path(struct tail_table *table, struct tail_file *file, const char *path)
{
    char *own_path = strdup(path);

    if (own_path == NULL)
        return false;
    unlink_path(table, file);
    free(file->path);
    file->path = own_path;
    link_path(table, file);
    resource_unref(&file->resource); /* it names the path */
    return true;
}

void tail_table_set_identity(struct tail_table *table, struct tail_file *file,
                             struct tail_identity identity)
{
    unlink_inode(table, file);
    file->identity = identity;
    link_inode(table, file);
}

void tail_queue_push(struct tail_table *table, struct tail_file *file)
{
    if (file->queued)
        return;
    file->queued = true;
    file->next_queued = NULL;
    if (table->queue_last == NULL)
        table->queue_first = file;
    else
        table->queue_last->next_queued = file;
    table->queue_last = file;
}

struct tail_file *tail_queue_pop(struct tail_table *table)
{
    struct tail_file *file = table->queue_first;
    if (file == NULL)
        return NULL;
    table->queue_first = file->next_queued;
    if (table->queue_first == NULL)
        table->queue_last = NULL;
    file->queued = false;
    return file;
}
