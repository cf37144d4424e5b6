/* SPDX-License-Identifier: Apache-2.0 */
/* limit_bench: the most that one core can do with a file of lines: encode each as an event and
 * compress, nothing else. The agent's own speed is measured against it.
 *     limit_bench --make FILE SIZE_MB                       write mixed log lines of 200-300 bytes
 *     limit_bench [--compression none|gzip|zstd] [--rounds N] FILE      measure; the best round */
#include "base/auto.h"
#include "base/clock.h"
#include "base/random.h"
#include "batch/codec.h"
#include "batch/encoder.h"
#include "event/resource.h"
#include "plugins/plugin.h"

#include <sys/resource.h>

enum { BATCH_BYTES = 1 << 20, READ_BYTES = 1 << 16, LEVEL = 1 };

struct tally {
    uint64_t lines, encoded_bytes, sent_bytes;
};

static const char *pick(struct random *random, const char *const *from, size_t count)
{
    return from[random_below(random, count)];
}
#define PICK(random, ...)                                                                          \
    pick((random), (const char *const[]){ __VA_ARGS__ },                                           \
         sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *))

static unsigned number(struct random *random, unsigned below)
{
    return (unsigned)random_below(random, below);
}

static void make_access(struct buf *line, struct random *random, unsigned second)
{
    (void)buf_printf(line,
                     "10.%u.%u.%u - %s [23/Nov/2026:%02u:%02u:%02u +0000] \"%s /%s/%u?page=%u "
                     "HTTP/1.1\" %s %u \"https://shop.example.com/%s/%u\" \"Mozilla/5.0 (%s) "
                     "Chrome/%u.0.%u.%u\" %u.%03u %016llx",
                     number(random, 4), number(random, 256), number(random, 256),
                     PICK(random, "-", "-", "alice", "bob"), second / 3600 % 24, second / 60 % 60,
                     second % 60, PICK(random, "GET", "GET", "GET", "POST"),
                     PICK(random, "api/v1/orders", "api/v1/items", "static/img", "account/login"),
                     number(random, 1000000), number(random, 40),
                     PICK(random, "200", "200", "200", "304", "404", "502"), number(random, 60000),
                     PICK(random, "category", "cart", "search"), number(random, 5000),
                     PICK(random, "Windows NT 10.0; Win64; x64", "X11; Linux x86_64"),
                     100 + number(random, 20), number(random, 7000), number(random, 200),
                     number(random, 3), number(random, 1000),
                     (unsigned long long)random_next(random));
}

static void make_syslog(struct buf *line, struct random *random, unsigned second)
{
    (void)buf_printf(
        line,
        "Nov 23 %02u:%02u:%02u web-%02u %s[%u]: %s from 192.168.%u.%u port %u ssh2: "
        "session %016llx of user %s took %u.%03u s, rc=%u; %s (conn %u, pid %u, "
        "cgroup /system.slice/%s.service)",
        second / 3600 % 24, second / 60 % 60, second % 60, number(random, 20),
        PICK(random, "sshd", "systemd-logind", "cron", "postfix/smtpd"), number(random, 32768),
        PICK(random, "Accepted publickey for deploy", "Failed password for root",
             "Connection closed"),
        number(random, 256), number(random, 256), 1024 + number(random, 64000),
        (unsigned long long)random_next(random),
        PICK(random, "deploy", "root", "backup", "www-data"), number(random, 100),
        number(random, 1000), number(random, 4),
        PICK(random, "pam_unix(sshd:session): session opened by (uid=0)",
             "pam_unix(sshd:session): session closed", "disconnected by user"),
        number(random, 100000), number(random, 32768), PICK(random, "ssh", "cron", "postfix"));
}

