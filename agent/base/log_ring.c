/* SPDX-License-Identifier: Apache-2.0 */
/* log_ring: lines end to end in a ring of bytes, each with a head of fixed size before it. A mutex
 * and no struct lock: a failed CHECK writes no news. */
#include "base/log_ring.h"

#include <pthread.h>

struct head {
    uint64_t number;
    int64_t real_ns;
    uint32_t level, bytes;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char ring[LOG_RING_BYTES];
static uint64_t first_at, end_at; /* bytes ever written; in the ring modulo its size */
static uint64_t last_number;

static size_t bytes_to_end(uint64_t at, size_t bytes)
{
    size_t left = LOG_RING_BYTES - (size_t)(at % LOG_RING_BYTES);
    return bytes < left ? bytes : left;
}

static void copy_in(uint64_t at, const void *from, size_t bytes)
{
    size_t first = bytes_to_end(at, bytes);

    memcpy(ring + at % LOG_RING_BYTES, from, first);
    memcpy(ring, (const char *)from + first, bytes - first);
}

static void copy_out(uint64_t at, void *to, size_t bytes)
{
    size_t first = bytes_to_end(at, bytes);

    memcpy(to, ring + at % LOG_RING_BYTES, first);
    memcpy((char *)to + first, ring, bytes - first);
}

void log_ring_put(int64_t real_ns, enum log_level level, struct slice text)
{
    struct head head = { .real_ns = real_ns, .level = level, .bytes = (uint32_t)text.bytes };
    struct head oldest;

    if (sizeof(head) + text.bytes > LOG_RING_BYTES)
        return;
    (void)pthread_mutex_lock(&mutex);
    head.number = ++last_number;
    while (end_at + sizeof(head) + text.bytes - first_at > LOG_RING_BYTES) {
        copy_out(first_at, &oldest, sizeof(oldest));
        first_at += sizeof(oldest) + oldest.bytes;
    }
    copy_in(end_at, &head, sizeof(head));
    copy_in(end_at + sizeof(head), text.data, text.bytes);
    end_at += sizeof(head) + text.bytes;
    (void)pthread_mutex_unlock(&mutex);
}

bool log_ring_next(uint64_t *number, char *text, size_t room, struct log_news *ret,
                   uint64_t *ret_lost)
{
    struct head head = { .number = 0 };

    (void)pthread_mutex_lock(&mutex);
    for (uint64_t at = first_at; at < end_at && head.number <= *number;
         at += sizeof(head) + head.bytes) {
        copy_out(at, &head, sizeof(head));
        if (head.number <= *number)
            continue;
        size_t bytes = head.bytes < room ? head.bytes : room;
        copy_out(at + sizeof(head), text, bytes);
        *ret = (struct log_news){
            head.number, head.real_ns, (enum log_level)head.level, { text, bytes }
        };
    }
    (void)pthread_mutex_unlock(&mutex);
    if (head.number <= *number)
        return false;
    *ret_lost = head.number - *number - 1;
    *number = head.number;
    return true;
}

uint64_t log_ring_last(void)
{
    (void)pthread_mutex_lock(&mutex);
    uint64_t number = last_number;
    (void)pthread_mutex_unlock(&mutex);
    return number;
}
