/* SPDX-License-Identifier: Apache-2.0 */
/* system_calls: the filter is a short program for the kernel's own machine, made here: what it is
 * to say of numbers that no library knows yet is one comparison, and nothing is linked for it.
 * Calls that are always allowed cost nothing: the kernel keeps a table of them. */
#include "rights/system_calls.h"

#include "base/check.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define OWN_MACHINE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OWN_MACHINE AUDIT_ARCH_AARCH64
#else
#define OWN_MACHINE 0
#endif

/* mseal() of Linux 6.10: the numbers of new calls are the same on all machines. */
enum { LAST_KNOWN_CALL = 462, CLONE3_CALL = 435, STEPS_MOST = 400 };

static const uint16_t refused[] = {
    /* other programs and processes */
    SYS_execve,
    SYS_execveat,
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_process_madvise,
    SYS_kcmp,
    SYS_pidfd_getfd,
    SYS_pidfd_send_signal,
    SYS_tkill,
    SYS_rt_sigqueueinfo,
    SYS_rt_tgsigqueueinfo,
    /* other users and rights */
    SYS_setuid,
    SYS_setgid,
    SYS_setreuid,
    SYS_setregid,
    SYS_setresuid,
    SYS_setresgid,
    SYS_setfsuid,
    SYS_setfsgid,
    SYS_setgroups,
    SYS_chroot,
    SYS_personality,
    SYS_acct,
    SYS_keyctl,
    SYS_add_key,
    SYS_request_key,
    /* namespaces and mounts */
    SYS_unshare,
    SYS_setns,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_open_tree,
    SYS_move_mount,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
    SYS_mount_setattr,
    SYS_swapon,
    SYS_swapoff,
    SYS_quotactl,
    SYS_quotactl_fd,
    /* files of others, ways around paths */
    SYS_fchown,
    SYS_fchownat,
    SYS_open_by_handle_at,
    SYS_fanotify_init,
    SYS_fanotify_mark,
    /* the machine */
    SYS_reboot,
    SYS_kexec_load,
    SYS_kexec_file_load,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_clock_adjtime,
    SYS_adjtimex,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_syslog,
    SYS_vhangup,
    /* large parts of the kernel that were never meant for this */
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_remap_file_pages,
    SYS_move_pages,
    SYS_migrate_pages,
    SYS_vmsplice,
#if defined(__x86_64__) /* the others have no such calls */
    SYS_fork,
    SYS_vfork,
    SYS_chown,
    SYS_lchown,
    SYS_iopl,
    SYS_ioperm,
    SYS_modify_ldt,
    SYS_uselib,
    SYS_ustat,
    SYS_sysfs,
#endif
};
enum { REFUSED = sizeof(refused) / sizeof(refused[0]) };

struct filter {
    struct sock_filter steps[STEPS_MOST];
    unsigned short count;
};

static void step(struct filter *filter, uint16_t code, uint8_t if_true, uint8_t if_false,
                 uint32_t value)
{
    CHECK(filter->count < STEPS_MOST);
    filter->steps[filter->count++] = (struct sock_filter){ code, if_true, if_false, value };
}

static void load(struct filter *filter, size_t offset)
{
    step(filter, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)offset);
}

/* The low half: flags, numbers and families have no more. */
static void load_argument(struct filter *filter, unsigned which)
{
    size_t offset = offsetof(struct seccomp_data, args) + which * sizeof(uint64_t);

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    offset += sizeof(uint32_t);
#endif
    load(filter, offset);
}

static void load_call(struct filter *filter)
{
    load(filter, offsetof(struct seccomp_data, nr));
}

static void answer(struct filter *filter, uint32_t what)
{
    step(filter, BPF_RET | BPF_K, 0, 0, what);
}

static void refuse(struct filter *filter, int error)
{
    answer(filter, SECCOMP_RET_ERRNO | (uint32_t)error);
}

