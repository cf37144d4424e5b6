/* SPDX-License-Identifier: Apache-2.0 */
/* worker: waits and wakes; what is done and when is the batcher's to say. */
#include "batch/worker.h"

#include "base/auto.h"
#include "base/check.h"
#include "base/ending.h"
#include "base/log.h"
#include "base/thread.h"

#include <pthread.h>
#include <unistd.h>

enum {
    WORKER_MAGIC = 0x3047ce41,
    MEMORY_REST_MS = 10 * 1000, /* the sender wakes its workers after every answer */
    SYSTEM_MEMORY_REST_MS = 100,
    LOOK_MS = 5,
    REST_MOST_MS = 30 * 1000, /* a rest without an end would look the same as a thread that hangs */
};

enum letters { LETTERS_NONE, LETTERS_AT_WORK, LETTERS_LEFT };

enum doing { DOING_WORK, DOING_WAIT, DOING_NOTHING, DOINGS };

struct worker {
    uint32_t magic;
    /* constant after start */
    unsigned index;
    struct feed *feed;
    struct sender *sender;
    struct dead_letter *letters;
    pthread_t thread;
    /* worker thread only */
    struct batcher *batcher;
    /* main */
    bool has_ended;
    /* any thread */
    struct ending ending;
    _Atomic int letters_at; /* enum letters: who may go on, the thread or the one that stops it */
    struct gate gate;
    _Atomic bool draining, leaving, stopping, audit_wanted, idle;
    _Atomic int64_t last_step_ms;
    _Atomic int doing; /* enum doing */
    _Atomic int64_t doing_since_ms, spent_ms[DOINGS];
};

static void audit_own(struct worker *worker)
{
    atomic_store(&worker->audit_wanted, false);
    batcher_audit(worker->batcher);
}

static void begin(struct worker *worker, enum doing doing)
{
    int64_t now_ms = clock_now_ms();

    atomic_fetch_add(&worker->spent_ms[atomic_load(&worker->doing)],
                     now_ms - atomic_load(&worker->doing_since_ms));
    atomic_store(&worker->doing_since_ms, now_ms);
    atomic_store(&worker->doing, doing);
}

/* wait_ms < 0: nothing is there to be due. */
static void rest(struct worker *worker, uint32_t seen, int64_t wait_ms, enum doing doing)
{
    audit_own(worker);
    begin(worker, doing);
    atomic_store(&worker->idle, wait_ms < 0);
    if (wait_ms < 0)
        wait_ms = REST_MOST_MS;
    atomic_store(&worker->last_step_ms, clock_now_ms() + wait_ms);
    wake_wait(&worker->feed->wake, seen, wait_ms);
    begin(worker, DOING_WORK);
}

static bool split_one(struct worker *worker)
{
    struct batch *parent = sender_take_split(worker->sender);
    struct batch *halves[2] = { NULL, NULL };

    if (parent == NULL)
        return false;
    (void)batcher_split(worker->batcher, parent, halves);
    sender_put_halves(worker->sender, &parent, halves);
    return true;
}

static bool are_letters_wanted(void *context)
{
    struct worker *worker = context;

    return atomic_load(&worker->letters_at) != LETTERS_LEFT;
}

/* What is refused is written first, then counted and released. Who was left behind meanwhile has
 * nothing in its hand any more: it stands here until the process ends. */
static bool bury_one(struct worker *worker)
{
    struct batch *batch = sender_take_refused(worker->sender);
    int at_work = LETTERS_AT_WORK;

    if (batch == NULL)
        return false;
    atomic_store(&worker->letters_at, LETTERS_AT_WORK);
    dead_letter_write_batch(worker->letters, batch, are_letters_wanted, worker);
    if (!atomic_compare_exchange_strong(&worker->letters_at, &at_work, LETTERS_NONE)) {
        for (;;)
            (void)pause();
    }
    sender_put_buried(worker->sender, &batch);
    return true;
}

/* Without memory the lanes shed meanwhile. */
static void seal_one(struct worker *worker, uint32_t seen, uint64_t bytes)
{
    struct permit permit;

    if (!sender_reserve(worker->sender, worker->index, bytes, &permit)) {
        rest(worker, seen, MEMORY_REST_MS, DOING_WAIT);
        return;
    }
    struct batch *batch = batcher_seal(worker->batcher, &permit, clock_now_ms());
    if (batch == NULL) {
        sender_unreserve(worker->sender, &permit);
        rest(worker, seen, SYSTEM_MEMORY_REST_MS, DOING_WAIT);
        return;
    }
    sender_put(worker->sender, &batch);
}

static int64_t rest_ms(int64_t until_boot_ms, int64_t boot_ms)
{
    if (until_boot_ms == 0)
        return -1;
    return until_boot_ms > boot_ms ? until_boot_ms - boot_ms : 1;
}

static void step(struct worker *worker, uint32_t seen)
{
    struct batcher_view view = { .now_ms = clock_now_ms(),
                                 .boot_ms = clock_boot_ms(),
                                 .is_draining = atomic_load(&worker->draining),
                                 .is_leaving = atomic_load(&worker->leaving) };

    atomic_store(&worker->last_step_ms, view.now_ms);
    if (atomic_load(&worker->audit_wanted))
        audit_own(worker);
    if (split_one(worker) || bury_one(worker))
        return;
    view.is_wanted = sender_wants_batches(worker->sender);
    view.max_bytes = sender_max_bytes(worker->sender);
    atomic_store(&worker->idle, false); /* before events leave a lane: see outlet_is_drained() */
    struct batcher_step next = batcher_next(worker->batcher, &view);
    if (next.kind == BATCHER_REST) {
        bool has_work = next.until_boot_ms != 0;
        rest(worker, seen, rest_ms(next.until_boot_ms, clock_boot_ms()),
             has_work && !view.is_wanted ? DOING_WAIT : DOING_NOTHING);
        return;
    }
    if (next.kind == BATCHER_SEAL)
        seal_one(worker, seen, next.bytes);
}

