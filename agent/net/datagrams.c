/* SPDX-License-Identifier: Apache-2.0 */
#include "net/datagrams.h"

#include "base/kept_counts.h"
#include "net/socket.h"

#include <errno.h>
#include <linux/filter.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* SK_MEMINFO_DROPS of linux/sock_diag.h, which the C library's headers do not go with. */
enum { MEMINFO_DROPS = 8, MEMINFO_WORDS = 9 };
enum { PEERS = 64, LINE = 64 };
#ifndef SO_MEMINFO
#define SO_MEMINFO 55
#endif
#ifndef SO_COOKIE
#define SO_COOKIE 57
#endif

struct known_peer {
    struct sockaddr_storage from; /* family 0: none */
    socklen_t from_bytes;
    struct peer peer;
};

struct datagrams {
    size_t max_bytes, room; /* room: places */
    char *memory;
    struct mmsghdr heads[DATAGRAMS_RUN];
    struct iovec places[DATAGRAMS_RUN];
    struct sockaddr_storage from[DATAGRAMS_RUN];
    struct peer peers[DATAGRAMS_RUN];
    struct datagram run[DATAGRAMS_RUN];
    struct known_peer known[PEERS];
};

static size_t stride_for(size_t max_bytes)
{
    return (max_bytes + 2 * LINE) / LINE * LINE + LINE;
}

static size_t room_for(size_t stride)
{
    size_t room = DATAGRAMS_BYTES / stride;

    room = room > DATAGRAMS_RUN ? DATAGRAMS_RUN : room;
    return room < DATAGRAMS_RUN_LEAST ? DATAGRAMS_RUN_LEAST : room;
}

uint64_t datagrams_memory_bytes(uint64_t max_bytes)
{
    size_t stride = stride_for((size_t)max_bytes);

    return stride * room_for(stride) + sizeof(struct datagrams);
}

/* Places do not begin at the same offset of their pages: their first lines would all compete for
 * the same few lines of the processor's cache. */
struct datagrams *datagrams_new(size_t max_bytes)
{
    struct datagrams *datagrams = calloc(1, sizeof(*datagrams));

    if (datagrams == NULL)
        return NULL;
    size_t stride = stride_for(max_bytes);
    datagrams->max_bytes = max_bytes;
    datagrams->room = room_for(stride);
    datagrams->memory = malloc(stride * datagrams->room);
    if (datagrams->memory == NULL) {
        free(datagrams);
        return NULL;
    }
    for (size_t i = 0; i < datagrams->room; i++) {
        datagrams->places[i] = (struct iovec){ datagrams->memory + i * stride, max_bytes + 1 };
        datagrams->heads[i].msg_hdr = (struct msghdr){ .msg_name = &datagrams->from[i],
                                                       .msg_iov = &datagrams->places[i],
                                                       .msg_iovlen = 1 };
    }
    return datagrams;
}

void datagrams_free(struct datagrams **datagramsp)
{
    struct datagrams *datagrams = *datagramsp;

    *datagramsp = NULL;
    if (datagrams == NULL)
        return;
    free(datagrams->memory);
    free(datagrams);
}

size_t datagrams_max_bytes(const struct datagrams *datagrams)
{
    return datagrams->max_bytes;
}

/* ---- who sent it ---- */

static size_t place_of(const struct sockaddr_storage *from, socklen_t bytes)
{
    const unsigned char *at = (const unsigned char *)from;
    uint32_t hash = 2166136261U;

    for (socklen_t i = 0; i < bytes; i++)
        hash = (hash ^ at[i]) * 16777619U;
    return hash % PEERS;
}

static bool is_same(const struct sockaddr_storage *a, socklen_t a_bytes,
                    const struct sockaddr_storage *b, socklen_t b_bytes)
{
    return a_bytes == b_bytes && memcmp(a, b, a_bytes) == 0;
}

/* The text of an address is made once for each of the last peers, and copied for a run, which the
 * cache may forget while it is still pointed to. */
