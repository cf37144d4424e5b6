/* SPDX-License-Identifier: Apache-2.0 */
/* checkpoint: the settled positions as text. A head line, then a line for each file:
 *     device inode born modified offset prefix_bytes prefix_hash last_bytes last_hash generation
 *     size home gone path
 * `gone` is 0 of a file that has unsettled bytes, though it was read to its end: after a crash it
 * is read again. Times are Unix nanoseconds, hashes hexadecimal, the path is percent-encoded and
 * last. */
#include "account.h"

#include <ctype.h>
#include <limits.h>

static const char HEAD[] = "spillway-tail 1 ";
enum { LINE_FIELDS = 13, LINE_BYTES_MAX = LINE_FIELDS * 24 + PATH_MAX * 3 };

static void add_path(struct buf *ret, const char *path)
{
    const char *plain = path;

    for (const char *at = path; *at != '\0'; at++) {
        unsigned char byte = (unsigned char)*at;
        if (byte > ' ' && byte != '%' && byte != 0x7f)
            continue;
        (void)buf_add(ret, plain, (size_t)(at - plain));
        (void)buf_printf(ret, "%%%02X", byte);
        plain = at + 1;
    }
    (void)buf_add_text(ret, plain);
}

/* The first bytes are those that were read, also beyond what is settled: so a file that is cut off
 * while the agent is down is known to be cut off, though nothing of it was settled. */
static struct tail_position position_of(const struct tail_file *file)
{
    struct tail_position ret = file->settled;

    if (file->loaded && file->read.offset > ret.offset) {
        struct tail_position read = tail_cursor_position(&file->read);
        ret.prefix_bytes = read.prefix_bytes;
        ret.prefix_hash = read.prefix_hash;
    }
    return ret;
}

static void add_file(struct buf *ret, const struct tail_file *file)
{
    int64_t gone_ns = tail_file_is_settled(file) ? file->gone_ns : 0;
    const struct tail_identity *id = &file->identity;
    const struct tail_position at = position_of(file);
    bool is_copy = file->held_ms != 0 && file->held_bytes > 0; /* it is in the live file */
    uint64_t size = is_copy ? at.offset : file->size;

    (void)buf_printf(ret, "%llu %llu %lld %lld ", (unsigned long long)id->device,
                     (unsigned long long)id->inode, (long long)id->born_ns,
                     (long long)file->modified_ns);
    (void)buf_printf(ret, "%llu %u %llx %u %llx ", (unsigned long long)at.offset, at.prefix_bytes,
                     (unsigned long long)at.prefix_hash, at.last_bytes,
                     (unsigned long long)at.last_hash);
    (void)buf_printf(ret, "%u %llu %lld %lld ", file->generation, (unsigned long long)size,
                     (long long)file->home_ns, (long long)gone_ns);
    add_path(ret, file->path);
    (void)buf_add(ret, "\n", 1);
}

bool tail_checkpoint_save(struct tail *tail, struct buf *ret)
{
    (void)buf_printf(ret, "%s%lld\n", HEAD, (long long)tail->known_ns);
    for (uint32_t i = 0; i < tail->table.room; i++) {
        const struct tail_file *file = tail_table_at(&tail->table, i);
        if (file != NULL && file->identity.inode != 0)
            add_file(ret, file);
    }
    return !ret->failed;
}

/* One number, ended by a blank. false: not that. Signs and leading blanks are not ours. */
static bool take_number(char **at, int base, uint64_t *ret)
{
    char *end = NULL;

    if (!isxdigit((unsigned char)**at))
        return false;
    errno = 0;
    *ret = strtoull(*at, &end, base);
    if (errno != 0 || *end != ' ')
        return false;
    *at = end + 1;
    return true;
}

/* In place. false: not what add_path() writes. */
static bool decode_path(char *path)
{
    char *to = path;

    for (const char *at = path; *at != '\0'; at++) {
        if (*at != '%') {
            *to++ = *at;
            continue;
        }
        if (!isxdigit((unsigned char)at[1]) || !isxdigit((unsigned char)at[2]))
            return false;
        char digits[3] = { at[1], at[2], '\0' };
        *to = (char)strtoul(digits, NULL, 16);
        if (*to++ == '\0')
            return false;
        at += 2;
    }
    *to = '\0';
    return to > path && to - path < PATH_MAX;
}

/* A line of the checkpoint as it was read. */
struct saved {
    struct tail_identity identity;
    struct tail_position position;
    int64_t modified_ns, home_ns, gone_ns;
    uint32_t generation;
    uint64_t size;
    const char *path; /* in the line */
};

