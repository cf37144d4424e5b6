/* SPDX-License-Identifier: Apache-2.0 */
#include "children/child.h"

#include "base/auto.h"
#include "children/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

struct child {
    int output, errors, line;
    struct child_news news;
};

static bool send_request(const struct starter *starter, struct slice request,
                         const int descriptors[WIRE_DESCRIPTORS])
{
    union {
        char bytes[CMSG_SPACE(WIRE_DESCRIPTORS * sizeof(int))];
        struct cmsghdr aligned;
    } control = { .bytes = "" };
    struct iovec part = { (void *)(uintptr_t)request.data, request.bytes };
    struct msghdr header = { .msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes) };
    struct cmsghdr *rights = CMSG_FIRSTHDR(&header);

    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(WIRE_DESCRIPTORS * sizeof(int));
    memcpy(CMSG_DATA(rights), descriptors, WIRE_DESCRIPTORS * sizeof(int));
    return sendmsg(starter->fd, &header, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)request.bytes;
}

/* The reader's end does not block, the child's does. */
static bool open_pipe(int *ret_reader, int *ret_writer)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    *ret_reader = ends[0];
    *ret_writer = ends[1];
    return fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0;
}

static bool open_line(int *ret_own, int *ret_other)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return false;
    *ret_own = ends[0];
    *ret_other = ends[1];
    return true;
}

static bool start(struct child *child, const struct starter *starter, struct slice request,
                  int given[WIRE_DESCRIPTORS], struct err *err)
{
    if (!open_pipe(&child->output, &given[WIRE_OUTPUT]) ||
        !open_pipe(&child->errors, &given[WIRE_ERRORS]) ||
        !open_line(&child->line, &given[WIRE_LINE]))
        return err_set(err, "cannot make a pipe for a child: %s", strerror(errno));
    if (starter->fd < 0)
        return err_set(err, "the process that starts children is not there");
    if (send_request(starter, request, given))
        return true;
    return errno == EPIPE || errno == ECONNRESET
               ? err_set(err, "the process that starts children has ended: restart the agent")
               : err_set(err, "cannot ask for a child: %s", strerror(errno));
}

struct child *child_start(const struct starter *starter, struct slice request, struct err *err)
{
    AUTO(child_free) struct child *child = calloc(1, sizeof(*child));
    int given[WIRE_DESCRIPTORS] = { -1, -1, -1 };

    if (child == NULL) {
        (void)err_set(err, "out of memory for a child");
        return NULL;
    }
    child->output = child->errors = child->line = -1;
    bool ok = start(child, starter, request, given, err);
    for (size_t i = 0; i < WIRE_DESCRIPTORS; i++)
        auto_close(&given[i]);
    if (!ok)
        return NULL;
    struct child *made = child;
    child = NULL;
    return made;
}

void child_free(struct child **childp)
{
    struct child *child = *childp;

    *childp = NULL;
    if (child == NULL)
        return;
    auto_close(&child->output);
    auto_close(&child->errors);
    auto_close(&child->line);
    free(child);
}

int child_output(const struct child *child)
{
    return child->output;
}

int child_errors(const struct child *child)
{
    return child->errors;
}

int child_line(const struct child *child)
{
    return child->line;
}

void child_close_output(struct child *child)
{
    auto_close(&child->output);
}

void child_close_errors(struct child *child)
{
    auto_close(&child->errors);
}

/* ---- news ---- */

static void fail(struct child *child, int error, const char *what)
{
    child->news.state = CHILD_FAILED;
    child->news.error = error;
    child->news.what = what;
}

static void take_note(struct child *child, const struct note *note)
{
    switch ((enum note_kind)note->kind) {
    case NOTE_STARTED:
        child->news.pid = note->number;
        return;
    case NOTE_REFUSED:
        fail(child, note->number,
             note->number == EPERM ? "it was not configured when the agent started"
                                   : "cannot start a process");
        return;
    case NOTE_NO_FOLDER:
        fail(child, note->number, "cannot go to working_directory");
        return;
    case NOTE_NO_PROGRAM:
        fail(child, note->number, "cannot run the program");
        return;
    case NOTE_EXITED:
    case NOTE_KILLED:
        if (child->news.state == CHILD_RUNS)
            child->news.state = note->kind == NOTE_EXITED ? CHILD_EXITED : CHILD_KILLED;
        child->news.number = note->number;
        return;
    case NOTE_SIGNAL_GROUP:
        return;
    }
}

struct child_news child_look(struct child *child)
{
    struct note note;

    for (;;) {
        ssize_t bytes = recv(child->line, &note, sizeof(note), MSG_DONTWAIT);
        if (bytes == sizeof(note)) {
            take_note(child, &note);
            continue;
        }
        bool is_cut = bytes == 0 || (bytes < 0 && errno != EAGAIN && errno != EINTR);
        if (is_cut && child->news.state == CHILD_RUNS)
            fail(child, ECHILD, "the process that starts children has ended");
        return child->news;
    }
}

void child_signal(struct child *child, int number)
{
    struct note note = { NOTE_SIGNAL_GROUP, number };

    (void)send(child->line, &note, sizeof(note), MSG_NOSIGNAL | MSG_DONTWAIT);
}
