/* SPDX-License-Identifier: Apache-2.0 */
/* host_sim: simulated hosts from seeds, several processes at a time. */
#include "host_run.h"

#include "base/clock.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { JOBS_MAX = 64 };

static const char usage[] =
    "usage: host_sim [--seeds N] [--first S] [--steps K] [--jobs J]\n"
    "       host_sim --seed S [--steps K] [--trace]\n"
    "Runs simulated hosts, one for each seed, and checks after every step that the books balance\n"
    "and the bounds hold. A violation prints the line that replays it.\n";

struct options {
    uint64_t seeds, first, steps, jobs;
    bool trace;
};

/* One for each process; shared with the parent. */
struct job {
    uint64_t seed; /* that runs now; 0: none */
    struct host_sums sums;
};

static bool take_number(char **at, uint64_t *ret)
{
    char *end;

    if (at[1] == NULL)
        return false;
    *ret = strtoull(at[1], &end, 10);
    return end != at[1] && *end == '\0';
}

static bool read_options(char **argv, struct options *ret)
{
    *ret = (struct options){ .seeds = 100, .first = 1, .steps = 20000, .jobs = 2 };
    for (char **at = argv + 1; *at != NULL; at++) {
        uint64_t *number = NULL;
        if (strcmp(*at, "--trace") == 0) {
            ret->trace = true;
            continue;
        }
        if (strcmp(*at, "--seeds") == 0)
            number = &ret->seeds;
        else if (strcmp(*at, "--first") == 0 || strcmp(*at, "--seed") == 0)
            number = &ret->first;
        else if (strcmp(*at, "--steps") == 0)
            number = &ret->steps;
        else if (strcmp(*at, "--jobs") == 0)
            number = &ret->jobs;
        if (number == NULL || !take_number(at, number))
            return false;
        if (strcmp(*at, "--seed") == 0)
            ret->seeds = ret->jobs = 1;
        at++;
    }
    return ret->seeds > 0 && ret->steps >= 100 && ret->jobs > 0 && ret->jobs <= JOBS_MAX;
}

/* ---- folders ---- */

static void empty_folder(const char *path)
{
    char name[512];
    DIR *folder = opendir(path);
    struct dirent *entry;

    if (folder == NULL)
        return;
    while ((entry = readdir(folder)) != NULL) {
        if (snprintf(name, sizeof(name), "%s/%s", path, entry->d_name) < (int)sizeof(name))
            (void)unlink(name);
    }
    (void)closedir(folder);
}

/* ---- jobs ---- */

static void run_job(const struct options *options, uint64_t index, const char *root,
                    struct job *job)
{
    char folder[256];

    (void)snprintf(folder, sizeof(folder), "%s/%llu", root, (unsigned long long)index);
    struct host_order order = { .steps = options->steps,
                                .trace = options->trace,
                                .folder = folder };
    for (uint64_t i = index; i < options->seeds; i += options->jobs) {
        empty_folder(folder);
        order.seed = job->seed = options->first + i;
        host_run(&order, &job->sums);
    }
    job->seed = 0;
}

static pid_t start_job(const struct options *options, uint64_t index, const char *root,
                       struct job *job)
{
    (void)fflush(stdout);
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    run_job(options, index, root, job);
    (void)fflush(stdout);
    exit(0);
}

static pid_t await_one(uint64_t count, pid_t *pids, int *ret_status)
{
    pid_t pid = wait(ret_status);

    for (uint64_t i = 0; i < count; i++) {
        if (pids[i] == pid)
            pids[i] = 0;
    }
    return pid;
}

