/* SPDX-License-Identifier: Apache-2.0 */
/* agent: the main thread sleeps on signals, a bell and the next report. It blocks all signals
 * before the first other thread, so they arrive here alone. */
#include "agent.h"

#include "base/auto.h"
#include "base/bell.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "books_copy.h"
#include "crash.h"
#include "ledger/ledger_start.h"
#include "ledger/report.h"
#include "pipeline.h"
#include "reload.h"
#include "rights/rights.h"
#include "service.h"
#include "spools.h"
#include "state_lock.h"
#include "surface.h"

#include <curl/curl.h>
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>

enum { DRAIN_LOOK_MS = 5, SAME_WISH_MS = 5, RELOAD_WAIT_MS = 4000 };
/* Of the half second after the grace, for the disk of the state; and at least. */
enum { SAVE_MS = 460, SAVE_LEAST_MS = 30 };

struct agent {
    struct generation *generation;
    struct generation *first;        /* the admin endpoint borrows its settings */
    const struct settings *settings; /* of the generation */
    struct reload reload;
    const char *stop_signal; /* NULL: none came */
    int lock_fd, signal_fd, bell;
    struct spools spools;
    struct ledger *ledger;
    struct report *report;
    struct disk *disk;
    struct books_copy copy;
    struct rights rights;
    struct surface surface;
    struct pipeline *pipeline;
    uint64_t log_held_back;
    int64_t watchdog_ms; /* 0: none asked for */
    int64_t next_ping_ms;
};

/* ---- start ---- */

static bool take_signals(struct agent *agent, struct err *err)
{
    sigset_t set;

    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a file at its limit is a write that fails, and no more */
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
    agent->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (agent->signal_fd < 0 || !bell_open(&agent->bell))
        return err_set(err, "cannot make a signalfd: %s", strerror(errno));
    agent->reload.bell = agent->bell;
    agent->reload.rights = &agent->rights;
    return true;
}

static bool open_books(struct agent *agent, struct err *err)
{
    const struct agent_options *options = &agent->settings->agent;
    struct ledger_config config = {
        .state_dir = options->state_dir,
        .runtime_dir = options->runtime_dir,
        .runtime_dir_is_default = strcmp(options->runtime_dir, "/run/spillway") == 0,
    };

    agent->ledger = ledger_prepare(&config, err);
    if (agent->ledger == NULL || !spools_open(&agent->spools, agent->settings, agent->ledger, err))
        return false;
    ledger_begin(agent->ledger, agent->spools.found, agent->spools.found_count);
    if (!crash_watch(agent->ledger, err))
        return false;
    /* Here: all that starts with folders is there, and there is one thread. */
    const char *folders[LEDGER_OUTPUTS];
    size_t count = spools_list_before(&agent->spools, folders);
    if (!rights_drop(&agent->rights, agent->settings, ledger_live_path(agent->ledger), folders,
                     count, err))
        return false;
    agent->report = report_new(agent->ledger);
    agent->disk = disk_start(err);
    if (agent->report == NULL || agent->disk == NULL)
        return err_set(err, "out of memory for the books");
    return books_copy_init(&agent->copy, agent->ledger, agent->disk) ||
           err_set(err, "out of memory for the books");
}

static bool start_agent(struct agent *agent, struct err *err)
{
    const struct settings *settings = agent->settings;

    /* Freed big buffers go back to the system at once, and threads share two heaps. */
    (void)mallopt(M_MMAP_THRESHOLD, 128 * 1024);
    (void)mallopt(M_ARENA_MAX, 2);
    (void)mallopt(M_TRIM_THRESHOLD, 128 * 1024);
    if (!rights_begin(&agent->rights, settings, err) || !take_signals(agent, err) ||

        (agent->lock_fd = state_lock(settings->agent.state_dir, err)) < 0)
        return false;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return err_set(err, "cannot start libcurl");
    if (!open_books(agent, err))
        return false;
    agent->surface.bell = agent->bell;
    if (!surface_start(&agent->surface, settings, agent->ledger, &agent->reload, err))
        return false;
    ledger_ring_at_first_drop(agent->bell);
    agent->pipeline = pipeline_start(agent->generation, agent->ledger, agent->disk, agent->bell,
                                     &agent->spools, rights_starter(&agent->rights), err);
    spools_close(&agent->spools);
    if (agent->pipeline == NULL)
        return false;
    numbers_set(ledger_agent_numbers(agent->ledger), NUMBER_config_generation,
                agent->generation->number);
    surface_run(&agent->surface, agent->pipeline);
    return true;
}

