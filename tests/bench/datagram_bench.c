/* SPDX-License-Identifier: Apache-2.0 */
/* datagram_bench: sends numbered datagrams to a UDP port of this host at an even pace, in runs.
 * Prints how many it sent and how long it took. What is in them: text; messages of syslog; or, of
 * statsd, as many samples as a client puts into one. */
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

enum { RUN = 32, DATAGRAM_BYTES = 200, STATSD_BYTES = 1400, STATSD_SAMPLES = 40 };

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

/* Counters and timers of a few hundred series. */
static size_t write_samples(char text[STATSD_BYTES], uint64_t number)
{
    size_t bytes = 0;

    for (uint64_t i = 0; i < STATSD_SAMPLES; i++) {
        uint64_t route = (number * 7 + i) % 200;
        int written = snprintf(text + bytes, STATSD_BYTES - bytes, "%s.%llu:%llu|%s|#env:prod\n",
                               i % 2 == 0 ? "requests" : "answer", (unsigned long long)route,
                               (unsigned long long)(i % 2 == 0 ? 1 : (number * 31 + i) % 997 + 1),
                               i % 2 == 0 ? "c" : "ms");
        bytes += (size_t)written;
    }
    return bytes;
}

/* Returns the bytes of one datagram. */
static size_t write_kind(const char *kind, char *text, uint64_t number)
{
    if (strcmp(kind, "statsd") == 0)
        return write_samples(text, number);
    int bytes = snprintf(text, DATAGRAM_BYTES, "%sr.%llu.",
                         strcmp(kind, "syslog") == 0 ? "<134>Nov 28 11:59:59 host app[4711]: " : "",
                         (unsigned long long)number);
    memset(text + bytes, 'x', DATAGRAM_BYTES - (size_t)bytes);
    return DATAGRAM_BYTES;
}

static void rest_until(int64_t until_ns)
{
    struct timespec until = { until_ns / NS_PER_S, until_ns % NS_PER_S };

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
        ;
}

int main(int argc, char **argv)
{
    static char texts[RUN][STATSD_BYTES];
    struct mmsghdr heads[RUN] = { 0 };
    struct iovec places[RUN];
    uint64_t sent = 0;

    if (argc < 4 || argc > 5) {
        (void)fprintf(stderr, "usage: datagram_bench PORT COUNT PER_SECOND [syslog|statsd]\n");
        return 2;
    }
    int fd = connect_to(argv[1]);
    uint64_t count = strtoull(argv[2], NULL, 10), rate = strtoull(argv[3], NULL, 10);
    const char *kind = argc > 4 ? argv[4] : "";
    for (size_t i = 0; i < RUN; i++) {
        heads[i].msg_hdr = (struct msghdr){ .msg_iov = &places[i], .msg_iovlen = 1 };
    }
    int64_t begin_ns = clock_now_ns();
    while (sent < count) {
        unsigned run = count - sent < RUN ? (unsigned)(count - sent) : RUN;
        for (unsigned i = 0; i < run; i++)
            places[i] = (struct iovec){ texts[i], write_kind(kind, texts[i], sent + i) };
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
