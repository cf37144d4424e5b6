/* SPDX-License-Identifier: Apache-2.0 */
/* starter_loop: the starter's process. One thread; its memory is fixed. It waits for requests, for
 * notes on the lines of its children, and for their ends.
 * A child that has ended stays a zombie until the agent lets go of it, or LINGER_MS are over: so
 * long the number of its group cannot become that of another one, and the group can be killed. */
#include "base/check.h"
#include "base/clock.h"
#include "children/spawn.h"
#include "children/starter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILDREN_MOST = 128, LINGER_MS = 2000, LIST_BYTES = 4096 };

/* Where the starter's descriptors are: everything above them is closed at its start. */
enum { REQUESTS_FD = 3, ENDS_FD = 4, FIXED_FDS = 2 };

struct kid {
    pid_t pid;      /* 0: it has ended, and is reaped */
    int line;       /* -1: the agent has let go of it */
    bool has_ended; /* a zombie */
    int64_t reap_at_ms;
};

static const struct starter_config *allowed;
static struct kid kids[CHILDREN_MOST];
static size_t kid_count;
static char message[REQUEST_BYTES];
static struct request request;

/* ---- one child ---- */

static void say(int line, enum note_kind kind, int number)
{
    struct note note = { kind, number };

    if (line >= 0)
        (void)send(line, &note, sizeof(note), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void signal_group(const struct kid *kid, int number)
{
    if (kid->pid > 0)
        (void)kill(-kid->pid, number);
}

static void note_end(struct kid *kid, const siginfo_t *info)
{
    bool exited = info->si_code == CLD_EXITED;

    say(kid->line, exited ? NOTE_EXITED : NOTE_KILLED, info->si_status);
    kid->has_ended = true;
    kid->reap_at_ms = clock_now_ms() + LINGER_MS;
}

static void let_go(struct kid *kid)
{
    signal_group(kid, SIGKILL);
    (void)close(kid->line);
    kid->line = -1;
}

/* Is it done with for good? What still holds its pipes is killed, as long as its group is known. */
static bool is_over(struct kid *kid, int64_t now_ms)
{
    if (kid->has_ended && kid->pid > 0 && (kid->line < 0 || now_ms >= kid->reap_at_ms)) {
        signal_group(kid, SIGKILL);
        (void)waitpid(kid->pid, NULL, 0); /* a zombie: at once */
        kid->pid = 0;
    }
    return kid->pid == 0 && kid->line < 0;
}

/* true: a zombie has gone. */
static bool clear_over(int64_t now_ms)
{
    bool has_reaped = false;

    for (size_t i = 0; i < kid_count;) {
        bool was_there = kids[i].pid > 0;
        bool is_done = is_over(&kids[i], now_ms);
        has_reaped = has_reaped || (was_there && kids[i].pid == 0);
        if (is_done)
            kids[i] = kids[--kid_count];
        else
            i++;
    }
    return has_reaped;
}

static struct kid *find(pid_t pid)
{
    for (size_t i = 0; i < kid_count; i++) {
        if (kids[i].pid == pid)
            return &kids[i];
    }
    return NULL;
}

/* ---- ends ---- */

/* waitid() names the same zombie again until it is reaped: orphans behind one that stays have to
 * wait, and are looked for again when it has gone. */
static void look_for_ends(void)
{
    for (;;) {
        siginfo_t info = { .si_pid = 0 };
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0)
            break;
        struct kid *kid = find(info.si_pid);
        if (kid != NULL)
            break;
        (void)waitpid(info.si_pid, NULL, 0); /* an orphan that came to us */
    }
    for (size_t i = 0; i < kid_count; i++) {
        siginfo_t info = { .si_pid = 0 };
        if (kids[i].pid > 0 && !kids[i].has_ended &&
            waitid(P_PID, (id_t)kids[i].pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
            info.si_pid != 0)
            note_end(&kids[i], &info);
    }
}

/* ---- requests ---- */

static bool is_allowed(size_t bytes)
{
    size_t begin = 0;

    for (size_t i = 0; i < allowed->count; i++) {
        size_t length = allowed->bounds[i] - begin;
        if (length == bytes && memcmp(allowed->allowed.data + begin, message, bytes) == 0)
            return true;
        begin = allowed->bounds[i];
    }
    return allowed->any_command;
}

static void serve(size_t bytes, const int descriptors[WIRE_DESCRIPTORS])
{
    int line = descriptors[WIRE_LINE];

    if (kid_count == CHILDREN_MOST) {
        say(line, NOTE_REFUSED, EAGAIN);
    } else if (!is_allowed(bytes) || !request_unpack(message, bytes, &request)) {
        say(line, NOTE_REFUSED, EPERM);
    } else {
        pid_t pid = spawn_child(&request, descriptors);
        if (pid > 0) {
            say(line, NOTE_STARTED, pid);
            kids[kid_count++] = (struct kid){ .pid = pid, .line = line };
            return;
        }
        say(line, NOTE_REFUSED, errno);
    }
    (void)close(line);
}

/* Takes the descriptors of a message. false: there are not three of them, and none stays open. */
static bool take_descriptors(struct msghdr *header, int ret[WIRE_DESCRIPTORS])
{
    const struct cmsghdr *part = CMSG_FIRSTHDR(header);

    if (part == NULL || part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
        return false;
    size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count && i < WIRE_DESCRIPTORS; i++)
        memcpy(&ret[i], CMSG_DATA(part) + i * sizeof(int), sizeof(int));
    if (count == WIRE_DESCRIPTORS)
        return true;
    for (size_t i = 0; i < count && i < WIRE_DESCRIPTORS; i++)
        (void)close(ret[i]);
    return false;
}

/* false: the agent has ended. */
static bool take_request(void)
{
    union {
        char bytes[CMSG_SPACE(WIRE_DESCRIPTORS * sizeof(int))];
        struct cmsghdr aligned;
    } control;
    struct iovec part = { message, sizeof(message) };
    struct msghdr header = { .msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes) };
    int descriptors[WIRE_DESCRIPTORS];

    ssize_t bytes = recvmsg(REQUESTS_FD, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (bytes < 0)
        return errno == EAGAIN || errno == EINTR || errno == EMFILE;
    if (bytes == 0)
        return false;
    if (!take_descriptors(&header, descriptors))
        return true;
    serve((size_t)bytes, descriptors);
    (void)close(descriptors[WIRE_OUTPUT]);
    (void)close(descriptors[WIRE_ERRORS]);
    return true;
}

static void take_notes(struct kid *kid)
{
    struct note note;
    ssize_t bytes = recv(kid->line, &note, sizeof(note), MSG_DONTWAIT);

    if (bytes < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (bytes != sizeof(note))
        let_go(kid);
    else if (note.kind == NOTE_SIGNAL_GROUP && note.number > 0 && note.number < NSIG)
        signal_group(kid, note.number);
}

/* ---- its life ---- */

/* Nothing of the agent's stays open here: neither its files nor what it was started with. */
static void keep_only(int requests)
{
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    sigset_t ends;

    CHECK(null_fd >= 0);
    int safe = fcntl(requests, F_DUPFD_CLOEXEC, ENDS_FD + 1);
    for (int fd = 0; fd < REQUESTS_FD; fd++)
        (void)dup2(null_fd, fd);
    (void)dup3(safe, REQUESTS_FD, O_CLOEXEC);
    (void)sigfillset(&ends); /* what a terminal or a service manager sends is the agent's matter */
    (void)sigprocmask(SIG_SETMASK, &ends, NULL);
    (void)sigemptyset(&ends);
    (void)sigaddset(&ends, SIGCHLD);
    int ends_fd = signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
    CHECK(safe >= 0 && ends_fd >= 0);
    if (ends_fd != ENDS_FD)
        (void)dup3(ends_fd, ENDS_FD, O_CLOEXEC);
    if (syscall(SYS_close_range, ENDS_FD + 1, ~0U, 0) == 0)
        return;
    for (int fd = ENDS_FD + 1; fd < 1024; fd++) /* before Linux 5.9 */
        (void)close(fd);
}

static int next_wait_ms(int64_t now_ms)
{
    int64_t wait_ms = -1;

    for (size_t i = 0; i < kid_count; i++) {
        if (kids[i].pid == 0 || !kids[i].has_ended)
            continue;
        int64_t left_ms = kids[i].reap_at_ms > now_ms ? kids[i].reap_at_ms - now_ms : 0;
        if (wait_ms < 0 || left_ms < wait_ms)
            wait_ms = left_ms;
    }
    return (int)wait_ms;
}

static void wait_for_news(struct pollfd *fds)
{
    fds[0] = (struct pollfd){ .fd = REQUESTS_FD, .events = POLLIN };
    fds[1] = (struct pollfd){ .fd = ENDS_FD, .events = POLLIN };
    for (size_t i = 0; i < kid_count; i++)
        fds[FIXED_FDS + i] = (struct pollfd){ .fd = kids[i].line, .events = POLLIN };
    if (poll(fds, FIXED_FDS + kid_count, next_wait_ms(clock_now_ms())) < 0)
        fds[0].revents = 0;
}

/* Kills the children of this process, orphans that it adopted among them. false: the kernel does
 * not tell who they are. */
static bool kill_listed(void)
{
    static char list[LIST_BYTES];
    char path[64];

    (void)snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t bytes = fd < 0 ? -1 : read(fd, list, sizeof(list) - 1);
    if (fd >= 0)
        (void)close(fd);
    if (bytes < 0)
        return false;
    list[bytes] = '\0';
    char *at = list, *end;
    for (;;) {
        long pid = strtol(at, &end, 10);
        if (end == at)
            return true;
        if (*end != '\0') /* else it may be cut: the next round has it */
            (void)kill((pid_t)pid, SIGKILL);
        at = end;
    }
}

/* What a process leaves behind when it dies comes to us, and is killed in the next round. */
static void end_all(void)
{
    for (size_t i = 0; i < kid_count; i++)
        signal_group(&kids[i], SIGKILL);
    while (kill_listed() && waitpid(-1, NULL, 0) > 0)
        ;
}

_Noreturn void starter_loop(int fd, const struct starter_config *config)
{
    static struct pollfd fds[FIXED_FDS + CHILDREN_MOST];
    struct signalfd_siginfo ignored;

    allowed = config;
    (void)prctl(PR_SET_NAME, "spillway-start");
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    (void)setsid();
    keep_only(fd);
    for (;;) {
        wait_for_news(fds);
        size_t before = kid_count;
        for (size_t i = 0; i < before; i++) {
            if (fds[FIXED_FDS + i].revents != 0)
                take_notes(&kids[i]);
        }
        if (fds[0].revents != 0 && !take_request())
            break;
        while (read(ENDS_FD, &ignored, sizeof(ignored)) > 0)
            ;
        do
            look_for_ends();
        while (clear_over(clock_now_ms()));
    }
    end_all();
    _exit(0);
}
