/* SPDX-License-Identifier: Apache-2.0 */
/* datagram_bench: sends numbered datagrams to a UDP port of this host at an even pace, in runs.
 * Prints how many it sent and how long it took. */
#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { RUN = 32, DATAGRAM_BYTES = 200 };

static int connect_to(const char *port)
{
    struct sockaddr_in to = { .sin_family = AF_INET };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
        perror("connect");
        exit(1);
    }
    return fd;
}

/* "r.N." and so many x. */
static void write_texts(char texts[RUN][DATAGRAM_BYTES], uint64_t first)
{
    for (uint64_t i = 0; i < RUN; i++) {
        unsigned long long number = first + i;
        int bytes = snprintf(texts[i], DATAGRAM_BYTES, "r.%llu.", number);
        texts[i][bytes] = 'x'; /* over the NUL */
    }
}

static void rest_until(int64_t until_ns)
{
    struct timespec until = { until_ns / NS_PER_S, until_ns % NS_PER_S };

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
        ;
}

int main(int argc, char **argv)
{
    static char texts[RUN][DATAGRAM_BYTES];
    struct mmsghdr heads[RUN] = { 0 };
    struct iovec places[RUN];
    uint64_t sent = 0;

    if (argc != 4) {
        (void)fprintf(stderr, "usage: datagram_bench PORT COUNT PER_SECOND\n");
        return 2;
    }
    int fd = connect_to(argv[1]);
    uint64_t count = strtoull(argv[2], NULL, 10), rate = strtoull(argv[3], NULL, 10);
    memset(texts, 'x', sizeof(texts));
    for (size_t i = 0; i < RUN; i++) {
        places[i] = (struct iovec){ texts[i], DATAGRAM_BYTES };
        heads[i].msg_hdr = (struct msghdr){ .msg_iov = &places[i], .msg_iovlen = 1 };
    }
    int64_t begin_ns = clock_now_ns();
    while (sent < count) {
        unsigned run = count - sent < RUN ? (unsigned)(count - sent) : RUN;
        write_texts(texts, sent);
        int done = sendmmsg(fd, heads, run, 0);
        if (done < 0) {
            perror("sendmmsg");
            return 1;
        }
        sent += (uint64_t)done;
        rest_until(begin_ns + (int64_t)((double)sent / (double)rate * 1e9));
    }
    printf("sent=%llu seconds=%.3f\n", (unsigned long long)sent,
           (double)(clock_now_ns() - begin_ns) / 1e9);
    (void)close(fd);
    return 0;
}
