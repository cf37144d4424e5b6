/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/why_show.h"

#include "base/clock.h"

#include <string.h>

const char *why_text(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsString(item) ? item->valuestring : "";
}

double why_number(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

bool why_flag(const cJSON *object, const char *key)
{
    return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, key));
}

void why_add_ago(struct buf *ret, double seconds)
{
    int64_t whole = (int64_t)seconds;

    if (seconds < 60)
        (void)buf_printf(ret, "%.1fs", seconds < 0 ? 0 : seconds);
    else if (whole < 3600)
        (void)buf_printf(ret, "%lldm%02llds", (long long)whole / 60, (long long)whole % 60);
    else if (whole < 2 * 86400)
        (void)buf_printf(ret, "%lldh%02lldm", (long long)whole / 3600, (long long)whole / 60 % 60);
    else
        (void)buf_printf(ret, "%lld days", (long long)whole / 86400);
}

/* Seconds since a time of the account; negative: it never was. */
static double since(const cJSON *source, const char *key)
{
    double at_ns = why_number(source, key);

    return at_ns == 0 ? -1 : ((double)clock_real_ns() - at_ns) / (double)NS_PER_S;
}

static void add_position(const cJSON *source, int64_t now_size, bool is_from_agent, struct buf *ret)
{
    double offset = why_number(source, "offset"), settled = why_number(source, "settled");
    double size = now_size >= 0 ? (double)now_size : why_number(source, "size");
    double behind = size > offset ? size - offset : 0, end_s = since(source, "end_unix_ns");

    (void)buf_printf(ret, "    read to byte %.0f of %.0f, ", offset, size);
    if (behind == 0)
        (void)buf_add_text(ret, "nothing behind");
    else
        (void)buf_printf(ret, "%.0f bytes behind", behind);
    bool is_rest = why_flag(source, "at_end") && size == why_number(source, "size");
    if (behind > 0 && is_rest) {
        (void)buf_add_text(ret, ", a line without its newline");
    } else if (behind > 0 && end_s >= 0) {
        (void)buf_add_text(ret, " for at most ");
        why_add_ago(ret, end_s);
    }
    if (is_from_agent)
        (void)buf_printf(ret, "; settled (delivered, or counted) to byte %.0f", settled);
    (void)buf_add_text(ret, "\n");
}

static void add_times(const cJSON *source, struct buf *ret)
{
    double read_s = since(source, "read_unix_ns");

    if (read_s < 0) {
        (void)buf_add_text(ret, "    nothing was read of it since the agent started");
    } else {
        (void)buf_add_text(ret, "    last read ");
        why_add_ago(ret, read_s);
        (void)buf_add_text(ret, " ago");
    }
    (void)buf_add_text(ret, why_flag(source, "watched")
                                ? "\n"
                                : "; not watched by the kernel, looked at now and then\n");
}

static void add_identity(const cJSON *source, struct buf *ret)
{
    uint64_t device = (uint64_t)why_number(source, "device");
    unsigned bytes = (unsigned)why_number(source, "fingerprint_bytes");

    (void)buf_printf(ret, "    known as device %llu:%llu, inode %.0f",
                     (unsigned long long)(device >> 32), (unsigned long long)(device & UINT32_MAX),
                     why_number(source, "inode"));
    if (bytes > 0)
        (void)buf_printf(ret, ", fingerprint %s of its first %u bytes",
                         why_text(source, "fingerprint"), bytes);
    (void)buf_add_text(ret, "\n");
}

/* Whose log it is, where it is a container's. */
static void add_container(const cJSON *source, struct buf *ret)
{
    const cJSON *attribute;
    const char *separator = "    the log of ";

    cJSON_ArrayForEach(attribute, cJSON_GetObjectItemCaseSensitive(source, "resource"))
    {
        const char *key = attribute->string;
        if (strncmp(key, "container.", 10) != 0 && strncmp(key, "k8s.", 4) != 0)
            continue;
        if (cJSON_IsString(attribute))
            (void)buf_printf(ret, "%s%s %s", separator, key, attribute->valuestring);
        else if (cJSON_IsNumber(attribute))
            (void)buf_printf(ret, "%s%s %.0f", separator, key, attribute->valuedouble);
        separator = ", ";
    }
    if (separator[0] == ',')
        (void)buf_add_text(ret, "\n");
}

void why_show_account(const cJSON *reading, const cJSON *source, int64_t now_size,
                      bool is_from_agent, struct buf *ret)
{
    (void)buf_printf(ret, "  %s > %s: %s\n", why_text(reading, "input"),
                     why_text(reading, "output"), why_text(source, "state"));
    add_position(source, now_size, is_from_agent, ret);
    if (is_from_agent)
        add_times(source, ret);
    add_identity(source, ret);
    add_container(source, ret);
    if (why_text(source, "error")[0] != '\0') {
        (void)buf_printf(ret, "    last error: %s: %s, ", why_text(source, "error"),
                         why_text(source, "error_why"));
        why_add_ago(ret, since(source, "error_unix_ns"));
        (void)buf_add_text(ret, " ago\n");
    }
}

void why_show_line(const cJSON *reading, const cJSON *source, struct buf *ret)
{
    double offset = why_number(source, "offset"), size = why_number(source, "size");

    (void)buf_printf(ret, "%s > %s %s: %.0f of %.0f bytes, %.0f behind; %s\n",
                     why_text(reading, "input"), why_text(reading, "output"),
                     why_text(source, "name"), offset, size, size > offset ? size - offset : 0,
                     why_text(source, "state"));
}