static void *run_worker(void *context)
{
    struct worker *worker = context;
    CHECK(worker->magic == WORKER_MAGIC);
    for (;;) {
        /* First: whoever shuts the gate, or ends the thread, wakes it after having said so. */
        uint32_t seen = wake_read(&worker->feed->wake);
        gate_pass(&worker->gate);
        if (atomic_load(&worker->stopping))
            break;
        step(worker, seen);
    }
    ending_tell(&worker->ending);
    return NULL;
}

struct worker *worker_start(const struct worker_config *config, struct err *err)
{
    AUTO(worker_free) struct worker *worker = calloc(1, sizeof(*worker));
    if (worker == NULL) {
        (void)err_set(err, "out of memory for a batch worker");
        return NULL;
    }
    worker->magic = WORKER_MAGIC;
    worker->index = config->batcher.index;
    worker->feed = config->batcher.feed;
    worker->sender = config->sender;
    worker->letters = config->letters;
    atomic_store(&worker->leaving, config->leaves);
    atomic_store(&worker->doing_since_ms, clock_now_ms());
    atomic_store(&worker->last_step_ms, clock_now_ms());
    worker->batcher = batcher_new(&config->batcher, clock_now_ms(), err);
    if (worker->batcher == NULL)
        return NULL;
    if (!thread_start(&worker->thread, "batch", run_worker, worker, err))
        return NULL;
    struct worker *started = worker;
    worker = NULL;
    return started;
}

void worker_drain(struct worker *worker)
{
    atomic_store(&worker->draining, true);
    atomic_store(&worker->idle, false);
    wake_bump(&worker->feed->wake);
}

bool worker_is_idle(struct worker *worker)
{
    return atomic_load(&worker->idle);
}

void worker_begin_stop(struct worker *worker)
{
    atomic_store(&worker->stopping, true);
    wake_bump(&worker->feed->wake);
}

static void abandon(struct worker *worker, enum flow drop)
{
    batcher_abandon(worker->batcher, drop);
    audit_own(worker);
}

/* All else that it does comes to an end, at the speed of this machine. */
static bool await_end(struct worker *worker, int64_t deadline_ms)
{
    while (!ending_await(&worker->ending, deadline_ms)) {
        if (atomic_load(&worker->letters_at) != LETTERS_NONE)
            return false;
        deadline_ms = clock_now_ms() + LOOK_MS;
    }
    return true;
}

bool worker_end_stop(struct worker *worker, enum flow drop, int64_t deadline_ms)
{
    if (worker->has_ended)
        return true;
    if (!await_end(worker, deadline_ms))
        return false;
    CHECK(pthread_join(worker->thread, NULL) == 0);
    abandon(worker, drop);
    return worker->has_ended = true;
}

void worker_stop(struct worker *worker, enum flow drop)
{
    worker_begin_stop(worker);
    (void)worker_end_stop(worker, drop, INT64_MAX);
}

bool worker_leave_behind(struct worker *worker, enum flow drop)
{
    int at_work = LETTERS_AT_WORK;

    if (!atomic_compare_exchange_strong(&worker->letters_at, &at_work, LETTERS_LEFT))
        return worker_end_stop(worker, drop, INT64_MAX);
    LOG(LOG_ERROR, "the disk of the dead letters does not answer, ending without them",
        LS("output", worker->letters->output), LS("path", worker->letters->path),
        LS("effect", "what is refused is counted, but may not be kept"));
    sender_leave_burying(worker->sender);
    abandon(worker, drop);
    return false;
}

void worker_free(struct worker **workerp)
{
    struct worker *worker = *workerp;
    *workerp = NULL;
    if (worker == NULL)
        return;
    batcher_free(&worker->batcher);
    free(worker);
}

struct gate *worker_gate(struct worker *worker)
{
    return &worker->gate;
}

void worker_nudge(struct worker *worker)
{
    wake_bump(&worker->feed->wake);
}

void worker_commit(struct worker *worker, struct lane *const *lanes,
                   struct batcher_change **changep)
{
    CHECK(gate_is_stood_at(&worker->gate));
    batcher_commit(worker->batcher, lanes, changep);
}

bool worker_holds(const struct worker *worker, const struct receipts *receipts)
{
    CHECK(gate_is_stood_at(&worker->gate));
    return batcher_holds(worker->batcher, receipts);
}

int64_t worker_oldest_boot_ms(const struct worker *worker)
{
    CHECK(gate_is_stood_at(&worker->gate));
    return batcher_oldest_boot_ms(worker->batcher);
}

void worker_leave(struct worker *worker, bool leaves)
{
    atomic_store(&worker->leaving, leaves);
    worker_nudge(worker);
}

void worker_request_audit(struct worker *worker)
{
    atomic_store(&worker->audit_wanted, true);
}

struct worker_times worker_times(struct worker *worker, int64_t now_ms)
{
    int64_t spent_ms[DOINGS];

    for (int i = 0; i < DOINGS; i++)
        spent_ms[i] = atomic_load(&worker->spent_ms[i]);
    spent_ms[atomic_load(&worker->doing)] += now_ms - atomic_load(&worker->doing_since_ms);
    return (struct worker_times){ .busy_ms = spent_ms[DOING_WORK],
                                  .blocked_ms = spent_ms[DOING_WAIT] };
}

int64_t worker_last_step_ms(struct worker *worker)
{
    return atomic_load(&worker->last_step_ms);
}