static bool check_saved(const uint64_t *field, const char *path, struct saved *ret)
{
    if (field[1] == 0 || field[2] > INT64_MAX || field[3] > INT64_MAX || field[4] > INT64_MAX ||
        field[5] > TAIL_PREFIX_BYTES || field[7] > TAIL_LAST_BYTES || field[7] > field[4] ||
        field[9] > UINT32_MAX || field[10] > INT64_MAX || field[11] > INT64_MAX ||
        field[12] > INT64_MAX)
        return false;
    *ret = (struct saved){ .identity = { field[0], field[1], (int64_t)field[2] },
                           .position = { .offset = field[4],
                                         .prefix_bytes = (uint32_t)field[5],
                                         .prefix_hash = field[6],
                                         .last_bytes = (uint32_t)field[7],
                                         .last_hash = field[8] },
                           .modified_ns = (int64_t)field[3],
                           .home_ns = (int64_t)field[11],
                           .gone_ns = (int64_t)field[12],
                           .generation = (uint32_t)field[9],
                           .size = field[10],
                           .path = path };
    return true;
}

static bool read_line(char *line, struct saved *ret)
{
    uint64_t field[LINE_FIELDS];

    for (size_t i = 0; i < LINE_FIELDS; i++) {
        bool is_hash = i == 6 || i == 8;
        if (!take_number(&line, is_hash ? 16 : 10, &field[i]))
            return false;
    }
    return decode_path(line) && check_saved(field, line, ret);
}

static bool restore_line(struct tail *tail, char *line)
{
    struct saved saved;

    if (!read_line(line, &saved) ||
        tail_table_by_inode(&tail->table, saved.identity.device, saved.identity.inode) != NULL)
        return false;
    struct tail_file *file = tail_table_add(&tail->table, saved.path, saved.identity);
    if (file == NULL) {
        if (tail->table.count < tail->table.max) /* no memory: it is read twice, not left out */
            tail->known_ns = 0;
        return true; /* max_files was lowered: those beyond it are met as new ones */
    }
    file->settled = saved.position;
    file->modified_ns = saved.modified_ns;
    file->home_ns = saved.home_ns;
    file->generation = saved.generation;
    file->size = saved.size;
    file->gone_ns = saved.gone_ns;
    file->finished = file->moved = file->gone_ns != 0;
    tail_file_note(tail, file);
    return true;
}

static bool read_head(const char *line, int64_t *ret_known_ns)
{
    char *end = NULL;

    if (strncmp(line, HEAD, sizeof(HEAD) - 1) != 0 ||
        !isdigit((unsigned char)line[sizeof(HEAD) - 1]))
        return false;
    errno = 0;
    int64_t known_ns = strtoll(line + sizeof(HEAD) - 1, &end, 10);
    if (errno != 0 || *end != '\0')
        return false;
    *ret_known_ns = known_ns;
    return true;
}

static bool next_line(struct slice *text, char *ret_line)
{
    const char *newline = text->bytes == 0 ? NULL : memchr(text->data, '\n', text->bytes);
    size_t bytes = newline == NULL ? 0 : (size_t)(newline - text->data);

    if (newline == NULL || bytes >= LINE_BYTES_MAX || memchr(text->data, '\0', bytes) != NULL)
        return false;
    memcpy(ret_line, text->data, bytes);
    ret_line[bytes] = '\0';
    *text = (struct slice){ newline + 1, text->bytes - bytes - 1 };
    return true;
}

static void forget_all(struct tail *tail)
{
    uint32_t max = tail->table.max;
    tail_table_fini(&tail->table);
    tail_table_init(&tail->table, max);
    tail->lag_bytes = 0;
}

bool tail_checkpoint_restore(struct tail *tail, struct slice text, struct err *err)
{
    char line[LINE_BYTES_MAX];
    int64_t known_ns = tail->known_ns;
    unsigned number = 1;

    bool ok = next_line(&text, line) && read_head(line, &tail->known_ns);
    for (; ok && text.bytes > 0; number++)
        ok = next_line(&text, line) && restore_line(tail, line);
    tail->has_checkpoint = ok;
    if (ok)
        return true;
    forget_all(tail);
    tail->known_ns = known_ns;
    return err_set(err, "line %u of the checkpoint is damaged", number);
}

bool tail_checkpoint_recall(struct slice text, source_tell_fn *tell, void *context)
{
    char line[LINE_BYTES_MAX];
    int64_t known_ns;

    bool ok = next_line(&text, line) && read_head(line, &known_ns);
    while (ok && text.bytes > 0) {
        struct saved saved;
        ok = next_line(&text, line) && read_line(line, &saved);
        if (ok)
            tail_account_saved(saved.path, &saved.identity, &saved.position, saved.size,
                               saved.gone_ns != 0, tell, context);
    }
    return ok;
}
