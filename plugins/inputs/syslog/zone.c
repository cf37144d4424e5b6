/* SPDX-License-Identifier: Apache-2.0 */
#include "zone.h"

#include "zone_rule.h"

#include <fcntl.h>
#include <limits.h>

enum {
    FILE_MOST_BYTES = 256 * 1024,
    HEAD_BYTES = 44,
    TYPE_BYTES = 6,
    TYPES_MOST = 256,
    CHANGES_MOST = 4096
};
#define DAY_S INT64_C(86400)

/* ---- dates ---- */

bool civil_is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

int civil_month_days(int64_t year, int month)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    return month == 2 && civil_is_leap(year) ? 29 : days[month - 1];
}

/* Days of whole years before it, from year 1 on. */
static int64_t days_before_year(int64_t year)
{
    int64_t past = year - 1;
    return past * 365 + past / 4 - past / 100 + past / 400;
}

int64_t civil_days(int64_t year, int month, int day)
{
    static const int before[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334 };
    int64_t leap = month > 2 && civil_is_leap(year) ? 1 : 0;

    return days_before_year(year) - days_before_year(1970) + before[month - 1] + leap + day - 1;
}

int64_t civil_year(int64_t unix_s)
{
    int64_t days = unix_s / DAY_S - (unix_s % DAY_S < 0 ? 1 : 0);
    int64_t year = 1970 + days / 366; /* never too late after 1970: a year has at most 366 days */

    if (days < 0)
        year = 1970 + days / 365 - 1;
    while (civil_days(year + 1, 1, 1) <= days)
        year++;
    return year;
}

/* ---- the file ---- */

struct block { /* one of the two data blocks of a TZif file */
    size_t changes, types;
    size_t time_bytes;
    const unsigned char *times, *indexes, *infos;
    size_t bytes; /* of header and data */
};

