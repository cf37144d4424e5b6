/* SPDX-License-Identifier: Apache-2.0 */
/* log_recent: a ring of lines. A plain mutex, because it is there before main() and its holder
 * never calls anything else. */
#include "base/log_recent.h"

#include <pthread.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct log_recent_line lines[LOG_RECENT_LINES];
static size_t added; /* since the start of the process */

static const char cut_mark[] = "\xe2\x80\xa6"; /* … */

/* Never in the middle of a character. */
static size_t cut_at(const char *text, size_t bytes)
{
    while (bytes > 0 && ((unsigned char)text[bytes] & 0xc0) == 0x80)
        bytes--;
    return bytes;
}

void log_recent_add(enum log_level level, int64_t real_ns, struct slice text)
{
    enum { MARK_BYTES = sizeof(cut_mark) - 1 };
    bool is_cut = text.bytes >= LOG_RECENT_BYTES;
    size_t bytes = is_cut ? cut_at(text.data, LOG_RECENT_BYTES - 1 - MARK_BYTES) : text.bytes;

    (void)pthread_mutex_lock(&mutex);
    struct log_recent_line *line = &lines[added++ % LOG_RECENT_LINES];
    line->real_ns = real_ns;
    line->level = level;
    memcpy(line->text, text.data, bytes);
    memcpy(line->text + bytes, cut_mark, is_cut ? sizeof(cut_mark) : 0);
    if (!is_cut)
        line->text[bytes] = '\0';
    (void)pthread_mutex_unlock(&mutex);
}

size_t log_recent_copy(struct log_recent_line *ret)
{
    (void)pthread_mutex_lock(&mutex);
    size_t count = added < LOG_RECENT_LINES ? added : LOG_RECENT_LINES;
    for (size_t i = 0; i < count; i++)
        ret[i] = lines[(added - 1 - i) % LOG_RECENT_LINES];
    (void)pthread_mutex_unlock(&mutex);
    return count;
}
