/* SPDX-License-Identifier: Apache-2.0 */
/* lines: text is copied, not printed: `printf` for each line would be the bottleneck when
 * the aim is to outrun a shipper. */
#include "event/lines.h"

#include "base/clock.h"

#include <string.h>
#include <time.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static const char *const paths[] = { "/api/v1/orders/",  "/api/v1/users/",    "/static/app/",
                                     "/search?q=dam&p=", "/checkout/basket/", "/metrics/raw/" };
static const char *const agents[] = {
    "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Safari/605.1.15",
    "curl/7.88.1",
    "kube-probe/1.27",
};
static const char *const programs[] = { "sshd", "systemd",  "kernel",
                                        "cron", "dhclient", "postfix/smtpd" };
static const char *const loggers[] = { "shop.orders", "shop.payment", "shop.mail", "auth.session" };
static const char *const levels[] = { "debug", "info", "info", "info", "warn", "error" };
static const char *const exceptions[] = { "java.net.SocketTimeoutException: Read timed out",
                                          "java.lang.IllegalStateException: Order is closed",
                                          "java.sql.SQLException: Connection refused" };
static const char *const words[] = { "upstream",        "cache=miss", "retry",    "tenant=blue",
                                     "queue",           "shard=17",   "accepted", "user",
                                     "region=eu-north", "timeout",    "pool",     "build=4711",
                                     "closed",          "session",    "zone=b",   "latency" };

static char *put(char *to, const char *text)
{
    size_t bytes = strlen(text);
    memcpy(to, text, bytes);
    return to + bytes;
}

static char *put_number(char *to, uint64_t number)
{
    char digits[20];
    size_t count = 0;

    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    while (count > 0)
        *to++ = digits[--count];
    return to;
}

static char *put_hex(char *to, uint64_t number, unsigned digits)
{
    for (unsigned i = 0; i < digits; i++)
        *to++ = "0123456789abcdef"[number >> (4 * i) & 15];
    return to;
}

static char *put_millis(char *to, int64_t now_ns, char point)
{
    int64_t millis = now_ns / NS_PER_MS % MS_PER_S;

    *to++ = point;
    *to++ = (char)('0' + millis / 100);
    *to++ = (char)('0' + millis / 10 % 10);
    *to++ = (char)('0' + millis % 10);
    return to;
}

static const char *pick(struct lines *lines, const char *const *from, size_t count)
{
    return from[random_below(&lines->random, count)];
}
#define PICK(lines, array) pick((lines), (array), COUNT_OF(array))

static char *put_sequence(struct lines *lines, char *to, int64_t now_ns)
{
    to = put(to, " seq=");
    to = put(to, lines->run);
    *to++ = '.';
    to = put_number(to, lines->next++);
    *to++ = ' ';
    if (lines->stamp) {
        to = put(to, "ts=");
        to = put_number(to, (uint64_t)now_ns);
        *to++ = ' ';
    }
    return to;
}

/* Words up to about `end`, so that lines get the length that was asked for. */
static char *put_filler(struct lines *lines, char *to, const char *end)
{
    while (to < end) {
        uint64_t chance = random_next(&lines->random);
        to = put(to, words[chance % COUNT_OF(words)]);
        *to++ = ' ';
        if ((chance >> 8 & 3) == 0) {
            to = put_hex(to, chance >> 16, 8);
            *to++ = ' ';
        }
    }
    return to;
}

static char *put_nginx(struct lines *lines, char *to, int64_t now_ns, const char *end)
{
    uint64_t chance = random_next(&lines->random);

    to = put(to, "203.0.113.");
    to = put_number(to, chance & 255);
    to = put(to, " - - [");
    to = put(to, lines->clock_nginx);
    to = put(to, "] \"GET ");
    to = put(to, PICK(lines, paths));
    to = put_number(to, chance >> 8 & 0xffff);
    to = put(to, " HTTP/1.1\" ");
    to = put(to, (chance >> 24 & 31) == 0 ? "502 " : (chance >> 24 & 7) == 1 ? "304 " : "200 ");
    to = put_number(to, chance >> 32 & 0x3fff);
    to = put(to, " \"-\" \"");
    to = put(to, PICK(lines, agents));
    *to++ = '"';
    to = put_sequence(lines, to, now_ns);
    to = put(to, "rt=0.");
    to = put_number(to, chance >> 48 & 1023);
    *to++ = ' ';
    return put_filler(lines, to, end);
}

