/* SPDX-License-Identifier: Apache-2.0 */
/* spooler: one job after the other. It sleeps on its wake word until the delivery has changed. */
#include "delivery/spooler.h"

#include "base/auto.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/ending.h"
#include "base/log.h"
#include "base/thread.h"

#include <unistd.h>

enum { SPOOLER_MAGIC = 0x73706c72, REST_MAX_MS = 60 * 1000 };

struct spooler {
    uint32_t magic;
    /* constant after start */
    struct spooler_config config;
    pthread_t thread;
    struct wake wake;
    struct gate gate;
    /* spooler thread only */
    struct spool_files *files;
    struct spool_result result;
    int64_t due_ms; /* of the last look that found no job */
    /* main */
    bool has_joined;
    /* under the delivery's lock */
    bool is_left;
    const char *doing; /* on the disk; NULL: nothing */
    /* any thread */
    struct ending ending;
    _Atomic bool stopping;
    _Atomic int64_t deadline_ms; /* while stopping */
};

static const char *const doings[] = {
    [SPOOL_WRITE] = "write",    [SPOOL_SEAL] = "seal",       [SPOOL_PEEK] = "read",
    [SPOOL_LOAD] = "read",      [SPOOL_MARK] = "mark done",  [SPOOL_REMOVE] = "remove",
    [SPOOL_SYNC] = "sync",      [SPOOL_REWRITE] = "rewrite", [SPOOL_LOOK] = "look for free space",
    [SPOOL_UNDO] = "take back",
};

/* Takes the delivery's lock to say what the thread is about to do, or did. One that was left behind
 * goes no further: what it knows may be counted otherwise by now. */
static void enter(struct spooler *spooler, const char *doing) TAKES_LOCK(spooler->config.lock)
{
    lock_take(spooler->config.lock);
    if (spooler->is_left) {
        lock_drop(spooler->config.lock);
        for (;;)
            (void)pause(); /* until the process ends */
    }
    spooler->doing = doing;
}

static struct spool_stamp stamp_now(void)
{
    return (struct spool_stamp){ .boot_ms = clock_boot_ms(),
                                 .real_ms = clock_real_ns() / NS_PER_MS };
}

static void log_news(const struct spooler *spooler, const struct spool_news *news)
{
    LOG(news->error != 0 ? LOG_ERROR : LOG_WARN, news->msg, LS("output", spooler->config.name),
        LS("path", spooler->config.path), LS("at", news->what),
        LS("error", news->error != 0 ? strerror(news->error) : "none"),
        LU("segment", news->segment));
}

/* To look for a job may change the state of the spool too: where no room can be made. */
static bool next_job(struct spooler *spooler, struct spool_job *ret, int64_t *ret_due_ms)
{
    struct spool_stamp now = stamp_now();
    struct spool_news news;
    bool has_job, has_news;

    enter(spooler, NULL);
    has_job = delivery_spool_job(spooler->config.delivery, &now, clock_now_ms(), ret, ret_due_ms);
    if (has_job)
        spooler->doing = doings[ret->kind];
    has_news = spool_take_news(spooler->config.spool, &news);
    lock_drop(spooler->config.lock);
    if (has_news)
        log_news(spooler, &news);
    return has_job;
}

static void do_job(struct spooler *spooler, const struct spool_job *job)
{
    struct spool_result *result = &spooler->result;
    struct spool_stamp now;
    struct spool_news news;
    bool has_news;

    spool_files_do(spooler->files, job, result);
    now = stamp_now();
    enter(spooler, NULL);
    delivery_spool_done(spooler->config.delivery, job, result, &now, clock_now_ms());
    has_news = spool_take_news(spooler->config.spool, &news);
    lock_drop(spooler->config.lock);
    body_pool_give(result->pool, result->body);
    result->body = NULL;
    if (has_news)
        log_news(spooler, &news);
    if (job->kind != SPOOL_PEEK)
        spooler->config.on_done(spooler->config.context);
}

/* Others wait for that time too: what may be read or written changes then, without a job. */
static void tell_due(struct spooler *spooler, int64_t due_ms)
{
    bool is_other = due_ms != spooler->due_ms;

    spooler->due_ms = due_ms;
    if (is_other)
        spooler->config.on_done(spooler->config.context);
}

