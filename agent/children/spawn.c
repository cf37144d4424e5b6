/* SPDX-License-Identifier: Apache-2.0 */
/* spawn: after fork() and not by posix_spawn(), which cannot ask for a signal at the parent's end.
 * The starter is small and has one thread, so a fork is cheap and the child may call anything. */
#include "children/spawn.h"

#include "children/program.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { EXIT_NOT_STARTED = 127, FIRST_OTHER = STDERR_FILENO + 1, FDS_MOST = 65536 };

static _Noreturn void give_up(int line, enum note_kind kind, int error)
{
    struct note note = { kind, error };

    (void)send(line, &note, sizeof(note), MSG_NOSIGNAL);
    _exit(EXIT_NOT_STARTED);
}

static void reset_signals(void)
{
    sigset_t none;

    for (int number = 1; number < NSIG; number++)
        (void)signal(number, SIG_DFL); /* fails for those that have no other */
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Those that stay are above the standard ones, as the starter has these open. */
static void keep_descriptors(const int descriptors[WIRE_DESCRIPTORS])
{
    (void)dup2(descriptors[WIRE_OUTPUT], STDOUT_FILENO);
    (void)dup2(descriptors[WIRE_ERRORS], STDERR_FILENO);
    if (syscall(SYS_close_range, FIRST_OTHER, ~0U, CLOSE_RANGE_CLOEXEC) == 0)
        return;
    for (int fd = FIRST_OTHER; fd < FDS_MOST; fd++) /* before Linux 5.11 */
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static _Noreturn void become(const struct request *request, const int descriptors[WIRE_DESCRIPTORS],
                             pid_t starter)
{
    int line = descriptors[WIRE_LINE], error;
    char path[PATH_MAX];

    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != starter)
        _exit(EXIT_NOT_STARTED);
    reset_signals();
    keep_descriptors(descriptors);
    if (request->folder[0] != '\0' && chdir(request->folder) != 0)
        give_up(line, NOTE_NO_FOLDER, errno);
    if (!program_find(request->words[0], program_variable(request->environment, "PATH"), path,
                      &error))
        give_up(line, NOTE_NO_PROGRAM, error);
    (void)execve(path, request->words, request->environment);
    give_up(line, NOTE_NO_PROGRAM, errno);
}

pid_t spawn_child(const struct request *request, const int descriptors[WIRE_DESCRIPTORS])
{
    pid_t starter = getpid();
    pid_t child = fork();

    if (child == 0)
        become(request, descriptors, starter);
    if (child > 0)
        (void)setpgid(child, child); /* both do it: whoever comes first */
    return child;
}
