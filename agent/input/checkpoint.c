/* SPDX-License-Identifier: Apache-2.0 */
#include "input/checkpoint.h"

#include "base/auto.h"
#include "base/file.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { CHECKPOINT_BYTES = 16 << 20, HEAD_BYTES = 64 };

static const char head_format[] = "spillway-checkpoint 1 %08lx %zu\n";

bool checkpoint_path(const char *state_dir, const char *input, const char *output, char *ret_path,
                     size_t room)
{
    int length = snprintf(ret_path, room, "%s/checkpoints/%s@%s", state_dir, input, output);
    return length > 0 && (size_t)length < room;
}

static unsigned long checksum(struct slice text)
{
    return crc32_z(crc32_z(0, NULL, 0), (const unsigned char *)text.data, text.bytes);
}

bool checkpoint_wrap(struct slice text, struct buf *ret)
{
    return buf_printf(ret, head_format, checksum(text), text.bytes) &&
           buf_add(ret, text.data, text.bytes);
}

bool checkpoint_unwrap(struct slice file, struct slice *ret_text, struct err *err)
{
    const char *end = file.bytes == 0 ? NULL : memchr(file.data, '\n', file.bytes);
    char expected[HEAD_BYTES];

    if (end == NULL || end - file.data >= HEAD_BYTES)
        return err_set(err, "it has no head line");
    size_t head_bytes = (size_t)(end - file.data) + 1;
    struct slice text = { end + 1, file.bytes - head_bytes };
    /* Writing the head again and comparing checks version, sum and length at once. */
    int length = snprintf(expected, sizeof(expected), head_format, checksum(text), text.bytes);
    if (length < 0 || (size_t)length != head_bytes || memcmp(expected, file.data, head_bytes) != 0)
        return err_set(err, "version, length or checksum do not match");
    *ret_text = text;
    return true;
}

static bool read_one(const char *path, struct buf *ret_file, struct slice *ret_text,
                     bool *ret_wants, struct err *err)
{
    buf_clear(ret_file);
    ret_file->limit = CHECKPOINT_BYTES;
    errno = 0;
    if (file_read(path, ret_file, err))
        return checkpoint_unwrap(buf_slice(ret_file), ret_text, err);
    *ret_wants |= ret_file->no_memory || errno == ENOMEM || errno == EMFILE || errno == ENFILE;
    return false;
}

enum checkpoint_found checkpoint_read(const char *path, struct buf *ret_file,
                                      struct slice *ret_text, struct err *err)
{
    char previous[PATH_MAX];
    struct err second;
    bool wants = false;

    if (read_one(path, ret_file, ret_text, &wants, err))
        return CHECKPOINT_READ;
    if (wants)
        return CHECKPOINT_UNREAD;
    bool exists = access(path, F_OK) == 0;
    if (snprintf(previous, sizeof(previous), "%s.previous", path) < (int)sizeof(previous)) {
        if (read_one(previous, ret_file, ret_text, &wants, &second))
            return CHECKPOINT_PREVIOUS;
        exists = exists || access(previous, F_OK) == 0;
    }
    if (wants)
        return CHECKPOINT_UNREAD;
    return exists ? CHECKPOINT_DAMAGED : CHECKPOINT_NONE;
}

struct slice checkpoint_type(struct slice text)
{
    static const char mark[] = "spillway-";
    const size_t at = sizeof(mark) - 1;
    struct slice type = { text.data + at, 0 };

    if (text.bytes <= at || memcmp(text.data, mark, at) != 0)
        return (struct slice){ "", 0 };
    while (at + type.bytes < text.bytes && type.data[type.bytes] != ' ' &&
           type.data[type.bytes] != '\n')
        type.bytes++;
    return type;
}

bool checkpoint_path_of(const char *state_dir, const char *input, const char *output,
                        const char *type, char *ret_path, size_t room)
{
    AUTO(buf_fini) struct buf file = { 0 };
    struct slice text = { "", 0 };
    struct err err;

    if (!checkpoint_path(state_dir, input, output, ret_path, room))
        return false;
    enum checkpoint_found found = checkpoint_read(ret_path, &file, &text, &err);
    if (found != CHECKPOINT_READ && found != CHECKPOINT_PREVIOUS)
        return true;
    struct slice owner = checkpoint_type(text);
    if (owner.bytes == 0 || slice_equals(owner, slice_of(type)))
        return true;
    size_t used = strlen(ret_path);
    int length = snprintf(ret_path + used, room - used, "@%s", type);
    return length > 0 && (size_t)length < room - used;
}
