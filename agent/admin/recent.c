/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/recent.h"

#include "admin/pages.h"
#include "base/clock.h"
#include "base/json_add.h"
#include "base/log_recent.h"

#include <unistd.h>

enum { HOST_BYTES = 256 };

static void add_host(struct buf *ret)
{
    char host[HOST_BYTES] = "";

    if (gethostname(host, sizeof(host) - 1) == 0)
        json_add_text(ret, "host", host);
}

static void add_log(struct buf *ret)
{
    static const char *const levels[] = { "debug", "info", "warn", "error" };
    struct log_recent_line lines[LOG_RECENT_LINES];
    size_t count = log_recent_copy(lines);

    json_open(ret, "log", '[');
    for (size_t i = 0; i < count; i++) {
        json_open(ret, NULL, '{');
        json_add_integer(ret, "unix_ms", lines[i].real_ns / NS_PER_MS);
        json_add_text(ret, "level", levels[lines[i].level]);
        json_add_text(ret, "text", lines[i].text);
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
