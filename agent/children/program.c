/* SPDX-License-Identifier: Apache-2.0 */
#include "children/program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usual_folders[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/* 0: it can be executed. */
static int try_path(const char *path)
{
    struct stat info;

    if (stat(path, &info) != 0)
        return errno;
    if (!S_ISREG(info.st_mode))
        return EACCES;
    return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0 ? 0 : errno;
}

bool program_find(const char *name, const char *search, char ret_path[PATH_MAX], int *ret_errno)
{
    const char *folder = search == NULL || search[0] == '\0' ? usual_folders : search;
    int first_error = ENOENT;

    if (strchr(name, '/') != NULL) {
        bool fits = snprintf(ret_path, PATH_MAX, "%s", name) < PATH_MAX;
        *ret_errno = fits ? try_path(name) : ENAMETOOLONG;
        return *ret_errno == 0;
    }
    while (name[0] != '\0') {
        size_t bytes = strcspn(folder, ":");
        /* An empty part is the folder at hand: never looked into, as that is never wanted. */
        if (bytes > 0 &&
            snprintf(ret_path, PATH_MAX, "%.*s/%s", (int)bytes, folder, name) < PATH_MAX) {
            int error = try_path(ret_path);
            if (error == 0)
                return true;
            if (first_error == ENOENT && error != ENOTDIR)
                first_error = error;
        }
        if (folder[bytes] == '\0')
            break;
        folder += bytes + 1;
    }
    *ret_errno = first_error;
    return false;
}

const char *program_variable(char *const *environment, const char *name)
{
    size_t bytes = strlen(name);

    for (; *environment != NULL; environment++) {
        if (strncmp(*environment, name, bytes) == 0 && (*environment)[bytes] == '=')
            return *environment + bytes + 1;
    }
    return NULL;
}
