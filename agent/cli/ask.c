/* SPDX-License-Identifier: Apache-2.0 */
/* ask: HTTP/1.0, so that the answer ends with the connection. */
#include "cli/ask.h"

#include "admin/socket_file.h"
#include "base/auto.h"
#include "ledger/live_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { ANSWER_S = 10, ANSWER_BYTES_MAX = 4 << 20 };

bool ask_find(const char *state_dir, const char *runtime_dir, char ret_path[PATH_MAX],
              struct err *err)
{
    char folder[PATH_MAX];

    if (socket_file_path(runtime_dir, state_dir, ret_path) && access(ret_path, F_OK) == 0)
        return true;
    for (unsigned i = 0; i < LIVE_USER_FOLDERS; i++) {
        if (live_file_user_folder(i, geteuid(), folder) &&
            socket_file_path(folder, state_dir, ret_path) && access(ret_path, F_OK) == 0)
            return true;
    }
    if (access(runtime_dir, X_OK) != 0 && errno == EACCES)
        return err_set(err,
                       "cannot look for the agent in '%s': %s; its own user and root may ask it",
                       runtime_dir, strerror(errno));
    return err_set(err,
                   "no agent with the state directory '%s' runs: there is no socket of it in "
                   "'%s'",
                   state_dir, runtime_dir);
}

/* By way of the folder's descriptor: the path of a unix socket has room for about 100 bytes. */
int ask_connect(const char *path, struct err *err)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct timeval limit = { .tv_sec = ANSWER_S };
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');

    (void)snprintf(folder, sizeof(folder), "%.*s", slash == NULL ? 1 : (int)(slash - path),
                   slash == NULL ? "." : path);
    AUTO(auto_close) int folder_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    AUTO(auto_close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%.64s", folder_fd,
                   slash == NULL ? path : slash + 1);
    if (folder_fd < 0 || fd < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) != 0 ||
        connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        (void)err_set(err, "cannot ask the agent at '%s': %s", path, strerror(errno));
        return -1;
    }
    return auto_keep_fd(&fd);
}

static bool read_all(int fd, struct buf *ret)
{
    char block[4096];
    ssize_t bytes;

    while ((bytes = recv(fd, block, sizeof(block), 0)) > 0) {
        if (!buf_add(ret, block, (size_t)bytes))
            return false;
    }
    return bytes == 0;
}

bool ask_agent(const char *socket_path, const char *method, const char *url, int *ret_status,
               struct buf *ret_body, struct err *err)
{
    AUTO(buf_fini) struct buf answer = { .limit = ANSWER_BYTES_MAX };
    AUTO(auto_close) int fd = ask_connect(socket_path, err);
    char request[256];
    int status = 0;

    int bytes = snprintf(request, sizeof(request), "%s %s HTTP/1.0\r\nHost: localhost\r\n\r\n",
                         method, url);
    if (fd < 0)
        return false;
    if (send(fd, request, (size_t)bytes, MSG_NOSIGNAL) != bytes || !read_all(fd, &answer))
        return err_set(err, "the agent does not answer: %s", strerror(errno));
    const char *body = strstr(buf_slice(&answer).data, "\r\n\r\n");
    if (body == NULL || sscanf(answer.data, "HTTP/1.%*d %d", &status) != 1)
        return err_set(err, "the agent's answer is not whole");
    *ret_status = status;
    buf_clear(ret_body);
    return buf_add_text(ret_body, body + 4) || err_set(err, "out of memory");
}