/* The next `count` steps are for this call alone. The call is loaded before. */
static void only_for(struct filter *filter, long call, uint8_t count)
{
    step(filter, BPF_JMP | BPF_JEQ | BPF_K, 0, count, (uint32_t)call);
}

static void refuse_call(struct filter *filter, long call, int error)
{
    only_for(filter, call, 1);
    refuse(filter, error);
}

/* ---- calls that depend on what they are asked for ---- */

/* Threads, not processes. clone3() hides its flags: the C library does without it then. */
static void allow_threads(struct filter *filter)
{
    refuse_call(filter, CLONE3_CALL, ENOSYS);
    only_for(filter, SYS_clone, 4);
    load_argument(filter, 0);
    step(filter, BPF_JMP | BPF_JSET | BPF_K, 1, 0, CLONE_THREAD);
    refuse(filter, EPERM);
    answer(filter, SECCOMP_RET_ALLOW);
}

/* To this process: abort() and what a crash does. */
static void allow_own_signals(struct filter *filter, long call)
{
    only_for(filter, call, 4);
    load_argument(filter, 0);
    step(filter, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, (uint32_t)getpid());
    refuse(filter, EPERM);
    answer(filter, SECCOMP_RET_ALLOW);
}

static void allow_families(struct filter *filter)
{
    static const int families[] = { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK };
    enum { FAMILIES = sizeof(families) / sizeof(families[0]) };

    only_for(filter, SYS_socket, 3 + FAMILIES);
    load_argument(filter, 0);
    for (unsigned i = 0; i < FAMILIES; i++)
        step(filter, BPF_JMP | BPF_JEQ | BPF_K, (uint8_t)(FAMILIES - i), 0, (uint32_t)families[i]);
    refuse(filter, EAFNOSUPPORT);
    answer(filter, SECCOMP_RET_ALLOW);
}

/* Code comes from files. Making memory that was written runnable is what an attacker needs. */
static void refuse_new_code(struct filter *filter)
{
    only_for(filter, SYS_mmap, 5);
    load_argument(filter, 2);
    step(filter, BPF_ALU | BPF_AND | BPF_K, 0, 0, PROT_WRITE | PROT_EXEC);
    step(filter, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, PROT_WRITE | PROT_EXEC);
    refuse(filter, EPERM);
    answer(filter, SECCOMP_RET_ALLOW);
#if defined(__x86_64__) /* elsewhere the loader itself may protect code once more */
    only_for(filter, SYS_mprotect, 4);
    load_argument(filter, 2);
    step(filter, BPF_JMP | BPF_JSET | BPF_K, 0, 1, PROT_EXEC);
    refuse(filter, EPERM);
    answer(filter, SECCOMP_RET_ALLOW);
#endif
}

static void make(struct filter *filter)
{
    load(filter, offsetof(struct seccomp_data, arch));
    step(filter, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, OWN_MACHINE);
    refuse(filter, ENOSYS); /* by the calls of another machine (32 bits) */
    load_call(filter);
    step(filter, BPF_JMP | BPF_JGT | BPF_K, 0, 1, LAST_KNOWN_CALL);
    refuse(filter, ENOSYS);
    for (size_t i = 0; i < REFUSED; i++)
        refuse_call(filter, refused[i], EPERM);
    allow_threads(filter);
    allow_own_signals(filter, SYS_kill);
    allow_own_signals(filter, SYS_tgkill);
    allow_families(filter);
    refuse_new_code(filter);
    answer(filter, SECCOMP_RET_ALLOW);
}

bool system_calls_filter(struct err *err)
{
    struct filter filter = { .count = 0 };

    if (OWN_MACHINE == 0)
        return err_set(err, "there is no list of system calls for this machine");
    make(&filter);
    struct sock_fprog program = { .len = filter.count, .filter = filter.steps };
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return err_set(err, "cannot give up gaining rights: %s", strerror(errno));
    long failed =
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
    return failed == 0 ||
           err_set(err, "cannot filter system calls: %s",
                   failed > 0 ? "a thread has a filter of its own" : strerror(errno));
}