static void make_json(struct buf *line, struct random *random, unsigned second)
{
    (void)buf_printf(
        line,
        "{\"ts\":\"2026-11-23T%02u:%02u:%02u.%03uZ\",\"level\":\"%s\",\"logger\":\"%s\","
        "\"msg\":\"%s\",\"trace_id\":\"%016llx%016llx\",\"user_id\":%u,\"duration_ms\":%u.%u,"
        "\"path\":\"/api/v1/%s\",\"status\":%s,\"region\":\"%s\"}",
        second / 3600 % 24, second / 60 % 60, second % 60, number(random, 1000),
        PICK(random, "info", "info", "warn", "error"),
        PICK(random, "checkout.service", "payment.gateway", "inventory.sync"),
        PICK(random, "request finished", "retrying after timeout", "cache miss"),
        (unsigned long long)random_next(random), (unsigned long long)random_next(random),
        number(random, 100000), number(random, 900), number(random, 10),
        PICK(random, "orders", "items", "users"), PICK(random, "200", "201", "500"),
        PICK(random, "eu-central-1", "us-east-1"));
}

static void make_java(struct buf *line, struct random *random, unsigned second)
{
    (void)buf_printf(
        line,
        "2026-11-23 %02u:%02u:%02u,%03u ERROR [http-nio-8080-exec-%u] "
        "com.example.shop.%s - order %u failed: java.lang.%s: %s at "
        "com.example.shop.%s.handle(%s.java:%u) ~[shop-1.%u.jar:na] "
        "request=%016llx tenant=%u",
        second / 3600 % 24, second / 60 % 60, second % 60, number(random, 1000), number(random, 64),
        PICK(random, "OrderService", "CartController", "StockClient"), number(random, 1000000),
        PICK(random, "NullPointerException", "IllegalStateException"),
        PICK(random, "Cannot invoke \"Item.getPrice()\" because \"item\" is null",
             "connection pool exhausted", "unexpected end of stream"),
        PICK(random, "OrderService", "CartController"),
        PICK(random, "OrderService", "CartController"), number(random, 900), number(random, 30),
        (unsigned long long)random_next(random), number(random, 100000));
}

static int make_file(const char *path, uint64_t bytes)
{
    static void (*const makers[])(struct buf *, struct random *,
                                  unsigned) = { make_access, make_syslog, make_json, make_java };
    AUTO(auto_fclose)
    FILE *file = fopen(path, "w");
    struct random random = random_make(1);
    struct buf line = { 0 };
    uint64_t written = 0;

    for (uint64_t i = 0; file != NULL && written < bytes; i++) {
        buf_clear(&line);
        makers[random_below(&random, 4)](&line, &random, (unsigned)(i / 500));
        (void)buf_add(&line, "\n", 1);
        if (fwrite(line.data, 1, line.bytes, file) != line.bytes)
            break;
        written += line.bytes;
    }
    buf_fini(&line);
    if (file == NULL || fflush(file) != 0 || written < bytes) {
        perror(path);
        return 1;
    }
    return 0;
}

static bool load(const char *path, struct buf *ret)
{
    AUTO(auto_fclose)
    FILE *file = fopen(path, "r");
    char chunk[READ_BYTES];
    size_t got;

    while (file != NULL && (got = fread(chunk, 1, sizeof(chunk), file)) > 0)
        if (!buf_add(ret, chunk, got))
            return false;
    return file != NULL && ferror(file) == 0 && ret->bytes > 0;
}

struct limit {
    struct encoder *encoder;
    struct codec *codec;
    struct buf sealed;
    struct tally tally;
};

static void seal(struct limit *limit)
{
    struct slice text = encoder_end(limit->encoder);
    size_t bytes = codec_compress(limit->codec, text, limit->sealed.data, limit->sealed.room);

    CHECK(bytes > 0 || text.bytes == 0);
    limit->tally.encoded_bytes += text.bytes;
    limit->tally.sent_bytes += bytes;
    encoder_begin(limit->encoder);
}

static void run(struct limit *limit, struct slice lines, struct resource *resource)
{
    const char *next = lines.data, *end = lines.data + lines.bytes, *read_end = next;
    struct event event = { .resource = resource, .kind = EVENT_LOG };

    limit->tally = (struct tally){ 0 };
    encoder_begin(limit->encoder);
    while (next < end) {
        const char *newline = memchr(next, '\n', (size_t)(end - next));
        const char *stop = newline == NULL ? end : newline;
        if (next >= read_end) { /* as when read in pieces: one time for each */
            event.observed_ns = clock_real_ns();
            read_end = next + READ_BYTES;
        }
        event.body = (struct slice){ next, (size_t)(stop - next) };
        if (encoder_add(limit->encoder, &event) == ENCODE_FULL) {
            seal(limit);
            CHECK(encoder_add(limit->encoder, &event) != ENCODE_FULL);
        }
        limit->tally.lines++;
        next = stop + 1;
    }
    seal(limit);
}

