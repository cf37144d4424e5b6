/* SPDX-License-Identifier: Apache-2.0 */
/* rights: each test gives them up in a process of its own and tries what must fail there. */
#include "rights/capabilities.h"
#include "rights/landlock.h"
#include "rights/system_calls.h"

#include "folder.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* In the child a failed expectation is its exit status: the line. A program that is run after all
 * is one that fails. */
#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition))                                                                          \
            _exit(__LINE__ < 256 ? __LINE__ : 255);                                                \
    } while (0)
#define EXPECT_REFUSED(call, error) EXPECT((call) < 0 && errno == (error))

static void in_a_process_of_its_own(void (*body)(const char *folder))
{
    char folder[] = "/tmp/spillway-rights-XXXXXX";
    int status;

    assert_non_null(mkdtemp(folder));
    pid_t child = fork();
    if (child == 0) {
        body(folder);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    (void)folder_remove(folder);
    if (WIFSIGNALED(status))
        fail_msg("killed by signal %d", WTERMSIG(status));
    if (WEXITSTATUS(status) != 0)
        fail_msg("the expectation in line %d does not hold", WEXITSTATUS(status));
}

/* ---- system calls ---- */

static void *do_nothing(void *context)
{
    return context;
}

static void try_calls(const char *folder)
{
    struct err err;
    char *const words[] = { (char *)(uintptr_t) "/bin/false", NULL };
    pthread_t thread;
    int ends[2];

    (void)folder;
    EXPECT(system_calls_filter(&err));
    EXPECT_REFUSED(execve(words[0], words, NULL), EPERM);
    EXPECT_REFUSED(syscall(SYS_execveat, 0, "", words, NULL, 0), EPERM);
    EXPECT_REFUSED(fork(), EPERM);
    EXPECT_REFUSED(vfork(), EPERM);
    EXPECT_REFUSED(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0), EPERM);
    EXPECT_REFUSED(ptrace(PTRACE_TRACEME, 0, NULL, NULL), EPERM);
    EXPECT_REFUSED(kill(getppid(), 0), EPERM);
    EXPECT_REFUSED(mount("none", "/tmp", "tmpfs", 0, ""), EPERM);
    EXPECT_REFUSED(syscall(SYS_unshare, 0), EPERM);
    EXPECT_REFUSED(syscall(SYS_bpf, 0, 0, 0), EPERM);
    EXPECT_REFUSED(syscall(SYS_setuid, getuid()), EPERM);
    EXPECT_REFUSED(socket(AF_PACKET, SOCK_RAW, 0), EAFNOSUPPORT);
    EXPECT_REFUSED(socket(AF_ALG, SOCK_SEQPACKET, 0), EAFNOSUPPORT);
    EXPECT(mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                0) == MAP_FAILED);
    EXPECT_REFUSED(syscall(100000), ENOSYS); /* newer than all that is known */
    EXPECT_REFUSED(syscall(435, NULL, 0), ENOSYS);
    /* What the agent does goes on. */
    EXPECT(pthread_create(&thread, NULL, do_nothing, NULL) == 0);
    EXPECT(pthread_join(thread, NULL) == 0);
    EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    EXPECT(socket(AF_INET6, SOCK_DGRAM, 0) >= 0 || errno == EAFNOSUPPORT);
    EXPECT(kill(getpid(), 0) == 0);
    EXPECT(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
           MAP_FAILED);
    struct addrinfo *found = NULL;
    if (getaddrinfo("localhost", "80", NULL, &found) == 0)
        freeaddrinfo(found);
}

static void what_the_agent_never_does_is_refused_and_the_rest_works(void **unused)
{
    (void)unused;
    in_a_process_of_its_own(try_calls);
}

static pthread_barrier_t barrier;

static void *try_to_fork(void *context)
{
    (void)pthread_barrier_wait(&barrier);
    EXPECT_REFUSED(fork(), EPERM);
    return context;
}

static void filter_with_a_thread(const char *folder)
{
    struct err err;
    pthread_t thread;

    (void)folder;
    EXPECT(pthread_barrier_init(&barrier, NULL, 2) == 0);
    EXPECT(pthread_create(&thread, NULL, try_to_fork, NULL) == 0);
    EXPECT(system_calls_filter(&err));
    (void)pthread_barrier_wait(&barrier);
    EXPECT(pthread_join(thread, NULL) == 0);
}