static char *put_syslog(struct lines *lines, char *to, int64_t now_ns, const char *end)
{
    uint64_t chance = random_next(&lines->random);

    to = put(to, lines->clock_syslog);
    to = put(to, " web-");
    to = put_number(to, chance & 7);
    *to++ = ' ';
    to = put(to, PICK(lines, programs));
    *to++ = '[';
    to = put_number(to, 300 + (chance >> 8 & 0x7fff));
    to = put(to, "]:");
    to = put_sequence(lines, to, now_ns);
    to = put(to, "connection from 198.51.100.");
    to = put_number(to, chance >> 24 & 255);
    to = put(to, " port ");
    to = put_number(to, 1024 + (chance >> 32 & 0x7fff));
    *to++ = ' ';
    return put_filler(lines, to, end);
}

static char *put_json(struct lines *lines, char *to, int64_t now_ns, const char *end)
{
    uint64_t chance = random_next(&lines->random);

    to = put(to, "{\"time\":\"");
    to = put(to, lines->clock_iso);
    to = put_millis(to, now_ns, '.');
    to = put(to, "Z\",\"level\":\"");
    to = put(to, PICK(lines, levels));
    to = put(to, "\",\"logger\":\"");
    to = put(to, PICK(lines, loggers));
    to = put(to, "\",\"trace_id\":\"");
    to = put_hex(to, chance, 16);
    to = put_hex(to, random_next(&lines->random), 16);
    to = put(to, "\",\"msg\":\"request done");
    to = put_sequence(lines, to, now_ns);
    to = put_filler(lines, to, end - strlen("\",\"ms\":123}"));
    to = put(to, "\",\"ms\":");
    to = put_number(to, chance >> 52);
    *to++ = '}';
    return to;
}

static char *put_java(struct lines *lines, char *to, int64_t now_ns, const char *end)
{
    uint64_t chance = random_next(&lines->random);

    to = put(to, lines->clock_iso);
    to = put_millis(to, now_ns, ',');
    to = put(to, " ERROR [http-nio-8080-exec-");
    to = put_number(to, chance & 31);
    to = put(to, "] ");
    to = put(to, PICK(lines, exceptions));
    to = put_sequence(lines, to, now_ns);
    while (to < end) {
        uint64_t frame = random_next(&lines->random);
        to = put(to, "at com.example.");
        to = put(to, loggers[frame % COUNT_OF(loggers)]);
        to = put(to, ".Worker.run(Worker.java:");
        to = put_number(to, frame >> 32 & 1023);
        to = put(to, ") ");
    }
    return to;
}

static void show_clock(struct lines *lines, int64_t now_s)
{
    if (lines->clock_s == now_s)
        return;
    time_t time = (time_t)now_s;
    struct tm utc;
    (void)gmtime_r(&time, &utc);
    (void)strftime(lines->clock_nginx, sizeof(lines->clock_nginx), "%d/%b/%Y:%H:%M:%S +0000", &utc);
    (void)strftime(lines->clock_syslog, sizeof(lines->clock_syslog), "%b %e %H:%M:%S", &utc);
    (void)strftime(lines->clock_iso, sizeof(lines->clock_iso), "%Y-%m-%dT%H:%M:%S", &utc);
    lines->clock_s = now_s;
}

size_t lines_write(struct lines *lines, int64_t now_ns, char *to)
{
    static char *(*const kinds[])(struct lines *, char *, int64_t, const char *) = {
        put_nginx, put_nginx, put_syslog, put_json, put_json, put_java,
    };
    char *start = to;
    size_t spread = lines->mean_bytes * 3 / 10;
    /* Fillers end on average half a word behind the mark. */
    size_t wanted = lines->mean_bytes - lines->mean_bytes * 15 / 100 - 6 +
                    random_below(&lines->random, spread + 1);

    show_clock(lines, now_ns / NS_PER_S);
    to = kinds[random_below(&lines->random, COUNT_OF(kinds))](lines, to, now_ns, start + wanted);
    *to++ = '\n';
    return (size_t)(to - start);
}