static uint32_t big32(const unsigned char *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static int64_t big64(const unsigned char *at)
{
    return (int64_t)((uint64_t)big32(at) << 32 | big32(at + 4));
}

static bool read_block(const unsigned char *data, size_t bytes, size_t time_bytes,
                       struct block *ret)
{
    if (bytes < HEAD_BYTES || memcmp(data, "TZif", 4) != 0)
        return false;
    uint64_t ut = big32(data + 20), std = big32(data + 24), leaps = big32(data + 28);
    uint64_t changes = big32(data + 32), types = big32(data + 36), letters = big32(data + 40);
    uint64_t needed = HEAD_BYTES + changes * (time_bytes + 1) + types * TYPE_BYTES + letters +
                      leaps * (time_bytes + 4) + std + ut;
    if (types == 0 || types > TYPES_MOST || changes > CHANGES_MOST || needed > bytes)
        return false;
    const unsigned char *times = data + HEAD_BYTES;
    const unsigned char *indexes = times + changes * time_bytes;
    *ret = (struct block){ (size_t)changes, (size_t)types,     time_bytes,    times,
                           indexes,         indexes + changes, (size_t)needed };
    return true;
}

static bool take_changes(const struct block *block, struct zone *zone)
{
    zone->fixed_s = (int32_t)big32(block->infos); /* the first type: of the time before them all */
    if (block->changes == 0)
        return true;
    zone->at_s = calloc(block->changes, sizeof(*zone->at_s));
    zone->offsets_s = calloc(block->changes, sizeof(*zone->offsets_s));
    if (zone->at_s == NULL || zone->offsets_s == NULL)
        return false;
    for (size_t i = 0; i < block->changes; i++) {
        const unsigned char *time = block->times + i * block->time_bytes;
        size_t type = block->indexes[i];
        zone->at_s[i] = block->time_bytes == 8 ? big64(time) : (int32_t)big32(time);
        if (type >= block->types || (i > 0 && zone->at_s[i] <= zone->at_s[i - 1]))
            return false;
        zone->offsets_s[i] = (int32_t)big32(block->infos + type * TYPE_BYTES);
    }
    zone->count = block->changes;
    return true;
}

/* Offsets of more than a day are nowhere in use; a bound for the sums that are made with them. */
static bool has_usable_offsets(const struct zone *zone)
{
    bool is_usable = zone->fixed_s > -2 * DAY_S && zone->fixed_s < 2 * DAY_S;

    for (size_t i = 0; i < zone->count; i++)
        is_usable = is_usable && zone->offsets_s[i] > -2 * DAY_S && zone->offsets_s[i] < 2 * DAY_S;
    return is_usable;
}

bool zone_parse(struct slice file, struct zone *ret)
{
    const unsigned char *data = (const unsigned char *)file.data;
    struct zone zone = { 0 };
    struct block block;

    if (!read_block(data, file.bytes, 4, &block))
        return false;
    struct slice footer = { NULL, 0 };
    if (data[4] >= '2') { /* the same again with larger times, and a rule behind it */
        size_t first = block.bytes;
        if (!read_block(data + first, file.bytes - first, 8, &block))
            return false;
        footer =
            (struct slice){ file.data + first + block.bytes, file.bytes - first - block.bytes };
    }
    if (!take_changes(&block, &zone) || !has_usable_offsets(&zone)) {
        zone_fini(&zone);
        return false;
    }
    if (footer.bytes > 2 && footer.data[0] == '\n')
        (void)zone_rule_parse((struct slice){ footer.data + 1, footer.bytes - 1 }, &zone);
    *ret = zone;
    return true;
}

void zone_fini(struct zone *zone)
{
    free(zone->at_s);
    free(zone->offsets_s);
    *zone = (struct zone){ 0 };
}

/* ---- names ---- */

static bool is_digit(char letter)
{
    return letter >= '0' && letter <= '9';
}

/* "+02:00", "-0330", "+2". */
static bool parse_fixed(const char *name, int32_t *ret_s)
{
    int sign = name[0] == '-' ? -1 : 1, numbers[2] = { 0, 0 };
    const char *at = name + 1;

    if (name[0] != '+' && name[0] != '-')
        return false;
    for (int part = 0; part < 2 && is_digit(*at); part++) {
        for (int digit = 0; digit < 2 && is_digit(*at); digit++)
            numbers[part] = numbers[part] * 10 + (*at++ - '0');
        if (*at == ':' && part == 0)
            at++;
    }
    if (*at != '\0' || !is_digit(name[1]) || at[-1] == ':' || numbers[0] > 14 || numbers[1] > 59)
        return false;
    *ret_s = sign * (numbers[0] * 3600 + numbers[1] * 60);
    return true;
}

bool zone_is_name(const char *name)
{
    int32_t ignored_s;

    if (name[0] == '\0' || name[0] == '/' || strstr(name, "..") != NULL)
        return false;
    if (name[0] == '+' || name[0] == '-')
        return parse_fixed(name, &ignored_s);
    return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-/") ==
           strlen(name);
}

static bool read_zone(const char *path, struct zone *ret, struct err *err)
{
    char *bytes = malloc(FILE_MOST_BYTES);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t count = fd < 0 || bytes == NULL ? -1 : read(fd, bytes, FILE_MOST_BYTES);
    int error = errno;
    bool is_read = count > 0 && zone_parse((struct slice){ bytes, (size_t)count }, ret);

    if (fd >= 0)
        (void)close(fd);
    free(bytes);
    if (count < 0)
        return err_set(err, "time_zone: cannot read '%s': %s", path, strerror(error));
    return is_read || err_set(err, "time_zone: '%s' is no file of a time zone", path);
}

static bool open_named(const char *name, struct zone *ret, struct err *err)
{
    char path[PATH_MAX];

    if (strcmp(name, "UTC") == 0 || parse_fixed(name, &ret->fixed_s))
        return true;
    if (!zone_is_name(name))
        return err_set(err, "time_zone: '%s' is no time zone", name);
    (void)snprintf(path, sizeof(path), "/usr/share/zoneinfo/%s", name);
    return read_zone(path, ret, err);
}

bool zone_open(const char *name, struct zone *ret, struct err *err)
{
    static const char here[] = "/etc/localtime";
    const char *variable = getenv("TZ");

    *ret = (struct zone){ 0 };
    if (strcmp(name, "local") != 0)
        return open_named(name, ret, err);
    if (variable != NULL && variable[0] == ':')
        variable++;
    if (variable != NULL && variable[0] == '/')
        return read_zone(variable, ret, err);
    if (variable != NULL && variable[0] != '\0')
        return open_named(variable, ret, err) || zone_rule_parse(slice_of(variable), ret);
    /* A host without this file has UTC: localtime(5). */
    return access(here, F_OK) != 0 || read_zone(here, ret, err);
}

/* ---- times ---- */

int32_t zone_offset_s(const struct zone *zone, int64_t unix_s)
{
    size_t low = 0, high = zone->count; /* the first change after it */

    if (zone->has_rule && (zone->count == 0 || unix_s >= zone->at_s[zone->count - 1]))
        return zone_rule_offset_s(zone, unix_s);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (zone->at_s[middle] <= unix_s)
            low = middle + 1;
        else
            high = middle;
    }
    return low == 0 ? zone->fixed_s : zone->offsets_s[low - 1];
}

int64_t zone_unix_s(const struct zone *zone, int64_t local_s)
{
    int32_t near_s = zone_offset_s(zone, local_s);

    return local_s - zone_offset_s(zone, local_s - near_s);
}
