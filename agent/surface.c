/* SPDX-License-Identifier: Apache-2.0 */
#include "surface.h"

#include "base/bell.h"
#include "base/clock.h"
#include "base/listen.h"
#include "base/log.h"
#include "config/settings_show.h"
#include "input/sources.h"
#include "pipeline.h"
#include "reload.h"
#include "tap_stream.h"
#include "version.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* The main thread looks at its outputs each 10 s, and at everything before it tells the watchdog.
 */
enum { MAIN_STUCK_MS = 90 * 1000, SOURCES_WAIT_MS = 1000 };

bool surface_is_alive(struct surface *surface, int64_t now_ms, struct err *ret_who)
{
    struct pipeline *pipeline = atomic_load(&surface->pipeline);

    return pipeline == NULL || pipeline_is_alive(pipeline, now_ms, ret_who);
}

/* The watchdog is fed by the main thread: it hears nothing when that one is stuck. */
static bool is_alive(void *context)
{
    struct surface *surface = context;
    int64_t now_ms = clock_now_ms(), stepped_ms = atomic_load(&surface->stepped_ms);
    struct err ignored;

    return (stepped_ms == 0 || now_ms - stepped_ms < MAIN_STUCK_MS) &&
           surface_is_alive(surface, now_ms, &ignored);
}

/* Beside the live books; where these have no file, in runtime_dir all the same. */
static void choose_folder(const struct settings *settings, const struct ledger *ledger,
                          char ret_folder[PATH_MAX])
{
    const char *books = ledger_live_path(ledger);
    const char *slash = strrchr(books, '/');

    if (slash == NULL)
        (void)snprintf(ret_folder, PATH_MAX, "%s", settings->agent.runtime_dir);
    else
        (void)snprintf(ret_folder, PATH_MAX, "%.*s", (int)(slash - books), books);
}

static bool add_config(void *context, struct buf *ret)
{
    struct surface *surface = context;

    lock_take(&surface->lock);
    bool ok = buf_add(ret, surface->config_page.data, surface->config_page.bytes);
    lock_drop(&surface->lock);
    return ok;
}

static uint64_t ask_reload(void *context)
{
    struct surface *surface = context;

    return reload_ask(surface->reload);
}

static bool add_reload(void *context, struct buf *ret)
{
    struct surface *surface = context;

    return reload_page(surface->reload, ret);
}

void surface_show(struct surface *surface, const struct settings *settings)
{
    struct buf page = { 0 };

    if (!settings_show(settings, &page)) {
        buf_fini(&page);
        return;
    }
    lock_take(&surface->lock);
    struct buf before = surface->config_page;
    surface->config_page = page;
    lock_drop(&surface->lock);
    buf_fini(&before);
}

/* Only the main thread may walk the pipeline, and only a reading's own thread its sources: the
 * question goes through both. Meanwhile this thread, the endpoint's, answers nobody else: the wait
 * is short, and only as long where one of them is stuck. */
static bool add_sources(void *context, const struct admin_query *query, struct buf *ret)
{
    struct surface *surface = context;
    struct sources_query wanted = { .has_file = query->has_file,
                                    .has_name = query->has_name,
                                    .device = query->device,
                                    .inode = query->inode,
                                    .name_sum = query->name_sum };
    struct sources_ask *question = sources_ask_new(&wanted);

    if (question == NULL)
        return false;
    struct sources_ask *before = atomic_exchange(&surface->question, sources_ask_hold(question));
    sources_ask_release(&before);
    bell_ring(surface->bell);
    bool ok = sources_ask_take(question, SOURCES_WAIT_MS, ret);
    sources_ask_release(&question);
    return ok;
}

void surface_pass_questions(struct surface *surface)
{
    struct pipeline *pipeline = atomic_load(&surface->pipeline);
    struct sources_ask *question = atomic_exchange(&surface->question, NULL);

    if (question != NULL && pipeline != NULL)
        pipeline_ask(pipeline, question);
    sources_ask_release(&question);
}

static struct admin_config port_of(const struct settings *settings)
{
    const struct agent_options *options = &settings->agent;

    return (struct admin_config){ .listen = options->admin__listen,
                                  .cert_file = options->admin__tls__cert_file,
                                  .key_file = options->admin__tls__key_file,
                                  .token = options->admin__token,
                                  .token_file = options->admin__token_file };
}

bool surface_start(struct surface *surface, const struct settings *settings,
                   const struct ledger *ledger, struct reload *reload, struct err *err)
{
    char folder[PATH_MAX];

    lock_init(&surface->lock, "surface");
    surface->reload = reload;
    choose_folder(settings, ledger, folder);
    version_json(&surface->version_page);
    surface_show(surface, settings);
    surface->history = history_new();
    if (surface->history == NULL || surface->config_page.bytes == 0 || surface->version_page.failed)
        return err_set(err, "out of memory for the admin endpoint");
    struct admin_config config = port_of(settings);
    config.socket_folder = folder;
    config.state_dir = settings->agent.state_dir;
    config.ledger = ledger;
    config.history = surface->history;
    config.version_page = buf_slice(&surface->version_page);
    config.is_alive = is_alive;
    config.add_config = add_config;
    config.ask_reload = ask_reload;
    config.add_reload = add_reload;
    config.add_sources = add_sources;
    config.context = surface;
    config.taps = tap_stream_maker(ledger);
    surface->admin = admin_start(&config, err);
    return surface->admin != NULL;
}

bool surface_prepare(struct surface *surface, const struct settings *settings, struct err *err)
{
    struct admin_config config = port_of(settings);

    surface->change = admin_prepare(surface->admin, &config, err);
    return surface->change != NULL;
}

void surface_commit(struct surface *surface)
{
    char before[LISTEN_TEXT];

    (void)snprintf(before, sizeof(before), "%s", admin_address(surface->admin));
    admin_commit(surface->admin, &surface->change);
    if (strcmp(before, admin_address(surface->admin)) != 0)
        LOG(LOG_INFO, "the admin port is another one", LS("metrics", admin_address(surface->admin)),
            LS("before", before));
}

void surface_forget_change(struct surface *surface)
{
    admin_change_free(&surface->change);
}

void surface_run(struct surface *surface, struct pipeline *pipeline)
{
    atomic_store(&surface->pipeline, pipeline);
    surface_step(surface, clock_now_ms());
    admin_set_phase(surface->admin, pipeline_is_idle(pipeline) ? ADMIN_IDLE : ADMIN_RUNNING);
}

void surface_step(struct surface *surface, int64_t now_ms)
{
    atomic_store(&surface->stepped_ms, now_ms);
}

void surface_drain(struct surface *surface)
{
    admin_set_phase(surface->admin, ADMIN_STOPPING);
}

void surface_stop(struct surface *surface)
{
    struct sources_ask *question = NULL;

    admin_stop(&surface->admin);
    question = atomic_exchange(&surface->question, NULL);
    sources_ask_release(&question);
    history_free(&surface->history);
    if (surface->reload != NULL)
        lock_fini(&surface->lock);
    surface->reload = NULL;
    buf_fini(&surface->config_page);
    buf_fini(&surface->version_page);
}