/* was_stopping: before it looked for a job. Only then is there none: what is to be written at a
 * stop is chosen first, and then it is told to stop. */
static bool is_over(struct spooler *spooler, bool was_stopping, bool had_job)
{
    return atomic_load(&spooler->stopping) &&
           ((was_stopping && !had_job) || clock_now_ms() >= atomic_load(&spooler->deadline_ms));
}

static void do_jobs(struct spooler *spooler)
{
    for (;;) {
        uint32_t seen = wake_read(&spooler->wake);
        struct spool_job job;
        int64_t due_ms, now_ms = clock_now_ms();
        bool has_job, was_stopping;

        gate_pass(&spooler->gate);
        was_stopping = atomic_load(&spooler->stopping);
        has_job = next_job(spooler, &job, &due_ms);
        if (has_job)
            do_job(spooler, &job);
        if (is_over(spooler, was_stopping, has_job))
            return;
        if (has_job)
            continue;
        tell_due(spooler, due_ms);
        int64_t rest_ms = due_ms - now_ms < REST_MAX_MS ? due_ms - now_ms : REST_MAX_MS;
        wake_wait(&spooler->wake, seen, rest_ms < 1 ? 1 : rest_ms);
    }
}

/* Here, because to close a file may take as long as to write it. */
static void close_files(struct spooler *spooler)
{
    enter(spooler, "close");
    lock_drop(spooler->config.lock);
    spool_files_free(&spooler->files);
    enter(spooler, NULL);
    lock_drop(spooler->config.lock);
}

static void *run_spooler(void *context)
{
    struct spooler *spooler = context;

    CHECK(spooler->magic == SPOOLER_MAGIC);
    do_jobs(spooler);
    close_files(spooler);
    ending_tell(&spooler->ending);
    return NULL;
}

struct spooler *spooler_start(const struct spooler_config *config, struct spool_files **filesp,
                              struct err *err)
{
    struct spooler *spooler = calloc(1, sizeof(*spooler));

    if (spooler == NULL) {
        (void)err_set(err, "out of memory for a spool");
        return NULL;
    }
    spooler->magic = SPOOLER_MAGIC;
    spooler->config = *config;
    spooler->files = *filesp;
    if (!thread_start(&spooler->thread, "spool", run_spooler, spooler, err)) {
        free(spooler);
        return NULL;
    }
    *filesp = NULL;
    return spooler;
}

struct gate *spooler_gate(struct spooler *spooler)
{
    return &spooler->gate;
}

bool spooler_move(struct spooler *spooler, struct spool_disk **diskp)
{
    CHECK(gate_is_stood_at(&spooler->gate));
    return spool_files_move(spooler->files, diskp);
}

void spooler_wake(struct spooler *spooler)
{
    wake_bump(&spooler->wake);
}

void spooler_begin_stop(struct spooler *spooler, int64_t until_ms)
{
    atomic_store(&spooler->deadline_ms, until_ms);
    atomic_store(&spooler->stopping, true);
    wake_bump(&spooler->wake);
}

bool spooler_end_stop(struct spooler *spooler, int64_t deadline_ms)
{
    if (spooler->has_joined)
        return true;
    if (!ending_await(&spooler->ending, deadline_ms))
        return false;
    CHECK(pthread_join(spooler->thread, NULL) == 0);
    return spooler->has_joined = true;
}

void spooler_leave_behind(struct spooler *spooler)
{
    lock_take(spooler->config.lock);
    spooler->is_left = true;
    const char *doing = spooler->doing;
    lock_drop(spooler->config.lock);
    LOG(LOG_ERROR, "the spool's disk does not answer, ending without it",
        LS("output", spooler->config.name), LS("path", spooler->config.path),
        LS("at", doing == NULL ? "none" : doing),
        LS("effect",
           "what is in its hand stays in the books for the next start, by what it finds"));
}

void spooler_free(struct spooler **spoolerp)
{
    struct spooler *spooler = *spoolerp;

    *spoolerp = NULL;
    if (spooler == NULL)
        return;
    spool_result_fini(&spooler->result);
    spooler->magic = 0;
    free(spooler);
}