static const struct peer *find_peer(struct datagrams *datagrams, size_t index)
{
    const struct sockaddr_storage *from = &datagrams->from[index];
    socklen_t bytes = datagrams->heads[index].msg_hdr.msg_namelen;

    if (from->ss_family != AF_INET && from->ss_family != AF_INET6)
        bytes = 0;
    if (index > 0 && is_same(from, bytes, &datagrams->from[index - 1],
                             datagrams->heads[index - 1].msg_hdr.msg_namelen))
        return datagrams->run[index - 1].peer;
    if (bytes == 0) {
        datagrams->peers[index] = (struct peer){ .port = 0 };
        return &datagrams->peers[index];
    }
    struct known_peer *known = &datagrams->known[place_of(from, bytes)];
    if (!is_same(from, bytes, &known->from, known->from_bytes)) {
        memcpy(&known->from, from, bytes);
        known->from_bytes = bytes;
        peer_of(from, &known->peer);
    }
    datagrams->peers[index] = known->peer;
    return &datagrams->peers[index];
}

/* ---- runs ---- */

size_t datagrams_read(struct datagrams *datagrams, const struct socket *socket,
                      const struct datagram **ret_run, bool *ret_is_full, int *ret_error)
{
    for (size_t i = 0; i < datagrams->room; i++) {
        datagrams->heads[i].msg_hdr.msg_namelen = sizeof(datagrams->from[i]);
        datagrams->from[i].ss_family = AF_UNSPEC;
    }
    /* MSG_TRUNC: the whole length is told, also of one that is longer than its place. */
    int count = recvmmsg(socket->fd, datagrams->heads, (unsigned)datagrams->room,
                         MSG_DONTWAIT | MSG_TRUNC, NULL);
    *ret_run = datagrams->run;
    *ret_is_full = count == (int)datagrams->room;
    *ret_error = count < 0 && errno != EAGAIN && errno != EINTR ? errno : 0;
    for (int i = 0; i < count; i++) {
        size_t index = (size_t)i, bytes = datagrams->heads[i].msg_len;
        struct datagram *datagram = &datagrams->run[i];
        size_t there = bytes < datagrams->max_bytes + 1 ? bytes : datagrams->max_bytes + 1;
        datagram->data = (struct slice){ datagrams->places[i].iov_base, there };
        datagram->whole_bytes = bytes;
        datagram->peer = find_peer(datagrams, index);
    }
    return count < 0 ? 0 : (size_t)count;
}

/* One counter of the kernel, which also SO_RXQ_OVFL shows, but only with the next datagram; asked
 * for itself it also tells of what was dropped last. It has 32 bits and goes round. */
uint64_t datagrams_dropped(struct socket *socket)
{
    uint32_t words[MEMINFO_WORDS] = { 0 };
    socklen_t bytes = sizeof(words);

    if (!socket->counts_drops ||
        getsockopt(socket->fd, SOL_SOCKET, SO_MEMINFO, words, &bytes) != 0 || bytes < sizeof(words))
        return 0;
    uint32_t fresh = words[MEMINFO_DROPS] - socket->drops;
    socket->drops = words[MEMINFO_DROPS];
    return fresh;
}

/* By the kernel's cookie, which no other socket has until the next boot; the inode beside it is for
 * kernels that counted cookies by network namespace. */
static bool find_key(const struct socket *socket, struct kept_key *ret)
{
    struct stat stat;
    uint64_t cookie = 0;
    socklen_t bytes = sizeof(cookie);

    if (getsockopt(socket->fd, SOL_SOCKET, SO_COOKIE, &cookie, &bytes) != 0 || cookie == 0 ||
        fstat(socket->fd, &stat) != 0)
        return false;
    *ret = (struct kept_key){ cookie, stat.st_ino };
    return true;
}

void datagrams_go_on(struct socket *socket, struct kept_counts *kept)
{
    static const char made_for_us[] = "systemd:";
    struct kept_key key;
    bool is_new = true;

    if (!socket->counts_drops)
        return;
    if (kept != NULL && find_key(socket, &key))
        socket->kept_drops = kept_counts_find(kept, key, &is_new);
    if (socket->kept_drops != NULL && !is_new) {
        socket->drops = (uint32_t)atomic_load(socket->kept_drops);
    } else if (socket->kept_drops == NULL ||
               strncmp(socket->address, made_for_us, sizeof(made_for_us) - 1) != 0) {
        (void)datagrams_dropped(socket);
        if (socket->kept_drops != NULL)
            atomic_store(socket->kept_drops, socket->drops);
    }
}

void datagrams_shut(const struct socket *socket)
{
    static struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
    struct sock_fprog filter = { 1, &nothing };

    if (socket->counts_drops)
        (void)setsockopt(socket->fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter));
    else
        (void)shutdown(socket->fd, SHUT_RD);
}