/* ---- reports ---- */

/* After the books, which have the first right to what a report may write. */
static void tell_log(struct agent *agent)
{
    uint64_t held_back = log_held_back();

    numbers_add(ledger_agent_numbers(agent->ledger), NUMBER_log_lines_held_back,
                held_back - agent->log_held_back);
    agent->log_held_back = held_back;
    log_tell_held_back();
}

static void report_now(struct agent *agent)
{
    pipeline_audit(agent->pipeline);
    numbers_add(ledger_agent_numbers(agent->ledger), NUMBER_reports, 1);
    report_write(agent->report, false);
    tell_log(agent);
    books_copy_save(&agent->copy, false);
}

/* ---- running ---- */

/* Returns why to stop. One signal at a time: a second one is a second wish. */
static const char *take_signal(struct agent *agent)
{
    const char *signal_name = agent->stop_signal;
    struct signalfd_siginfo info;

    agent->stop_signal = NULL;
    while (signal_name == NULL &&
           read(agent->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGTERM)
            signal_name = "SIGTERM";
        else if (info.ssi_signo == SIGINT)
            signal_name = "SIGINT";
        else
            (void)reload_ask(&agent->reload);
    }
    return signal_name;
}

static int64_t sooner_ms(int64_t a_ms, int64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

/* Also in the middle of a reload. */
static void ping_watchdog(struct agent *agent, int64_t now_ms)
{
    struct err who = { "" };

    if (now_ms < agent->next_ping_ms)
        return;
    agent->next_ping_ms = agent->watchdog_ms == 0 ? INT64_MAX : now_ms + agent->watchdog_ms;
    if (agent->watchdog_ms == 0)
        return;
    if (surface_is_alive(&agent->surface, now_ms, &who))
        service_notify("WATCHDOG=1");
    else
        LOG(LOG_ERROR, "a thread is stuck, the watchdog is not fed", LS("thread", who.text),
            LS("effect", "restart"));
}

/* ---- reload ---- */

static void set_log_style(const struct agent_options *options)
{
    static const enum log_level levels[] = { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
    static const enum log_format formats[] = { LOG_LOGFMT, LOG_JSON };

    log_set_level(levels[options->log_level]);
    log_set_format(formats[options->log_format]);
}

static void set_up_log(const struct agent_options *options)
{
    struct err err = { "" };

    set_log_style(options);
    log_mark_priorities();
    if (options->log_to == LOG_TARGET_JOURNAL && !log_use_journal(LOG_JOURNAL_SOCKET, &err))
        LOG(LOG_WARN, "the log goes to standard error, the journal cannot be had",
            LS("why", err.text));
}

/* Asked while a reload waits: what comes meanwhile is kept, and not lost. */
static bool is_to_stop(void *context)
{
    struct agent *agent = context;

    agent->stop_signal = take_signal(agent);
    surface_step(&agent->surface, clock_now_ms());
    ping_watchdog(agent, clock_now_ms());
    return agent->stop_signal != NULL;
}

/* An agent that ships nothing must not look as if it did. */
static void tell_idle(const struct agent *agent)
{
    bool is_idle = pipeline_is_idle(agent->pipeline);

    service_notify_idle(is_idle ? agent->reload.path : NULL);
    if (!is_idle)
        return;
    LOG_AS(LOG_ALWAYS, LOG_WARN, "idle: there is no output, nothing is read or shipped",
           LS("fill_in", "outputs"), LS("in", agent->reload.path), LS("then", "spillway reload"));
}

static void serve_reload(struct agent *agent)
{
    struct patience patience = { clock_now_ms() + RELOAD_WAIT_MS, is_to_stop, agent };

    service_notify_reloading();
    struct generation *next = reload_serve(&agent->reload, agent->generation, agent->pipeline,
                                           &agent->surface, agent->ledger, &patience);
    if (next != NULL) {
        generation_release(&agent->generation);
        agent->generation = next;
        agent->settings = &next->settings;
        set_log_style(&agent->settings->agent);
        surface_show(&agent->surface, agent->settings);
        surface_run(&agent->surface, agent->pipeline);
        tell_idle(agent);
    }
    service_notify("READY=1");
}

/* Returns why to stop. */
static const char *run_until_stop(struct agent *agent)
{
    int64_t next_report_ms = clock_now_ms() + agent->settings->agent.report_interval;
    int64_t next_look_ms = pipeline_watch(agent->pipeline, clock_now_ms());
    int64_t next_tend_ms = INT64_MAX;

    for (;;) {
        const char *signal_name = take_signal(agent);
        if (signal_name != NULL)
            return signal_name;
        if (reload_is_due(&agent->reload)) {
            serve_reload(agent);
            next_report_ms =
                sooner_ms(next_report_ms, clock_now_ms() + agent->settings->agent.report_interval);
            next_look_ms = next_tend_ms = clock_now_ms();
            continue;
        }
        if (pipeline_has_ended(agent->pipeline))
            return "all inputs are at their end";
        report_news(agent->report); /* a first drop rings the bell: people hear of it at once */
        int64_t now_ms = clock_now_ms();
        surface_step(&agent->surface, now_ms);
        surface_pass_questions(&agent->surface);
        if (now_ms >= next_report_ms) {
            report_now(agent);
            next_report_ms = now_ms + agent->settings->agent.report_interval;
        }
        ping_watchdog(agent, now_ms);
        if (now_ms >= next_look_ms)
            next_look_ms = pipeline_watch(agent->pipeline, now_ms);
        if (now_ms >= next_tend_ms)
            next_tend_ms = pipeline_tend(agent->pipeline, now_ms);
        int64_t next_ms = sooner_ms(sooner_ms(next_look_ms, next_tend_ms),
                                    sooner_ms(next_report_ms, agent->next_ping_ms));
        bell_wait(agent->bell, &agent->signal_fd, 1, next_ms - now_ms);
    }
}

static void drain(struct agent *agent, const char *why)
{
    int64_t grace_ms = agent->settings->agent.shutdown_grace;
    int64_t began_ms = clock_now_ms();
    int64_t deadline_ms = began_ms + grace_ms;

    LOG_AS(LOG_ALWAYS, LOG_INFO, "stopping", LS("reason", why), LI("grace_ms", grace_ms));
    service_notify_stopping(grace_ms);
    surface_drain(&agent->surface);
    pipeline_drain(agent->pipeline);
    while (!pipeline_is_drained(agent->pipeline)) {
        int64_t now_ms = clock_now_ms();
        surface_step(&agent->surface, now_ms);
        surface_pass_questions(&agent->surface);
        if (now_ms >= deadline_ms) {
            LOG(LOG_WARN, "the grace is over", LI("grace_ms", grace_ms));
            return;
        }
        bell_wait(agent->bell, &agent->signal_fd, 1, DRAIN_LOOK_MS);
        const char *again = take_signal(agent);
        /* timeout(1) and terminals signal the process and its group: that is one wish, not two. */
        if (again != NULL && now_ms - began_ms >= SAME_WISH_MS) {
            LOG(LOG_WARN, "second signal, not waiting any longer", LS("signal", again));
            return;
        }
    }
}

/* Was anything left in the agent when the grace was over? */
static uint64_t count_left(const struct ledger *ledger)
{
    static const enum flow leftovers[] = { FLOW_replay_ring,         FLOW_replay_batch,
                                           FLOW_replay_ready,        FLOW_replay_in_flight,
                                           FLOW_drain_timeout_ring,  FLOW_drain_timeout_batch,
                                           FLOW_drain_timeout_ready, FLOW_drain_timeout_in_flight };
    struct lane_snapshot lane;
    uint64_t left = 0;

    for (unsigned i = 0; i < ledger_lane_count(ledger); i++) {
        ledger_snapshot(ledger, i, &lane);
        for (size_t flow = 0; flow < sizeof(leftovers) / sizeof(leftovers[0]); flow++)
            left += lane.flows[leftovers[flow]].events;
    }
    return left;
}

/* What is in the hand of a thread that did not come back from its disk. */
static uint64_t count_held(const struct ledger *ledger)
{
    static const enum account held[] = { ACCOUNT_ring, ACCOUNT_batch, ACCOUNT_ready,
                                         ACCOUNT_in_flight };
    uint64_t count = 0;

    for (unsigned i = 0; i < ledger_lane_count(ledger); i++) {
        for (size_t account = 0; account < sizeof(held) / sizeof(held[0]); account++)
            count += ledger_stock(ledger_books(ledger, i), held[account]).events;
    }
    return count;
}

/* What became of what is still held nobody knows before the next start sees the disk: it closes the
 * books then, as those of a start that was killed. */
static void close_books(struct agent *agent, uint64_t held)
{
    if (held == 0)
        ledger_mark_closed(agent->ledger);
    else
        LOG(LOG_ERROR, "the books are left open", LU("held_events", held),
            LS("effect", "the next start closes them, by what it finds on disk"));
    books_copy_save(&agent->copy, true);
}

/* In this order: threads end, checkpoints are written, the books are closed. *ret_has_left: a
 * thread stays behind, so nothing more is freed. */
static int close_agent(struct agent *agent, bool *ret_has_left)
{
    uint64_t left_before = count_left(agent->ledger); /* by reloads */
    int64_t began_ms = clock_now_ms();

    bool have_ended = pipeline_stop(agent->pipeline);
    report_write(agent->report, true);
    uint64_t held = count_held(agent->ledger);
    uint64_t left = count_left(agent->ledger) - left_before + held;
    int exit_code = left == 0 ? EXIT_CLEAN : EXIT_LEFT;
    surface_stop(&agent->surface);
    if (have_ended)
        pipeline_free(&agent->pipeline);
    close_books(agent, held);
    int64_t save_ms = clock_now_ms() + SAVE_LEAST_MS;
    if (save_ms < began_ms + SAVE_MS)
        save_ms = began_ms + SAVE_MS;
    bool has_saved = disk_stop(&agent->disk, save_ms);
    *ret_has_left = !have_ended || !has_saved;
    uint64_t held_back = log_end();
    LOG_AS(LOG_ALWAYS, LOG_INFO, "stopped", LU("left_events", left), LI("exit_code", exit_code),
           LU("log_lines_held_back", held_back));
    return exit_code;
}

static void release(struct agent *agent)
{
    spools_close(&agent->spools);
    surface_stop(&agent->surface);
    if (agent->pipeline != NULL)
        pipeline_free(&agent->pipeline);
    if (agent->disk != NULL)
        (void)disk_stop(&agent->disk, INT64_MAX);
    if (agent->report != NULL)
        report_free(&agent->report);
    rights_end(&agent->rights);
    generation_release(&agent->generation);
    generation_release(&agent->first);
    reload_fini(&agent->reload);
    crash_unwatch();
    if (agent->ledger != NULL)
        ledger_close(&agent->ledger);
    ledger_ring_at_first_drop(-1);
    auto_close(&agent->signal_fd);
    auto_close(&agent->bell);
    auto_close(&agent->lock_fd);
}

static const char *name_predecessor(enum predecessor predecessor)
{
    static const char *const names[] = { [PREDECESSOR_NONE] = "none",
                                         [PREDECESSOR_CLEAN] = "clean",
                                         [PREDECESSOR_EXACT] = "exact",
                                         [PREDECESSOR_STALE] = "stale",
                                         [PREDECESSOR_UNREADABLE] = "unreadable" };
    return names[predecessor];
}

static void tell_start(const struct agent *agent)
{
    LOG_AS(LOG_ALWAYS, LOG_INFO, "started", LS("version", SPILLWAY_VERSION), LI("pid", getpid()),
           LS("start_id", ledger_start_id(agent->ledger)), LS("config", agent->settings->hash),
           LU("generation", agent->generation->number), LS("books", ledger_place(agent->ledger)),
           LS("predecessor", name_predecessor(ledger_predecessor(agent->ledger))),
           LS("metrics", admin_address(agent->surface.admin)),
           LS("admin_socket", admin_socket(agent->surface.admin)));
}

int agent_run(struct generation **generationp, const char *config_path)
{
    struct agent agent = { .generation = *generationp, .lock_fd = -1, .signal_fd = -1, .bell = -1 };
    struct err err = { "" };

    *generationp = NULL;
    agent.first = generation_hold(agent.generation);
    agent.settings = &agent.generation->settings;
    reload_init(&agent.reload, config_path, -1);
    set_up_log(&agent.settings->agent);
    if (!start_agent(&agent, &err)) {
        LOG_AS(LOG_ALWAYS, LOG_ERROR, "cannot start", LS("error", err.text));
        release(&agent);
        return EXIT_FAILED;
    }
    agent.watchdog_ms = service_watchdog_ms();
    tell_start(&agent);
    tell_idle(&agent);
    service_notify("READY=1");
    const char *why = run_until_stop(&agent);
    drain(&agent, why);
    bool has_left = false;
    int exit_code = close_agent(&agent, &has_left);
    if (!has_left)
        release(&agent);
    return exit_code; /* a thread that was left behind ends with the process */
}