static double cpu_seconds(void)
{
    struct rusage usage;

    CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void print_result(const struct limit *limit, const char *name, size_t bytes, double best_s)
{
    double mb = (double)bytes / 1e6;

    printf("compression=%s lines=%llu bytes=%zu mb_per_s=%.0f cpu_s_per_gib=%.2f "
           "encoded_mb_per_s=%.0f ratio=%.2f input_ratio=%.2f libraries=\"%s\"\n",
           name, (unsigned long long)limit->tally.lines, bytes, mb / best_s,
           best_s * (double)(UINT64_C(1) << 30) / (double)bytes,
           (double)limit->tally.encoded_bytes / 1e6 / best_s,
           (double)limit->tally.encoded_bytes / (double)limit->tally.sent_bytes,
           (double)bytes / (double)limit->tally.sent_bytes, codec_libraries());
}

static struct resource *make_resource(const char *path)
{
    const struct attribute attributes[] = {
        { SLICE("host.name"), { VALUE_TEXT, { .text = SLICE("web-01.example.com") } } },
        { SLICE("log.file.path"), { VALUE_TEXT, { .text = slice_of(path) } } },
    };
    return resource_new(attributes, 2);
}

/* CPU time of the best of some rounds: other work on the machine only ever slows it down. */
static int measure(const char *path, const char *name, int compression, int rounds)
{
    struct limit limit = { .encoder = encoder_new(ENCODE_NDJSON, BATCH_BYTES),
                           .codec = codec_new(compression, LEVEL, BATCH_BYTES) };
    struct resource *resource = make_resource(path);
    struct buf lines = { 0 };
    double best_s = 0;

    if (limit.encoder == NULL || limit.codec == NULL || resource == NULL || !load(path, &lines)) {
        (void)fprintf(stderr, "cannot load '%s', or no %s built in\n", path, name);
        return 1;
    }
    limit.sealed.room = codec_bound(limit.codec, BATCH_BYTES);
    limit.sealed.data = malloc(limit.sealed.room);
    CHECK(limit.sealed.data != NULL);
    for (int i = 0; i < rounds; i++) {
        double before = cpu_seconds();
        run(&limit, buf_slice(&lines), resource);
        double spent = cpu_seconds() - before;
        best_s = i == 0 || spent < best_s ? spent : best_s;
    }
    print_result(&limit, name, lines.bytes, best_s);
    buf_fini(&lines);
    buf_fini(&limit.sealed);
    encoder_free(&limit.encoder);
    codec_free(&limit.codec);
    resource_unref(&resource);
    return 0;
}

static int find_compression(const char *name)
{
    static const char *const names[] = {
        [COMPRESS_NONE] = "none", [COMPRESS_GZIP] = "gzip", [COMPRESS_ZSTD] = "zstd"
    };

    for (int i = 0; i < (int)(sizeof(names) / sizeof(names[0])); i++)
        if (strcmp(name, names[i]) == 0)
            return i;
    return -1;
}

int main(int argc, char **argv)
{
    const char *name = "gzip";
    int rounds = 5, at = 1;

    if (argc == 4 && strcmp(argv[1], "--make") == 0)
        return make_file(argv[2], strtoull(argv[3], NULL, 10) * 1000 * 1000);
    for (; at + 2 < argc; at += 2) {
        if (strcmp(argv[at], "--compression") == 0)
            name = argv[at + 1];
        else if (strcmp(argv[at], "--rounds") == 0)
            rounds = atoi(argv[at + 1]);
        else
            break;
    }
    if (at + 1 == argc && rounds > 0 && find_compression(name) >= 0)
        return measure(argv[at], name, find_compression(name), rounds);
    (void)fputs("usage: limit_bench [--compression none|gzip|zstd] [--rounds N] FILE\n"
                "       limit_bench --make FILE SIZE_MB\n",
                stderr);
    return 2;
}
