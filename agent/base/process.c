/* SPDX-License-Identifier: Apache-2.0 */
/* process: reads /proc/self into the stack, because asking for the memory should not take any. */
#include "base/process.h"

#include "base/auto.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>

enum { STATUS_BYTES = 8192 }; /* it has about 1.5 KiB */

/* The sum of those lines of /proc/self/status, each given as "\nName:" and counted in kB. */
static uint64_t sum_status(const char *const *keys, size_t count)
{
    AUTO(auto_close)
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    char text[STATUS_BYTES];
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    uint64_t kib = 0;

    if (got < 0)
        return 0;
    text[got] = '\0';
    for (size_t i = 0; i < count; i++) {
        const char *line = strstr(text, keys[i]);
        if (line != NULL)
            kib += strtoull(line + strlen(keys[i]), NULL, 10);
    }
    return kib * 1024;
}

uint64_t process_own_memory_bytes(void)
{
    static const char *const keys[] = { "\nRssAnon:", "\nRssShmem:" };
    return sum_status(keys, 2);
}

uint64_t process_resident_bytes(void)
{
    static const char *const keys[] = { "\nVmRSS:" };
    return sum_status(keys, 1);
}

uint64_t process_open_fds(void)
{
    DIR *folder = opendir("/proc/self/fd");
    uint64_t count = 0;

    if (folder == NULL)
        return 0;
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder))
        count += entry->d_name[0] != '.';
    (void)closedir(folder);
    return count == 0 ? 0 : count - 1; /* less the folder's own */
}

uint64_t process_max_fds(void)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? (uint64_t)limit.rlim_cur : 0;
}

double process_cpu_seconds(void)
{
    struct rusage usage;

    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return 0;
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}
