/* SPDX-License-Identifier: Apache-2.0 */
/* landlock: the interface of the kernel as it is documented (docs.kernel.org/userspace-api/
 * landlock.html), with the constants that are newer than the headers of Linux 6.1. */
#include "rights/landlock.h"

#include "base/auto.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#ifndef SYS_landlock_create_ruleset /* the same on all machines */
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

enum { CREATE_RULESET_VERSION = 1, RULE_PATH_BENEATH = 1 };
enum { VERSION_REFER = 2, VERSION_TRUNCATE = 3 };
enum access {
    ACCESS_EXECUTE = 1 << 0,
    ACCESS_WRITE_FILE = 1 << 1,
    ACCESS_REMOVE_DIR = 1 << 4,
    ACCESS_REMOVE_FILE = 1 << 5,
    ACCESS_MAKE_CHAR = 1 << 6,
    ACCESS_MAKE_DIR = 1 << 7,
    ACCESS_MAKE_REG = 1 << 8,
    ACCESS_MAKE_SOCK = 1 << 9,
    ACCESS_MAKE_FIFO = 1 << 10,
    ACCESS_MAKE_BLOCK = 1 << 11,
    ACCESS_MAKE_SYM = 1 << 12,
    ACCESS_REFER = 1 << 13,
    ACCESS_TRUNCATE = 1 << 14,
    ACCESS_FILE = ACCESS_WRITE_FILE | ACCESS_TRUNCATE,
    ACCESS_FOLDER = ACCESS_FILE | ACCESS_REMOVE_DIR | ACCESS_REMOVE_FILE | ACCESS_MAKE_DIR |
                    ACCESS_MAKE_REG | ACCESS_MAKE_SOCK | ACCESS_MAKE_FIFO | ACCESS_REFER,
    ACCESS_HANDLED =
        ACCESS_FOLDER | ACCESS_EXECUTE | ACCESS_MAKE_CHAR | ACCESS_MAKE_BLOCK | ACCESS_MAKE_SYM
};

struct ruleset {
    uint64_t handled_files;
};
struct path_rule {
    uint64_t allowed;
    int32_t folder_fd;
} __attribute__((packed));

int landlock_version(void)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);

    return version < 0 ? 0 : (int)version;
}

static uint64_t handled_by(int version)
{
    uint64_t handled = ACCESS_HANDLED;

    if (version < VERSION_TRUNCATE)
        handled &= ~(uint64_t)ACCESS_TRUNCATE;
    if (version < VERSION_REFER)
        handled &= ~(uint64_t)ACCESS_REFER;
    return handled;
}

static bool allow(int ruleset, uint64_t handled, const char *path, struct err *err)
{
    AUTO(auto_close) int fd = open(path, O_PATH | O_CLOEXEC);
    struct stat info;

    if (fd < 0 || fstat(fd, &info) != 0)
        return true;
    uint64_t allowed = handled & (S_ISDIR(info.st_mode) ? ACCESS_FOLDER : ACCESS_FILE);
    struct path_rule rule = { allowed, fd };
    return syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0) == 0 ||
           err_set(err, "no rule for '%.200s': %s", path, strerror(errno));
}

bool landlock_confine(const struct needs *needs, struct err *err)
{
    struct ruleset handled = { handled_by(landlock_version()) };
    AUTO(auto_close)
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &handled, sizeof(handled), 0);

    if (ruleset < 0)
        return err_set(err, "cannot make rules: %s", strerror(errno));
    if (!allow(ruleset, handled.handled_files, "/dev/null", err))
        return false;
    for (size_t i = 0; i < needs->count; i++) {
        const struct need *need = &needs->items[i];
        if (need->kind != NEED_CAPABILITY &&
            !allow(ruleset, handled.handled_files, need->path, err))
            return false;
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
        syscall(SYS_landlock_restrict_self, ruleset, 0) == 0)
        return true;
    return err_set(err, "cannot follow the rules: %s", strerror(errno));
}
