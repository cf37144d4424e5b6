/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/recent.h"

#include "admin/pages.h"
#include "base/clock.h"
#include "base/json_add.h"
#include "base/log_ring.h"

#include <unistd.h>

enum { HOST_BYTES = 256, LOG_LINES = 40, LINE_BYTES = 480 };

static void add_host(struct buf *ret)
{
    char host[HOST_BYTES] = "";

    if (gethostname(host, sizeof(host) - 1) == 0)
        json_add_text(ret, "host", host);
}

/* The newest first. */
static void add_log(struct buf *ret)
{
    static const char *const levels[] = { "debug", "info", "warn", "error" };
    char texts[LOG_LINES][LINE_BYTES];
    struct log_news news[LOG_LINES];
    uint64_t last = log_ring_last(), number = last > LOG_LINES ? last - LOG_LINES : 0, lost;
    size_t count = 0;

    while (count < LOG_LINES &&
           log_ring_next(&number, texts[count], LINE_BYTES - 1, &news[count], &lost)) {
        texts[count][news[count].text.bytes] = '\0';
        count++;
    }
    json_open(ret, "log", '[');
    while (count-- > 0) {
        json_open(ret, NULL, '{');
        json_add_integer(ret, "unix_ms", news[count].real_ns / NS_PER_MS);
        json_add_text(ret, "level", levels[news[count].level]);
        json_add_text(ret, "text", texts[count]);
        json_close(ret, '}');
    }
    json_close(ret, ']');
}

bool recent_write(struct history *history, const struct ledger *ledger, struct buf *ret)
{
    int64_t boot_ms = clock_boot_ms();

    json_open(ret, NULL, '{');
    json_add_count(ret, "format", PAGES_FORMAT);
    json_add_integer(ret, "unix_ms", clock_real_ns() / NS_PER_MS);
    add_host(ret);
    if (history != NULL) {
        history_look(history, ledger, boot_ms);
        history_write(history, ledger, boot_ms, ret);
    }
    add_log(ret);
    json_close(ret, '}');
    return buf_add_text(ret, "\n");
}