/* Returns whether one failed: then the others are ended. */
static bool await_jobs(uint64_t count, pid_t *pids)
{
    bool failed = false;
    int status;

    for (uint64_t left = count; left > 0;) {
        if (await_one(count, pids, &status) < 0)
            continue;
        left--;
        if (failed || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
            continue;
        failed = true;
        if (WIFSIGNALED(status))
            printf("a process was ended by signal %d\n", WTERMSIG(status));
        for (uint64_t i = 0; i < count; i++) {
            if (pids[i] > 0)
                (void)kill(pids[i], SIGKILL);
        }
    }
    return failed;
}

/* ---- the summary ---- */

static void add_sums(struct host_sums *to, const struct host_sums *from)
{
    const uint64_t *fields = (const uint64_t *)from;
    uint64_t *sums = (uint64_t *)to;
    uint64_t faults = to->faults_least, crashes = to->crashes_least;

    for (size_t i = 0; i < sizeof(*to) / sizeof(*sums); i++)
        sums[i] += fields[i];
    to->faults_least = faults == 0 || from->faults_least < faults ? from->faults_least : faults;
    to->crashes_least =
        crashes == 0 || from->crashes_least < crashes ? from->crashes_least : crashes;
}

static void print_sums(const struct host_sums *sums, int64_t took_ms)
{
    printf("%llu seeds, %llu steps, each step audited, in %.1f s\n",
           (unsigned long long)sums->seeds, (unsigned long long)sums->steps,
           (double)took_ms / 1000);
    printf("simulated: %llu hours, %llu faults (at least %llu a seed), %llu crashes (at least "
           "%llu), %llu clean stops\n",
           (unsigned long long)sums->minutes / 60, (unsigned long long)sums->faults,
           (unsigned long long)sums->faults_least, (unsigned long long)sums->crashes,
           (unsigned long long)sums->crashes_least, (unsigned long long)sums->drains);
    printf("events: %llu offered, %llu delivered, %llu dropped, %llu lost in crashes, %llu "
           "arrived more than once\n",
           (unsigned long long)sums->offered, (unsigned long long)sums->delivered,
           (unsigned long long)sums->dropped, (unsigned long long)sums->lost,
           (unsigned long long)sums->repeated);
    printf("requests: %llu, batches split: %llu\n", (unsigned long long)sums->requests,
           (unsigned long long)sums->splits);
    printf("spools: %llu events written, %llu requests from disk; dead letters: %llu\n",
           (unsigned long long)sums->spilled, (unsigned long long)sums->from_disk,
           (unsigned long long)sums->buried);
    printf("disks: %llu power losses, %llu starts that could not read all of a spool, %llu bits "
           "flipped, %llu events damaged; %llu reloads; %llu stops on a hung disk; %llu times no "
           "memory\n",
           (unsigned long long)sums->power_losses, (unsigned long long)sums->blind_starts,
           (unsigned long long)sums->flips, (unsigned long long)sums->corrupt,
           (unsigned long long)sums->reloads, (unsigned long long)sums->hangs,
           (unsigned long long)sums->refused);
}

static void make_folder(const char *root, uint64_t index, char *ret, size_t room)
{
    (void)snprintf(ret, room, "%s/%llu", root, (unsigned long long)index);
}

int main(int argc, char **argv)
{
    char root[] = "/dev/shm/spillway-sim-XXXXXX", folder[256];
    struct host_sums sums = { 0 };
    struct options options;
    pid_t pids[JOBS_MAX];
    int64_t began_ms = clock_now_ms();

    (void)argc;
    if (!read_options(argv, &options)) {
        (void)fputs(usage, stderr);
        return 2;
    }
    struct job *jobs = mmap(NULL, sizeof(*jobs) * JOBS_MAX, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (jobs == MAP_FAILED || mkdtemp(root) == NULL) {
        (void)fprintf(stderr, "host_sim: no folder in /dev/shm: %s\n", strerror(errno));
        return 2;
    }
    for (uint64_t i = 0; i < options.jobs; i++) {
        make_folder(root, i, folder, sizeof(folder));
        (void)mkdir(folder, 0700);
        pids[i] = start_job(&options, i, root, &jobs[i]);
    }
    bool failed = await_jobs(options.jobs, pids);
    for (uint64_t i = 0; i < options.jobs; i++) {
        add_sums(&sums, &jobs[i].sums);
        make_folder(root, i, folder, sizeof(folder));
        empty_folder(folder);
        (void)rmdir(folder);
    }
    (void)rmdir(root);
    print_sums(&sums, clock_now_ms() - began_ms);
    for (uint64_t i = 0; i < options.jobs; i++) {
        if (jobs[i].seed != 0)
            printf("under way: --seed %llu\n", (unsigned long long)jobs[i].seed);
    }
    printf("violations: %d\n", failed);
    return failed;
}
