/* SPDX-License-Identifier: Apache-2.0 */
/* unit_name: all runtimes that make containers name them by 64 hexadecimal digits. */
#include "unit_name.h"

#include "proc.h"

#include <limits.h>

enum { ID_DIGITS = 64, OCTAL_DIGITS = 3 };

static bool ends_with(struct slice text, struct slice end)
{
    return text.bytes > end.bytes &&
           memcmp(text.data + text.bytes - end.bytes, end.data, end.bytes) == 0;
}

static bool is_id(struct slice text)
{
    for (size_t i = 0; i < text.bytes; i++) {
        bool is_digit = text.data[i] >= '0' && text.data[i] <= '9';
        if (!is_digit && (text.data[i] < 'a' || text.data[i] > 'f'))
            return false;
    }
    return text.bytes == ID_DIGITS;
}

struct unit_name unit_name_of(struct slice name)
{
    static const struct slice scope = SLICE(".scope");
    struct unit_name found = { .is_unit = false };
    struct slice rest = name;

    if (ends_with(name, SLICE(".service")) || ends_with(name, scope))
        found = (struct unit_name){ .is_unit = true, .systemd = name };
    if (ends_with(name, scope))
        rest.bytes -= scope.bytes;
    bool is_whole = rest.bytes == ID_DIGITS;
    if (!is_whole && (rest.bytes <= ID_DIGITS || rest.data[rest.bytes - ID_DIGITS - 1] != '-'))
        return found;
    struct slice id = { rest.data + rest.bytes - ID_DIGITS, ID_DIGITS };
    if (is_id(id)) {
        found.is_unit = true;
        found.container = id;
    }
    return found;
}

/* Spaces, tabs, newlines and backslashes of a path are written as \040. */
static bool decode_path(struct slice text, char *ret, size_t room)
{
    size_t bytes = 0;

    if (text.bytes == 0 || text.data[0] != '/' || text.bytes >= room)
        return false;
    for (size_t i = 0; i < text.bytes; i++) {
        unsigned value = 0;
        if (text.data[i] != '\\') {
            ret[bytes++] = text.data[i];
            continue;
        }
        if (text.bytes - i <= OCTAL_DIGITS)
            return false;
        for (size_t digit = 1; digit <= OCTAL_DIGITS; digit++) {
            char byte = text.data[i + digit];
            if (byte < '0' || byte > '7')
                return false;
            value = value * 8 + (unsigned)(byte - '0');
        }
        if (value == 0 || value > UCHAR_MAX)
            return false;
        ret[bytes++] = (char)value;
        i += OCTAL_DIGITS;
    }
    ret[bytes] = '\0';
    return true;
}

/* "41 31 0:38 / /sys/fs/cgroup rw,relatime shared:4 - cgroup2 cgroup2 rw": optional fields end with
 * a dash, and the type is after it. */
bool unit_mount_point(struct slice mountinfo, char *ret, size_t room)
{
    enum { NUMBER, PARENT, DEVICE, ROOT, POINT, OPTIONS, FIXED };
    struct slice line, words[FIXED], word;

    while (proc_take_line(&mountinfo, &line)) {
        size_t count = 0;
        while (count < FIXED && proc_take_word(&line, &words[count]))
            count++;
        while (count == FIXED && proc_take_word(&line, &word)) {
            if (!slice_equals(word, SLICE("-")))
                continue;
            if (proc_take_word(&line, &word) && slice_equals(word, SLICE("cgroup2")) &&
                decode_path(words[POINT], ret, room))
                return true;
            break;
        }
    }
    return false;
}