static void the_filter_is_that_of_all_threads(void **unused)
{
    (void)unused;
    in_a_process_of_its_own(filter_with_a_thread);
}

/* abort() goes its usual way: the signal and no other. */
static void a_crash_is_a_crash_under_the_filter(void **unused)
{
    int status;
    struct err err;

    (void)unused;
    pid_t child = fork();
    if (child == 0) {
        (void)signal(SIGABRT, SIG_DFL);
        EXPECT(system_calls_filter(&err));
        abort();
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

/* ---- files ---- */

static void write_below(const char *folder)
{
    char own[64], other[64], path[128], to[128];
    struct err err;

    (void)snprintf(own, sizeof(own), "%s/own", folder);
    (void)snprintf(other, sizeof(other), "%s/other", folder);
    EXPECT(mkdir(own, 0700) == 0 && mkdir(other, 0700) == 0);
    (void)snprintf(path, sizeof(path), "%s/old", other);
    EXPECT(close(open(path, O_CREAT | O_WRONLY, 0600)) == 0);
    struct need need = { .kind = NEED_FOLDER, .path = own };
    struct needs needs = { .items = &need, .count = 1 };
    EXPECT(landlock_confine(&needs, &err));

    EXPECT(open(path, O_RDONLY) >= 0);
    EXPECT_REFUSED(open(path, O_WRONLY), EACCES);
    EXPECT_REFUSED(truncate(path, 0), landlock_version() >= 3 ? EACCES : errno);
    EXPECT_REFUSED(unlink(path), EACCES);
    (void)snprintf(path, sizeof(path), "%s/new", other);
    EXPECT_REFUSED(open(path, O_CREAT | O_WRONLY, 0600), EACCES);
    EXPECT_REFUSED(mkdir(path, 0700), EACCES);
    EXPECT_REFUSED(symlink("x", path), EACCES);
    (void)snprintf(path, sizeof(path), "%s/new", own);
    int fd = open(path, O_CREAT | O_RDWR, 0600);
    EXPECT(fd >= 0 && write(fd, "x", 1) == 1 && ftruncate(fd, 0) == 0);
    (void)snprintf(to, sizeof(to), "%s/new", other);
    EXPECT(rename(path, to) != 0);
    (void)snprintf(to, sizeof(to), "%s/renamed", own);
    EXPECT(rename(path, to) == 0 && unlink(to) == 0);
    (void)snprintf(path, sizeof(path), "%s/folder", own);
    EXPECT(mkdir(path, 0700) == 0 && rmdir(path) == 0);
    EXPECT(open("/dev/null", O_WRONLY) >= 0);
    char *const words[] = { (char *)(uintptr_t) "/bin/false", NULL };
    EXPECT_REFUSED(execve(words[0], words, NULL), EACCES);
}

static void only_below_its_own_folders_is_written(void **unused)
{
    (void)unused;
    if (landlock_version() == 0)
        skip();
    in_a_process_of_its_own(write_below);
}

/* ---- capabilities ---- */

static void keep_one(const char *folder)
{
    struct err err;
    uint64_t one = 1ULL << CAP_DAC_READ_SEARCH;

    (void)folder;
    EXPECT(capabilities_keep(one | 1ULL << CAP_SYSLOG, &err));
    EXPECT(capabilities_held() == (one | 1ULL << CAP_SYSLOG));
    EXPECT(capabilities_keep(one, &err));
    EXPECT(capabilities_held() == one);
    EXPECT(capabilities_keep(~0ULL, &err)); /* they do not come back */
    EXPECT(capabilities_held() == one);
    EXPECT_REFUSED(syscall(SYS_setuid, 12345), EPERM);
    EXPECT_REFUSED(chown("/tmp", 1, 1), EPERM);
}

static void capabilities_only_shrink(void **unused)
{
    (void)unused;
    if ((capabilities_held() & 1ULL << CAP_SYSLOG) == 0)
        skip(); /* not root */
    in_a_process_of_its_own(keep_one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_agent_never_does_is_refused_and_the_rest_works),
        cmocka_unit_test(the_filter_is_that_of_all_threads),
        cmocka_unit_test(a_crash_is_a_crash_under_the_filter),
        cmocka_unit_test(only_below_its_own_folders_is_written),
        cmocka_unit_test(capabilities_only_shrink),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
