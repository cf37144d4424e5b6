/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/books_sign.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/random.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ID_DIGITS = 32 };

static void make_id(char ret_id[BOOKS_ID])
{
    unsigned char bytes[ID_DIGITS / 2];

    random_bytes(bytes, sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++)
        (void)snprintf(ret_id + 2 * i, 3, "%02x", bytes[i]);
}

/* Kept in the state directory; where nothing can be kept it is a new one at each start. */
static void find_agent_id(const char *state_dir, char ret_id[BOOKS_ID])
{
    char path[PATH_MAX];
    struct buf text = { .limit = BOOKS_ID };
    struct err unused;

    make_id(ret_id);
    if (snprintf(path, sizeof(path), "%s/agent_id", state_dir) >= (int)sizeof(path))
        return;
    if (file_read(path, &text, &unused) && text.bytes >= ID_DIGITS &&
        strspn(text.data, "0123456789abcdef") == ID_DIGITS) {
        memcpy(ret_id, text.data, ID_DIGITS);
    } else {
        char line[BOOKS_ID];
        int length = snprintf(line, sizeof(line), "%.32s\n", ret_id);
        (void)file_replace(path, (struct slice){ line, (size_t)length }, false, &unused);
    }
    buf_fini(&text);
}

static void find_boot_id(char ret_id[BOOKS_ID])
{
    struct buf text = { .limit = BOOKS_ID };
    struct err unused;

    ret_id[0] = '\0';
    if (file_read("/proc/sys/kernel/random/boot_id", &text, &unused))
        (void)snprintf(ret_id, BOOKS_ID, "%.*s", (int)strcspn(text.data, "\n"), text.data);
    buf_fini(&text);
}

void books_sign(struct books_header *header, const char *state_dir)
{
    (void)snprintf(header->state_dir, sizeof(header->state_dir), "%.*s", BOOKS_PATH - 1, state_dir);
    (void)snprintf(header->agent_version, sizeof(header->agent_version), "%s", SPILLWAY_VERSION);
    find_agent_id(state_dir, header->agent_id);
    find_boot_id(header->boot_id);
    make_id(header->start_id);
    header->pid = getpid();
    header->started_boot_ms = clock_boot_ms();
    header->started_real_ns = clock_real_ns();
}
