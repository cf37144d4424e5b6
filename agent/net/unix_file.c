/* SPDX-License-Identifier: Apache-2.0 */
#include "net/unix_file.h"

#include "base/auto.h"
#include "net/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum { ID_DIGITS = 9, NAME_BYTES = 64 };

bool unix_file_mode(const char *text, unsigned *ret_mode, struct err *err)
{
    unsigned mode = 0;
    size_t digits = strspn(text, "01234567");

    if (digits == 0 || digits > 4 || text[digits] != '\0')
        return err_set(err, "socket_mode: '%.20s' is no mode: write it as in 0660", text);
    for (size_t i = 0; i < digits; i++)
        mode = mode * 8 + (unsigned)(text[i] - '0');
    if (mode > 0777)
        return err_set(err, "socket_mode: '%.20s' is no mode: write it as in 0660", text);
    *ret_mode = mode;
    return true;
}

/* A number, or a name that is looked up. */
static bool find_id(const char *name, bool is_group, unsigned *ret, struct err *err)
{
    size_t digits = strspn(name, "0123456789");

    if (digits > 0 && digits <= ID_DIGITS && name[digits] == '\0') {
        *ret = (unsigned)strtoul(name, NULL, 10);
        return true;
    }
    const struct passwd *user = is_group ? NULL : getpwnam(name);
    const struct group *group = is_group ? getgrnam(name) : NULL;
    if (user == NULL && group == NULL)
        return err_set(err, "socket_owner: there is no %s '%s'", is_group ? "group" : "user", name);
    *ret = user != NULL ? user->pw_uid : group->gr_gid;
    return true;
}

bool unix_file_owner(const char *text, struct unix_owner *ret, struct err *err)
{
    struct unix_owner owner = { (uid_t)-1, (gid_t)-1 };
    const char *colon = strchr(text, ':');
    size_t bytes = colon == NULL ? strlen(text) : (size_t)(colon - text);
    char user[NAME_BYTES];

    if (bytes >= sizeof(user))
        return err_set(err, "socket_owner: '%.80s' is too long", text);
    memcpy(user, text, bytes);
    user[bytes] = '\0';
    if ((bytes > 0 && !find_id(user, false, &owner.user, err)) ||
        (colon != NULL && !find_id(colon + 1, true, &owner.group, err)))
        return false;
    *ret = owner;
    return true;
}

bool unix_file_own(const char *path, const struct socket_wishes *wishes, struct err *err)
{
    struct unix_owner owner = { (uid_t)-1, (gid_t)-1 };
    unsigned mode = 0;

    if (!unix_file_mode(wishes->mode, &mode, err) || !unix_file_owner(wishes->owner, &owner, err))
        return false;
    if (chmod(path, mode) != 0)
        return err_set(err, "cannot set the mode of '%s': %s", path, strerror(errno));
    if ((owner.user != (uid_t)-1 || owner.group != (gid_t)-1) &&
        lchown(path, owner.user, owner.group) != 0)
        return err_set(err, "cannot give '%s' to '%s': %s", path, wishes->owner, strerror(errno));
    return true;
}

/* ---- sockets ---- */

/* Connecting tells: what is refused has nobody behind it. */
static bool is_alive(const struct sockaddr_un *address)
{
    static const int types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET };

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        AUTO(auto_close) int fd = socket(AF_UNIX, types[i] | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
            return true;
        if (errno == EPROTOTYPE)
            continue; /* of another type */
        return errno != ECONNREFUSED;
    }
    return true;
}

static bool remove_stale(const struct sockaddr_un *address, struct err *err)
{
    const char *path = address->sun_path;
    struct stat info;

    if (lstat(path, &info) != 0)
        return errno == ENOENT || err_set(err, "cannot look at '%s': %s", path, strerror(errno));
    if (!S_ISSOCK(info.st_mode))
        return err_set(err, "'%s' is there and is no socket", path);
    if (is_alive(address))
        return err_set(err, "'%s' belongs to a process that runs", path);
    if (unlink(path) != 0)
        return err_set(err, "cannot remove '%s': %s", path, strerror(errno));
    return true;
}

bool unix_file_bind(const char *path, int type, const struct socket_wishes *wishes, int *ret_fd,
                    struct err *err)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    AUTO(auto_close) int fd = -1;

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    if (!remove_stale(&address, err))
        return false;
    fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* Closed before the name is there: there is no moment in which others than wished may send. */
    if (fd < 0 || fchmod(fd, 0600) != 0 ||
        bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
        return err_set(err, "cannot listen on '%s': %s", path, strerror(errno));
    if (!unix_file_own(path, wishes, err)) {
        (void)unlink(path);
        return false;
    }
    *ret_fd = auto_keep_fd(&fd);
    return true;
}

/* ---- FIFOs ---- */

bool unix_file_fifo(const char *path, const struct socket_wishes *wishes, int *ret_fd,
                    struct err *err)
{
    struct stat info;
    bool is_new = mkfifo(path, 0600) == 0;

    if (!is_new && errno != EEXIST)
        return err_set(err, "cannot make '%s': %s", path, strerror(errno));
    if (is_new && !unix_file_own(path, wishes, err)) {
        (void)unlink(path);
        return false;
    }
    AUTO(auto_close) int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &info) != 0)
        return err_set(err, "cannot open '%s': %s", path, strerror(errno));
    if (!S_ISFIFO(info.st_mode))
        return err_set(err, "'%s' is there and is no FIFO", path);
    *ret_fd = auto_keep_fd(&fd);
    return true;
}
